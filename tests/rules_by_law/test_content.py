"""Control codes, attachments, formatting, sizes (C1 to C10)."""

from __future__ import annotations

import base64
import hashlib
from datetime import date, timedelta
from typing import Any

import pytest

from tests.pipelines.desk import ANNA, START, Event, account, booking, kallelse, letter, mailbox, person
from tests.rules_by_law.law_desk import ADULT, HIDDEN, LawDesk, attachment, classes, confirmation, of, rule

BREV, REMISS = "[4US:LPAT]", "[4US:RPAT]"
MINUTE = timedelta(minutes=1)


async def reason(hub: LawDesk, event: Event) -> str | None:
    await hub.take(person(ADULT), account(ADULT))
    said = await hub.take(event)
    printed = [one["reason"] for one in of(said, "print.entered.v1")]
    assert len(printed) + len(of(said, "document.delivered.v1")) == 1
    return printed[0] if printed else None


CODES = [
    # body, footer, verdict for the kind whose right code is RIGHT and whose other one is OTHER
    ("Hej", "Sidfot RIGHT slut", None),
    ("Hej", "xRIGHTx", None),
    ("Hej", "OTHER RIGHT", None),
    ("RIGHT", "RIGHT", None),
    ("Hej", "OTHER", "control_code_other_kind"),
    ("RIGHT", "OTHER", "control_code_other_kind"),
    ("Hej RIGHT", "Sidfot", "control_code_outside_footer"),
    ("Hej RIGHT", "", "control_code_outside_footer"),
    ("Hej RIGHT", "[4US:XPAT]", "control_code_outside_footer"),
    ("Hej RIGHT", "LOWER", "control_code_outside_footer"),
    ("Hej", "LOWER", "control_code_malformed"),
    ("Hej", "SPACED", "control_code_malformed"),
    ("Hej", "NBSP", "control_code_malformed"),
    ("Hej", "ZEROWIDTH", "control_code_malformed"),
    ("Hej", "SOFT", "control_code_malformed"),
    ("Hej", "BROKEN", "control_code_malformed"),
    ("Hej LOWER", "Sidfot", "control_code_malformed"),
    ("Hej SPACED", "[4US:XPAT]", "control_code_malformed"),
    ("Hej", "[4US:XPAT]", "control_code_unknown"),
    ("Hej", "[ 4us : zz ]", "control_code_unknown"),
    ("Hej", "[4US:]", "control_code_unknown"),
    ("Hej", "LOWEROTHER", "control_code_unknown"),
    ("Hej [4US:XPAT]", "Sidfot", "control_code_missing"),
    ("Hej OTHER", "Sidfot", "control_code_missing"),
    ("Hej", "", "control_code_missing"),
    ("Hej", "4US:LPAT 4US:RPAT", "control_code_missing"),
]


def written(text: str, right: str, other: str) -> str:
    forms = {
        "LOWEROTHER": other.lower(), "LOWER": right.lower(), "SPACED": right.replace(":", ": "), "NBSP": right.replace(":", ":\u00a0"),
        "ZEROWIDTH": right.replace("P", "P\u200b"), "SOFT": right.replace("A", "A\u00ad"), "BROKEN": right.replace(":", ":\n"),
        "RIGHT": right, "OTHER": other,
    }  # fmt: skip
    for name, form in forms.items():
        text = text.replace(name, form)
    return text


@pytest.mark.parametrize("kind", ["brev", "remissbekraftelse"])
@pytest.mark.parametrize(("body", "footer", "verdict"), CODES)
async def test_a_control_code_is_judged_in_the_order_of_the_contract(
    hub: LawDesk, kind: str, body: str, footer: str, verdict: str | None
) -> None:
    """C1, C2, R5; CONTRACTS 3, "How a control code is judged"."""
    right, other = (BREV, REMISS) if kind == "brev" else (REMISS, BREV)
    make = letter if kind == "brev" else confirmation
    texts = {"body": written(body, right, other), "footer": written(footer, right, other)}
    assert await reason(hub, make(ADULT, "x1", **texts)) == verdict


