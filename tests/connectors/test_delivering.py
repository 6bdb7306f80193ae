"""The delivery part against a real ledger and peers that behave: each once, never overtaking a protection, never losing anything."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import orjson
import pytest
import pytest_asyncio

from pipelines.ledger import unknowns
from schemas.errors import Rejected, Unavailable, Uncertain
from schemas.keys import PersonKeys
from tests.connectors.delivering_support import QUICK, FakeMailbox, FakePhones, Part, emptied, part
from tests.pipelines.desk import ANNA, BERTIL, START, Desk, account, booking, kallelse, letter, mailbox, of_type, person, read

LATER = START + timedelta(minutes=5)
PDF = {"name": "a.pdf", "content_type": "application/pdf", "data": "JVBERi0xLjcgdGVzdA==", "shared": True, "e_brev": True}


@pytest_asyncio.fixture
async def hub(ledger: str) -> AsyncIterator[Desk]:
    async with emptied(ledger) as made:
        await made.take(person(ANNA), mailbox(ANNA), person(BERTIL), mailbox(BERTIL, "billo"))
        yield made


async def _asked(hub: Desk, kivra: FakeMailbox, **more: Any) -> Part:
    """One letter that wants its mailbox, and a part that knows of it."""
    delivery = part(hub, kivra, **more)
    assert await delivery.put(await hub.take(letter(ANNA))) == 1
    return delivery


async def _mailbox_of(hub: Desk, number: str = "d1") -> tuple[int, int]:
    found = await hub.pool.fetchrow("SELECT mailbox, settled FROM documents WHERE document_id = $1", number)
    return found[0], found[1]


# --- the ordinary way ---------------------------------------------------------------------------------------------------------


async def test_a_letter_is_made_once_sent_once_and_settles_its_document(hub: Desk) -> None:
    kivra = FakeMailbox()
    delivery = part(hub, kivra)
    said = await hub.take(letter(ANNA, attachments=[PDF]))
    assert await delivery.put(said) == 1
    assert await delivery.put(said) == 0, "the same request again finds its row"
    await delivery.rest()
    ((whom, request),) = kivra.got
    assert whom == ANNA
    sent = orjson.loads(request)
    assert "Hej! Se https://1177.se." in sent["html"] and "Sidfot [4US:LPAT]" in sent["html"]
    assert len(sent["files"]) == 1
    assert (await delivery.state(), (await delivery.row())["reference"]) == ("accepted", "ref-1")
    settled = of_type(await delivery.answer(), "document.settled.v1")
    assert [one["outcome"] for one in settled] == ["accepted"]
    await delivery.rest()
    assert len(kivra.got) == 1 and delivery.published == [], "told once"


async def test_the_very_bytes_are_kept_by_their_hash(hub: Desk) -> None:
    kivra = FakeMailbox()
    delivery = await _asked(hub, kivra)
    await delivery.rest()
    row = await delivery.row()
    assert await hub.pool.fetchval("SELECT data FROM contents WHERE sha = $1", row["request"]) == kivra.got[0][1]


async def test_a_refusal_goes_back_to_the_rules(hub: Desk) -> None:
    kivra = FakeMailbox()
    kivra.plan.append(Rejected("40032"))
    delivery = part(hub, kivra)
    await delivery.put(await hub.take(kallelse(ANNA)))
    await delivery.rest()
    entered = of_type(await delivery.answer(), "print.entered.v1")
    assert [one["reason"] for one in entered] == ["mailbox_refused"]
    assert (await delivery.row())["code"] == "40032"


async def test_what_the_channel_cannot_take_counts_as_refused(hub: Desk) -> None:
    kivra = FakeMailbox(bytes_max=100)
    delivery = await _asked(hub, kivra)
    await delivery.rest()
    assert (await delivery.state(), (await delivery.row())["code"]) == ("refused", "too_large")
    await delivery.answer()
    assert (await _mailbox_of(hub))[0] == 3


async def test_a_peer_that_did_nothing_is_asked_again_later_with_growing_pauses_and_the_same_bytes(hub: Desk) -> None:
    kivra = FakeMailbox()
    kivra.plan.extend([Unavailable("http_503"), Unavailable("http_503", "", 40.0)])
    delivery = await _asked(hub, kivra)
    pauses = []
    for _ in range(2):
        await delivery.rest()
        row = await delivery.row()
        assert (await delivery.state(), row["why"]) == ("waiting", "peer_unavailable")
        pauses.append((row["due_at"] - hub.time).total_seconds())
        hub.time = row["due_at"]
    assert pauses == [0.75, 40.0], "the second time the peer said when"
    await delivery.rest()
    assert await delivery.state() == "accepted"
    assert len(kivra.made) == 1, "made once"
    tries = await hub.pool.fetch("SELECT outcome, code, written, ended IS NOT NULL FROM attempts ORDER BY number")
    assert [tuple(one) for one in tries] == [
        ("unavailable", "http_503", False, True), ("unavailable", "http_503", False, True), ("sent", None, True, True),
    ]  # fmt: skip


async def test_a_peer_that_does_nothing_for_a_month_has_refused(hub: Desk) -> None:
    kivra = FakeMailbox()
    delivery = await _asked(hub, kivra)
    kivra.plan.extend([Unavailable("http_503")] * 2)
    await delivery.rest()
    hub.time += timedelta(days=31)
    await hub.take(person(ANNA, as_of=hub.time))
    await delivery.rest()
    assert (await delivery.state(), (await delivery.row())["code"]) == ("refused", "gave_up")


# --- doubt ---------------------------------------------------------------------------------------------------------------------


async def test_a_lost_answer_is_unknown_and_nothing_is_sent_again_by_itself(hub: Desk) -> None:
    peer = FakeMailbox("mina_meddelanden")
    peer.plan.append(Uncertain("lost_answer", "arrived"))
    delivery = part(hub, peer)
    await delivery.put(await hub.take(letter(BERTIL)))
    await delivery.rest()
    hub.time += timedelta(hours=5)
    await delivery.rest()
    assert (await delivery.state(), len(peer.got)) == ("unknown", 1)
    await delivery.answer()
    assert (await _mailbox_of(hub))[0] == 4
    hub.time = START
    said = [*await hub.advance(hours=48), *await hub.advance(minutes=1)]
    assert [one["reason"] for one in of_type(said, "print.entered.v1")] == ["unknown_outcome"], (
        "R11: the deadline after which it is printed"
    )


async def test_what_the_desk_sends_again_waits_until_its_peer_is_back(hub: Desk) -> None:
    peer = FakeMailbox("mina_meddelanden")
    peer.plan.extend([Uncertain("lost_answer", "arrived"), *[Unavailable("connect_failed")] * 4])
    delivery = part(hub, peer)
    await delivery.put(await hub.take(letter(BERTIL)))
    await delivery.rest()
    send = (await delivery.row())["send"]
    await unknowns.resolve(hub.pool, send, "resend", "SE2321000016-O1", hub.time, PersonKeys({1: b"k" * 32}, 1))
    for _ in range(4):
        await delivery.rest()
        assert (await delivery.state(), (await delivery.row())["why"]) == ("waiting", "peer_unavailable")
        hub.time = (await delivery.row())["due_at"]
    await delivery.rest()
    assert (await delivery.state(), len(peer.got), len(peer.made)) == ("accepted", 2, 1)


async def test_where_the_peer_knows_repeats_the_identical_bytes_go_again(hub: Desk) -> None:
    kivra = FakeMailbox(dedupes=True)
    kivra.plan.extend([Uncertain("timeout", "arrived"), Uncertain("timeout")])
    delivery = await _asked(hub, kivra)
    for _ in range(3):
        await delivery.rest()
        hub.time += timedelta(seconds=30)
    assert await delivery.state() == "accepted"
    assert len(kivra.got) == 2 and list(kivra.kept.values()) == [1]


async def test_repeats_end_at_the_desk(hub: Desk) -> None:
    kivra = FakeMailbox(dedupes=True)
    kivra.plan.extend([Uncertain("timeout"), Unavailable("http_503"), Uncertain("timeout"), Uncertain("timeout")])
    delivery = await _asked(hub, kivra)
    for _ in range(6):
        await delivery.rest()
        hub.time += timedelta(seconds=60)
    assert await delivery.state() == "unknown"
    assert await hub.pool.fetchval("SELECT count(*) FROM attempts") == 4


async def test_what_may_have_been_sent_is_never_called_refused(hub: Desk) -> None:
    """The recipient has it and opts out before the repeat: paper beside it would be a second copy, so the desk decides."""
    kivra = FakeMailbox(dedupes=True)
    kivra.plan.extend([Uncertain("timeout", "arrived"), Rejected("40105")])
    delivery = await _asked(hub, kivra)
    await delivery.rest()
    hub.time += timedelta(seconds=60)
    await delivery.rest()
    assert (await delivery.state(), (await delivery.row())["code"]) == ("unknown", "40105")


async def test_what_may_have_been_sent_is_never_called_withdrawn(hub: Desk) -> None:
    kivra = FakeMailbox(dedupes=True)
    kivra.plan.append(Uncertain("timeout"))
    delivery = await _asked(hub, kivra)
    await delivery.rest()
    assert await delivery.state() == "waiting"
    await hub.take(person(ANNA, protection="sekretessmarkering", as_of=LATER))
    hub.time += timedelta(seconds=60)
    await delivery.rest()
    assert (await delivery.state(), kivra.got) == ("unknown", [])


# --- the last look ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("more", [{"protection": "sekretessmarkering"}, {"deceased": "2026-03-01"}])
async def test_a_protection_or_death_between_claim_and_send_stops_it(hub: Desk, more: dict[str, Any]) -> None:
    kivra = FakeMailbox()
    seen: list[str] = []
    news = person(ANNA, as_of=LATER, **more)
    loop = asyncio.get_running_loop()
    waiting: list[asyncio.Task[Any]] = []
    delivery = await _asked(hub, kivra, reach=seen.append)
    launch = delivery.ledger.launch

    async def late(*words: Any) -> Any:
        """The register's news is committed when the row is claimed and everything is ready."""
        if not waiting:
            waiting.append(loop.create_task(hub.take(news)))
            await waiting[0]
        return await launch(*words)

    delivery.ledger.launch = late  # type: ignore[method-assign]
    await delivery.rest()
    assert seen == ["before_claim", "after_claim"]
    assert kivra.got == [] and delivery.published == []
    row = await delivery.row()
    assert (await delivery.state(), row["code"]) == ("withdrawn", "not_wanted")


async def test_news_that_is_being_written_is_waited_for_and_counts(hub: Desk) -> None:
    kivra = FakeMailbox()
    delivery = await _asked(hub, kivra)
    uid = hub.decoder.person(ANNA)
    async with hub.pool.acquire() as register:
        news = register.transaction()
        await news.start()
        await register.execute("SELECT pg_advisory_xact_lock($1)", int.from_bytes(uid.bytes[:8], "big", signed=True))
        await register.execute("UPDATE persons SET protection = 1 WHERE person = $1", uid)
        resting = asyncio.create_task(delivery.rest())
        async with asyncio.timeout(60):
            while await hub.pool.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'advisory'") == 0:
                await asyncio.sleep(0.01)
        assert kivra.got == []
        await news.commit()
    await resting
    assert (await delivery.state(), kivra.got) == ("withdrawn", [])


async def test_a_mailbox_that_was_closed_meanwhile_is_a_refusal(hub: Desk) -> None:
    kivra = FakeMailbox()
    delivery = await _asked(hub, kivra)
    await hub.take(mailbox(ANNA, accepts=False, as_of=LATER))
    await delivery.rest()
    assert (await delivery.state(), kivra.got) == ("refused", [])
    await delivery.answer()
    assert (await _mailbox_of(hub))[0] == 3