async def test_a_code_in_the_body_is_seen_through_its_markup(hub: LawDesk) -> None:
    """C2: the trace shall tell the unit what is wrong with its template."""
    event = letter(ADULT, body="<p>Hej <b>[4US:</b>LPAT]</p>", body_format="html", footer="Sidfot")
    assert await reason(hub, event) == "control_code_outside_footer"


async def test_the_decision_names_the_rule_and_the_reason(hub: LawDesk) -> None:
    """C2: the trace tells which."""
    await hub.take(person(ADULT), account(ADULT))
    (decision,) = of(await hub.take(letter(ADULT, footer="")), "decision.made.v1")
    assert (decision["rule"], decision["outcome"], decision["reason"], decision["channels"]) == (
        "R5", "print", "control_code_missing", ["print"],
    )  # fmt: skip
    assert next(step for step in decision["trace"] if step["applied"])["rule"] in ("R5", "C1", "C2")


@pytest.mark.parametrize("footer", ["", "Sidfot", BREV, "[4us:lpat]", "[4US:XPAT]"])
async def test_a_kallelse_needs_no_code(hub: LawDesk, footer: str) -> None:
    """C3: with a booking or, of the care planning, without one."""
    assert await reason(hub, kallelse(ADULT, footer=footer)) is None


async def test_a_kallelse_names_its_booking_when_it_has_one(hub: LawDesk) -> None:
    """C3."""
    await hub.take(person(ADULT), account(ADULT), booking(ADULT))
    said = await hub.take(kallelse(ADULT, "k1", booking_id="b1"), kallelse(ADULT, "k2"))
    assert [one.get("booking_id") for one in of(said, "document.delivered.v1")] == ["b1", None]


@pytest.mark.parametrize("dispatch", ["paper", "direct", "phone"])
@pytest.mark.parametrize("make", [letter, kallelse, confirmation])
async def test_what_is_not_sent_as_e_brev_is_recorded_and_goes_nowhere(hub: LawDesk, dispatch: str, make: Any) -> None:
    """C4, R1: without its content."""
    await hub.take(person(ADULT), account(ADULT), mailbox(ADULT))
    said = await hub.take(make(ADULT, "x1", dispatch=dispatch, attachments=[attachment(e_brev=False)]))
    assert rule(said) == ("R1", "record")
    assert [one["outcome"] for one in of(said, "document.settled.v1")] == ["recorded"]
    assert {one.type for one in said} == {"decision.made.v1", "document.settled.v1"}
    assert await hub.pool.fetchval("SELECT count(*) FROM contents") == 0
    assert await hub.wait(hours=60) == []


@pytest.mark.parametrize("more", [{"deceased": date(2026, 1, 1)}, {"protection": "sekretessmarkering"}])
async def test_what_is_no_e_brev_is_recorded_whoever_it_is_for(hub: LawDesk, more: dict[str, Any]) -> None:
    """R1 comes before R2, R3 and P8."""
    await hub.take(person(ADULT, **more))
    assert rule(await hub.take(letter(ADULT, dispatch="paper"))) == ("R1", "record")
    assert rule(await hub.take(letter(ANNA, "d2", dispatch="paper"))) == ("R1", "record")


async def test_that_something_was_recorded_of_somebody_unverified_is_told_to_nobody(hub: LawDesk) -> None:
    """P8: handled as protected until the register has spoken, and it may say that they are."""
    said = await hub.take(letter(ANNA, "d2", dispatch="paper"))
    assert rule(said) == ("R1", "record")
    assert {one.topic for one in said} == {"decisions.v1"}


# --- C5 -----------------------------------------------------------------------------------------------------------------------