async def test_what_is_on_paper_already_is_not_sent(hub: Desk) -> None:
    kivra = FakeMailbox()
    delivery = await _asked(hub, kivra)
    await hub.pool.execute("UPDATE documents SET print = 2")
    await delivery.rest()
    assert (await delivery.state(), kivra.got) == ("withdrawn", [])


async def test_stale_facts_are_asked_for_before_anything_leaves(hub: Desk) -> None:
    kivra = FakeMailbox()
    delivery = await _asked(hub, kivra)
    hub.time += timedelta(hours=30)
    await delivery.rest()
    row = await delivery.row()
    assert (await delivery.state(), row["why"], kivra.got) == ("waiting", "register", [])
    assert await hub.pool.fetchval("SELECT count(*) FROM lookups") == 1
    await hub.take(person(ANNA, as_of=hub.time))
    hub.time = row["due_at"]
    await delivery.rest()
    assert await delivery.state() == "accepted"


async def test_the_bytes_are_made_anew_for_somebody_who_changed_their_number(hub: Desk) -> None:
    kivra = FakeMailbox()
    kivra.plan.append(Unavailable("http_503"))
    delivery = await _asked(hub, kivra)
    await delivery.rest()
    new = BERTIL
    await hub.take(mailbox(new, as_of=LATER))
    await hub.take(person(ANNA, replaced_by=new, as_of=LATER))
    hub.time += timedelta(seconds=60)
    await delivery.rest()
    assert [whom for whom, _ in kivra.got] == [new]
    assert orjson.loads(kivra.got[0][1])["to"] == new
    assert len(kivra.made) == 2