TEXT = base64.b64encode(b"hello world").decode()
ATTACHMENTS = [
    ([attachment()], None),
    ([attachment(content_type="application/pdf; name=bilaga.pdf")], None),
    ([attachment(content_type="Application/PDF;charset=binary")], None),
    ([attachment(), attachment(name="b.pdf")], None),
    ([attachment(data=TEXT)], "attachment_not_pdf"),
    ([attachment(data="")], "attachment_not_pdf"),
    ([attachment(content_type="text/plain")], "attachment_not_pdf"),
    ([attachment(content_type="application/pdfx")], "attachment_not_pdf"),
    ([attachment(content_type="application/x-pdf")], "attachment_not_pdf"),
    ([attachment(e_brev=False)], "attachment_not_e_brev"),
    ([attachment(shared=False)], "attachment_not_e_brev"),
    ([attachment(), attachment(e_brev=False)], "attachment_not_e_brev"),
    ([attachment(e_brev=False), attachment(data=TEXT)], "attachment_not_pdf"),
    ([attachment(shared=False, content_type="image/png", data=TEXT)], "attachment_not_pdf"),
]


@pytest.mark.parametrize("make", [letter, kallelse, confirmation])
@pytest.mark.parametrize(("attachments", "verdict"), ATTACHMENTS)
async def test_attachments_are_pdf_and_system_wide_and_marked(hub: LawDesk, make: Any, attachments: list[Any], verdict: str | None) -> None:
    """C5, R6: for every kind; declared type and bytes; not-PDF first; the whole document goes to print."""
    assert await reason(hub, make(ADULT, "x1", attachments=attachments)) == verdict
    if verdict is not None:
        (entry,) = of(hub.said, "print.entered.v1")
        assert entry["attachments"] == len(attachments)
        assert of(hub.said, "decision.made.v1")[-1]["rule"] == "R6"