# --- many, and slow ----------------------------------------------------------------------------------------------------------------


async def test_a_slow_peer_holds_up_only_itself(hub: Desk) -> None:
    kivra, billo = FakeMailbox(), FakeMailbox("mina_meddelanden")
    kivra.gate.clear()
    delivery = part(hub, kivra, billo)
    await delivery.put(await hub.take(letter(ANNA)) + await hub.take(letter(BERTIL, "d2")))
    delivery.start()
    async with asyncio.timeout(60):
        while not billo.got:
            await asyncio.sleep(0.01)
    assert kivra.got == []
    kivra.gate.set()
    async with asyncio.timeout(60):
        while not kivra.got:
            await asyncio.sleep(0.01)
    await delivery.end()


async def test_no_more_than_the_limit_are_under_way_at_once_and_two_processes_share_the_rows(hub: Desk) -> None:
    kivra = FakeMailbox(delay_s=0.02)
    limits = QUICK.__class__(per_second=1_000, at_once_max=3)
    first, second = part(hub, kivra, limits=limits), part(hub, kivra, slot="delivery-1", limits=limits)
    most = now = 0
    take = kivra.take

    async def counting(*words: Any) -> Any:
        nonlocal most, now
        now += 1
        most = max(most, now)
        try:
            return await take(*words)
        finally:
            now -= 1

    kivra.take = counting  # type: ignore[assignment, method-assign]
    said = await hub.take(*(letter(ANNA, f"d{number}", body=f"Brev {number}") for number in range(30)))
    assert await first.put(said) == 30
    await asyncio.gather(first.rest(), second.rest())
    assert most <= 6
    assert len(kivra.got) == 30 and set(kivra.kept.values()) == {1}
    assert await hub.pool.fetchval("SELECT count(*) FROM sends WHERE state = 5 AND told = 1") == 30


async def test_a_peer_that_is_down_is_left_alone_but_for_a_try(hub: Desk) -> None:
    kivra = FakeMailbox()
    kivra.plan.extend([Unavailable("no_connection")] * 5)
    delivery = part(hub, kivra, limits=QUICK.__class__(per_second=1_000, at_once_max=5, pause_s_min=1.0))
    said = await hub.take(*(letter(ANNA, f"d{number}", body=f"Brev {number}") for number in range(20)))
    await delivery.put(said)
    await delivery.rest()
    waits = dict(await hub.pool.fetch("SELECT why, count(*) FROM sends WHERE state = 7 GROUP BY why"))
    assert waits["peer_unavailable"] == 5 and set(waits) <= {"peer_unavailable", "breaker"}
    assert len(kivra.got) == 20 - sum(waits.values())
    assert not delivery.lanes["kivra"].is_open, "the try that was answered closed it"