async def test_a_delivered_attachment_has_its_hash_and_size(hub: LawDesk) -> None:
    """CONTRACTS 3: by its SHA-256, fetched at the gateway."""
    await hub.take(person(ADULT), account(ADULT))
    (delivered,) = of(await hub.take(letter(ADULT, attachments=[attachment()])), "document.delivered.v1")
    data = base64.b64decode(attachment()["data"])
    assert delivered["attachments"] == [
        {"name": "bilaga.pdf", "content_type": "application/pdf", "sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
    ]


async def test_an_attachment_may_name_bytes_that_the_hub_has(hub: LawDesk) -> None:
    """CONTRACTS 3: `ref`; judged as if it had come along."""
    await hub.take(person(ADULT), account(ADULT))
    (first,) = of(await hub.take(letter(ADULT, attachments=[attachment()])), "document.delivered.v1")
    ref = {**attachment(), "ref": f"sha256:{first['attachments'][0]['sha256']}"}
    del ref["data"]
    (second,) = of(await hub.take(letter(ADULT, "d2", attachments=[ref])), "document.delivered.v1")
    assert second["attachments"] == first["attachments"]


async def test_an_attachment_that_names_bytes_nobody_has_is_malformed(hub: LawDesk) -> None:
    """CONTRACTS 3: malformed input gets a dead letter that names field and reason; nothing of it is taken."""
    ref = {**attachment(), "ref": f"sha256:{'0' * 64}"}
    del ref["data"]
    await hub.take(person(ADULT), account(ADULT))
    said = await hub.take(letter(ADULT, attachments=[ref]), letter(ADULT, "d2"))
    assert classes(said) == ["malformed"]
    assert [one["document_id"] for one in of(said, "document.delivered.v1")] == ["d2"]


async def test_an_attachment_may_name_bytes_that_come_in_the_same_batch(hub: LawDesk) -> None:
    """CONTRACTS 3: several documents that share an attachment."""
    digest = hashlib.sha256(base64.b64decode(attachment()["data"])).hexdigest()
    ref = {**attachment(), "ref": f"sha256:{digest}"}
    del ref["data"]
    await hub.take(person(ADULT), account(ADULT))
    said = await hub.take(letter(ADULT, attachments=[attachment()]), letter(ADULT, "d2", attachments=[ref]))
    assert [one["document_id"] for one in of(said, "document.delivered.v1")] == ["d1", "d2"]


# --- C6 -----------------------------------------------------------------------------------------------------------------------


async def test_formatting_is_kept_and_nothing_else(hub: LawDesk) -> None:
    """C6."""
    body = (
        "<h1>Rubrik</h1><p onclick='x()' style='color:red'>Ett <b>fett</b> <em>kursivt</em></p><ul><li>ett</li></ul>"
        "<table><tr><td>cell</td></tr></table><script>alert(1)</script><style>p{}</style><img src='https://ond.se/x.png'>"
        "<a href='javascript:x()'>här</a><iframe src='https://ond.se'></iframe>"
    )
    await hub.take(person(ADULT), account(ADULT))
    (delivered,) = of(await hub.take(letter(ADULT, body=body, body_format="html")), "document.delivered.v1")
    for kept in ("<h1>Rubrik</h1>", "<b>fett</b>", "<em>kursivt</em>", "<li>ett</li>", "<td>cell</td>", "här"):
        assert kept in delivered["body"]
    for gone in ("script", "alert", "style", "img", "onclick", "iframe", "javascript", "ond.se"):
        assert gone not in delivered["body"]


async def test_an_address_in_full_becomes_a_link_without_the_mark_after_it(hub: LawDesk) -> None:
    """C6: without the `.,;:!?)` after it; the footer is delivered with the body, its code visible (C1)."""
    body = "Se https://1177.se/a?b=c. Eller (https://regionstockholm.se), eller https://x.se/!?"
    footer = "Mer på https://sidfot.se; [4US:LPAT]"
    await hub.take(person(ADULT), account(ADULT))
    (delivered,) = of(await hub.take(letter(ADULT, body=body, footer=footer)), "document.delivered.v1")
    assert delivered["links"] == ["https://1177.se/a?b=c", "https://regionstockholm.se", "https://x.se/", "https://sidfot.se"]
    assert (delivered["body"], delivered["footer"]) == (body, footer)


# --- C7, C8, C9, C10 ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("more", [{"status": "rebooked", "start": START + timedelta(days=9)}, {"status": "cancelled"}])
async def test_a_change_of_the_booking_never_touches_a_kallelse_that_was_sent(hub: LawDesk, more: dict[str, Any]) -> None:
    """C7: never changed, recalled or resent."""
    await hub.take(person(ADULT), account(ADULT), mailbox(ADULT), booking(ADULT), kallelse(ADULT, booking_id="b1"))
    said = await hub.take(booking(ADULT, version=2, **more))
    types = {"document.delivered.v1", "document.withdrawn.v1", "delivery.requested.v1", "print.entered.v1", "document.settled.v1"}
    assert not types & {one.type for one in said}
    assert [one["kind"] for one in of(said, "notification.requested.v1")] == []


@pytest.mark.parametrize(
    ("more", "state"),
    [
        ({"status": "rebooked", "start": START + timedelta(days=9)}, "rebooked"),
        ({"status": "cancelled"}, "cancelled"),
    ],
)
async def test_a_kallelse_to_be_printed_says_what_became_of_its_booking(hub: LawDesk, more: dict[str, Any], state: str) -> None:
    """C7: it keeps its place on the list, marked so."""
    await hub.take(person(ADULT), booking(ADULT))
    (first,) = of(await hub.take(kallelse(ADULT, booking_id="b1")), "print.entered.v1")
    assert "booking_state" not in first
    await hub.wait(minutes=5)
    (again,) = of(await hub.take(booking(ADULT, version=2, **more)), "print.entered.v1")
    assert again == {**first, "booking_state": state, "urgent": again["urgent"]}


async def test_a_kallelse_to_be_printed_says_that_its_visit_has_passed(hub: LawDesk) -> None:
    """C7."""
    await hub.take(person(ADULT), booking(ADULT, start=START + timedelta(days=1)), kallelse(ADULT, booking_id="b1"))
    said = await hub.wait(hours=25)
    assert [one.get("booking_state") for one in of(said, "print.entered.v1")] == ["passed"]
    assert of(said, "print.entered.v1")[0]["entry_id"] == of(hub.said, "print.entered.v1")[0]["entry_id"]


async def test_a_kallelse_entered_after_its_booking_was_cancelled_is_marked_from_the_start(hub: LawDesk) -> None:
    """C7."""
    await hub.take(person(ADULT), booking(ADULT), booking(ADULT, version=2, status="cancelled"))
    (entry,) = of(await hub.take(kallelse(ADULT, booking_id="b1")), "print.entered.v1")
    assert entry["booking_state"] == "cancelled"


async def test_a_booking_that_moved_before_its_kallelse_was_sent_was_not_rebooked_since(hub: LawDesk) -> None:
    """C7: the kallelse was written for the time that the booking has."""
    await hub.take(person(ADULT), booking(ADULT))
    await hub.take(booking(ADULT, version=2, status="rebooked", start=START + timedelta(days=9)))
    await hub.wait(minutes=5)
    (entry,) = of(await hub.take(kallelse(ADULT, booking_id="b1", created=hub.time)), "print.entered.v1")
    assert "booking_state" not in entry


async def test_a_kallelse_for_a_hidden_booking_is_delivered_and_the_booking_not_shown(hub: LawDesk) -> None:
    """C8, B2."""
    await hub.take(person(ADULT), account(ADULT))
    said = await hub.take(booking(ADULT, time_type=HIDDEN), kallelse(ADULT, booking_id="b1"))
    assert len(of(said, "document.delivered.v1")) == 1
    assert of(said, "booking.shown.v1") == []


async def test_sectra_sends_kallelser_without_codes(hub: LawDesk) -> None:
    """C9; C5 applies to all."""
    assert await reason(hub, kallelse(ADULT, source_system="Sectra")) is None
    said = await hub.take(kallelse(ADULT, "k2", source_system="Sectra", attachments=[attachment(e_brev=False)]))
    assert [one["reason"] for one in of(said, "print.entered.v1")] == ["attachment_not_e_brev"]


@pytest.mark.parametrize("make", [letter, confirmation])
async def test_sectra_may_send_nothing_but_kallelser(hub: LawDesk, make: Any) -> None:
    """C9, CONTRACTS 3: what a sender may not do is `not_allowed`."""
    await hub.take(person(ADULT), account(ADULT))
    said = await hub.take(make(ADULT, "x1", source_system="Sectra"))
    assert classes(said) == ["not_allowed"] and len(said) == 1


def large(size: int) -> dict[str, Any]:
    return attachment(data=base64.b64encode(b"%PDF-1.7 " + b"x" * size).decode())


@pytest.mark.parametrize("make", [letter, kallelse])
async def test_a_document_no_channel_can_take_goes_to_print_at_once(hub: LawDesk, make: Any) -> None:
    """C10: whatever channels the person has."""
    await hub.take(person(ADULT), account(ADULT), mailbox(ADULT))
    said = await hub.take(make(ADULT, "x1", attachments=[large(4_000_000), large(4_000_000)]))
    assert [one["reason"] for one in of(said, "print.entered.v1")] == ["too_large"]
    assert of(said, "document.delivered.v1") == of(said, "delivery.requested.v1") == []


async def test_a_document_too_large_for_the_mailbox_counts_as_refused_by_it(hub: LawDesk) -> None:
    """C10, R12: a kallelse at once, a letter at 48 hours; and the app takes it alone if it is open."""
    await hub.take(person(ADULT), mailbox(ADULT))
    said = await hub.take(kallelse(ADULT, attachments=[large(4_000_000)]))
    assert [one["reason"] for one in of(said, "print.entered.v1")] == ["mailbox_refused"]
    await hub.take(letter(ADULT, attachments=[large(4_000_000)]))
    assert await hub.prints(hours=48) == ["mailbox_refused"]
    await hub.take(account(ADULT))
    said = await hub.take(letter(ADULT, "d2", attachments=[large(4_000_000)]))
    assert len(of(said, "document.delivered.v1")) == 1 and of(said, "delivery.requested.v1") == []