async def test_without_a_channel_rows_wait_and_nothing_is_refused(hub: Desk) -> None:
    nothing = part(hub)
    said = await hub.take(letter(ANNA))
    assert await nothing.put(said) == 1
    assert (await nothing.state(), (await nothing.row())["why"]) == ("waiting", "no_channel_configured")
    kivra = FakeMailbox()
    later = part(hub, kivra)
    assert await later.put(said) == 0
    lane = asyncio.create_task(later.lanes["kivra"].run(later.stop))
    async with asyncio.timeout(60):
        while not kivra.got:
            await asyncio.sleep(0.01)
    later.stop.set()
    await lane
    assert await later.state() == "accepted"


async def test_a_channel_that_is_set_no_more_parks_its_rows(hub: Desk) -> None:
    delivery = await _asked(hub, FakeMailbox())
    assert await delivery.ledger.park((), hub.time) == 1
    assert (await delivery.state(), (await delivery.row())["why"]) == ("waiting", "no_channel_configured")


# --- texts --------------------------------------------------------------------------------------------------------------------------

PHONE = "+46701740605"


async def _texted(hub: Desk, phones: FakePhones) -> Part:
    await hub.take(account(ANNA, phone=PHONE))
    delivery = part(hub, phones)
    assert await delivery.put(await hub.take(letter(ANNA, "d9"))) >= 1
    await hub.pool.execute("DELETE FROM sends WHERE channel <> 3")
    return delivery


async def test_a_text_has_fixed_words_and_the_number_of_the_moment(hub: Desk) -> None:
    phones = FakePhones()
    delivery = await _texted(hub, phones)
    await hub.take(account(ANNA, phone="+46701740699", as_of=LATER))
    await delivery.rest()
    ((whom, request),) = phones.got
    assert whom == "+46701740699"
    words = orjson.loads(request)["words"]
    for secret in ("Test", "Testsson", ANNA, "Provsvar", "Ortoped", "Hej"):
        assert secret not in words
    assert (await delivery.state(), delivery.published) == ("accepted", []), "the provider's word is no delivery report"


async def test_at_night_a_text_waits_for_the_morning_and_is_written_then(hub: Desk) -> None:
    phones = FakePhones()
    await hub.take(account(ANNA, phone=PHONE))
    hub.time = START.replace(hour=22)
    delivery = part(hub, phones)
    await delivery.put(await hub.take(letter(ANNA)))
    await hub.pool.execute("DELETE FROM sends WHERE channel <> 3")
    await delivery.rest()
    row = await delivery.row()
    assert (await delivery.state(), row["why"], row["request"]) == ("waiting", "quiet_hours", None)
    assert row["due_at"] == START.replace(day=3, hour=6)
    hub.time = row["due_at"]
    await delivery.rest()
    assert await delivery.state() == "accepted"


async def test_a_blocked_account_gets_no_text(hub: Desk) -> None:
    phones = FakePhones()
    delivery = await _texted(hub, phones)
    await hub.take(account(ANNA, "blocked", phone=PHONE, as_of=LATER))
    await delivery.rest()
    assert (await delivery.state(), phones.got) == ("withdrawn", [])


async def test_a_text_of_unknown_outcome_is_not_sent_again(hub: Desk) -> None:
    phones = FakePhones()
    phones.plan.append(Uncertain("timeout"))
    delivery = await _texted(hub, phones)
    for _ in range(3):
        await delivery.rest()
        hub.time += timedelta(hours=1)
    assert (await delivery.state(), phones.got) == ("unknown", [])


async def test_a_push_is_the_apps_own_to_show(hub: Desk) -> None:
    await hub.take(account(ANNA))
    said = await hub.take(letter(ANNA, "d8"))
    assert [one["channel"] for one in of_type(said, "notification.requested.v1")] == ["push"]
    delivery = part(hub, FakePhones())
    await delivery.put(said)
    assert await hub.pool.fetchval("SELECT count(*) FROM sends WHERE channel = 3") == 0


async def test_a_cancelled_visit_reminds_nobody(hub: Desk) -> None:
    phones = FakePhones()
    await hub.take(account(ANNA, phone=PHONE))
    video = {"id": "v", "name": "Video", "hidden": False, "video": "single"}
    said = await hub.take(booking(ANNA, time_type=video))
    delivery = part(hub, phones)
    assert await delivery.put(said) == 1
    await hub.take(booking(ANNA, version=2, status="cancelled", time_type=video))
    await delivery.rest()
    assert (await delivery.state(), phones.got) == ("withdrawn", [])


def _report(send: Any, outcome: str, **more: Any) -> Any:
    from tests.pipelines.desk import answer

    return answer(str(send), outcome, **{"channel": "sms", **more})


async def test_delivery_reports_come_twice_and_out_of_order(hub: Desk) -> None:
    phones = FakePhones()
    delivery = await _texted(hub, phones)
    await delivery.rest()
    send = (await delivery.row())["send"]
    said = await hub.take(_report(send, "refused", code="expired"))
    assert (of_type(said, ""), await delivery.state(), (await delivery.row())["code"]) == ([], "refused", "expired")
    await hub.take(_report(send, "accepted"))
    assert await delivery.state() == "read", "late news that it arrived counts"
    await hub.take(_report(send, "refused"))
    await hub.take(_report(send, "accepted"))
    assert await delivery.state() == "read", "and late news that it did not is ignored"
    assert (await _mailbox_of(hub, "d9"))[1] == 0, "a text settles no document"


async def test_a_report_about_nothing_that_was_sent_is_a_dead_letter(hub: Desk) -> None:
    delivery = await _texted(hub, FakePhones())
    await hub.take(_report((await delivery.row())["send"], "accepted"))
    await hub.take(_report("00000000-0000-4000-8000-000000000001", "accepted"))
    assert [row[0] for row in await hub.pool.fetch("SELECT class FROM dead_letters")] == ["unknown_document"] * 2
    assert await delivery.state() == "decided"


async def test_a_document_that_was_read_does_not_keep_its_mailbox_from_it(hub: Desk) -> None:
    """R9: app and mailbox, both, were decided at the same moment."""
    await hub.take(account(ANNA))
    kivra = FakeMailbox()
    delivery = await _asked(hub, kivra)
    await hub.take(read(ANNA))
    await delivery.rest()
    assert await delivery.state() == "accepted"


async def test_a_text_that_a_dead_process_had_claimed_is_written_anew_for_the_number_of_now(hub: Desk) -> None:
    phones = FakePhones()
    delivery = await _texted(hub, phones)
    (due,) = await delivery.ledger.take("sms", hub.time, 1)
    prepared: Any = await delivery.ledger.prepare(due.send, hub.time)
    assert prepared.to == PHONE
    await delivery.ledger.rendered(due.send, b"written for the old number", prepared.person, hub.time)
    await hub.take(account(ANNA, phone="+46701740699", as_of=LATER))
    await delivery.ledger.adopt(hub.time, with_own=True)
    await delivery.rest()
    assert [whom for whom, _ in phones.got] == ["+46701740699"]
    assert await hub.pool.fetchval("SELECT count(*) FROM contents WHERE data = 'written for the old number'") == 0


async def test_a_document_that_cannot_be_rendered_holds_up_nobody_else(hub: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    kivra = FakeMailbox()
    delivery = part(hub, kivra)
    await delivery.put(await hub.take(letter(ANNA), letter(ANNA, "d2", title="Kan inte ritas")))
    carrier: Any = delivery.lanes["kivra"]._carrier
    render = carrier._render

    def sick(content: Any) -> Any:
        if content.title == "Kan inte ritas":
            raise ZeroDivisionError("about " + content.title)
        return render(content)

    carrier._render = sick
    await delivery.rest()
    assert len(kivra.got) == 1
    assert await hub.pool.fetchval("SELECT why FROM sends WHERE about = 'd2'") == "fault"
    told = capsys.readouterr().out
    assert "make_failed" in told and "Kan inte ritas" not in told
