"""Kivra: a letter's bytes, the limit per recipient, and every answer of a Kivra that listens on this machine."""

import asyncio
import json
from base64 import b64decode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, get_args
from uuid import UUID

import aiohttp
import orjson
import pytest
import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from connectors.channels import Letter, MailboxChannel
from connectors.kivra import client as kivra_client
from connectors.kivra.channel import Kivra
from connectors.kivra.errors import ERRORS, TOKEN_CODES, token_ran_out
from connectors.kivra.limiter import PER_RECIPIENT_MAX, WINDOW_S, Limiter
from connectors.kivra.wire import CONTENT_BYTES_MAX, Sender, Token, content
from connectors.peer import Answer, Row
from connectors.phrases import SUBJECT_CHARS_MAX
from connectors.sandbox import kivra as kivra_peer
from connectors.sandbox.kivra import CLIENT_ID, CLIENT_SECRET, TENANT
from connectors.sandbox.kivra_content import MESSAGES, Content, read_content
from schemas.errors import PeerFailure, Rejected, Unavailable, Uncertain
from schemas.fields import Kind
from tests.connectors.contract.kivra_case import LETTER, error
from tests.connectors.contract.originals import original
from tests.connectors.sandbox_support import ADULT, NOW, PARENT, SENDER, Running, requested, running, tell

OURS = Sender(TENANT, CLIENT_ID, CLIENT_SECRET)
OTHER = UUID("8b4d1142-b18f-5eeb-91b7-e73265713174")


def letter(**changes: Any) -> Letter:
    return replace(LETTER, **({"recipient": ADULT} | changes))


# --- a letter's bytes -----------------------------------------------------------------------------------------------------


def test_a_letter_is_the_same_bytes_each_time() -> None:
    assert content(letter()) == content(letter())


@pytest.mark.parametrize("kind", get_args(Kind))
def test_a_subject_is_fixed_and_says_nothing_of_the_care(kind: Kind) -> None:
    """N2: the title, which may name the reason for care, is inside the letter alone."""
    secret = letter(kind=kind, title="Kallelse till koloskopi", unit_name="Psykiatriska kliniken")
    given_ = orjson.loads(content(secret))
    assert given_["subject"] == orjson.loads(content(letter(kind=kind, title="Annat")))["subject"]
    assert len(given_["subject"]) <= SUBJECT_CHARS_MAX
    plain = orjson.dumps({**given_, "parts": [part["name"] for part in given_["parts"][:1]]}).decode()
    assert "koloskopi" not in plain and "Psykiatriska" not in plain


def test_two_letters_of_equal_words_are_two_contents_for_their_duplicate_control() -> None:
    """It leaves `generated_at` out; without an id of our own the second would be "taken" and never arrive."""
    one, two = (orjson.loads(content(letter(delivery_id=each, sent=NOW))) for each in (LETTER.delivery_id, OTHER))
    del one["generated_at"], two["generated_at"]
    assert one != two


def test_a_letter_carries_pdf_and_html_and_its_enclosures() -> None:
    main, enclosed = orjson.loads(content(letter()))["parts"]
    assert b64decode(main["data"]) == LETTER.pdf and b64decode(main["responsive_part"]["data"]).decode() == LETTER.html
    assert (enclosed["name"], b64decode(enclosed["data"])) == (LETTER.enclosures[0].name, LETTER.enclosures[0].data)


def test_a_letter_of_a_megabyte_is_refused_before_it_is_kept() -> None:
    """C10; the limit is of the JSON, in which a file is a third larger."""
    fits = content(letter(pdf=b"%PDF-" + b"x" * (CONTENT_BYTES_MAX * 3 // 4 - 2000)))
    assert CONTENT_BYTES_MAX - 3000 < len(fits) < CONTENT_BYTES_MAX
    with pytest.raises(Rejected, match="too_large"):
        content(letter(pdf=b"%PDF-" + b"x" * (CONTENT_BYTES_MAX * 3 // 4)))


def test_a_letter_follows_their_published_schema() -> None:
    swagger = yaml.load(original("kivra/swagger.yml").read_text(), yaml.CSafeLoader)
    schema = {"$ref": "#/components/schemas/Content_user_v2", "components": swagger["components"]}
    Draft202012Validator(schema).validate(orjson.loads(content(letter())))


def test_every_code_of_the_table_is_one_of_theirs() -> None:
    known = json.loads(original("kivra/api-errors.json").read_text())
    assert {row.code for row in ERRORS} | set(MESSAGES) <= set(known)


def test_a_sender_and_a_token_do_not_show_their_secrets_and_are_checked() -> None:
    assert CLIENT_SECRET not in repr(OURS) and "abc" not in repr(Token("abc", 1.0))
    for wrong in (("a/b", "c", "d"), ("t", "a:b", "c"), ("t", "a", "")):
        with pytest.raises(ValueError, match="Kivra"):
            Sender(*wrong)


@pytest.mark.parametrize(
    ("answer", "ran_out"),
    [
        *((error(code), True) for code in sorted(TOKEN_CODES)),
        (Answer(401, b"", {}), True),
        (error("40105"), False),
        (error("40113"), False),
        (error("50301"), False),
    ],
)
def test_a_401_about_the_recipient_is_no_401_about_our_token(answer: Answer, ran_out: bool) -> None:
    assert token_ran_out(answer) is ran_out


@pytest.mark.parametrize(("status", "code", "header"), [(400, "40105", "40105"), (401, "40105", "40100"), (502, "40032", "40032")])
def test_a_code_that_does_not_fit_its_status_is_not_believed(status: int, code: str, header: str) -> None:
    with pytest.raises(PeerFailure) as caught:
        kivra_client.decode_content(Answer(status, orjson.dumps({"code": code}), {"x-error-code": header}))
    assert caught.value.code == f"http_{status}"


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-9, 9)
    | st.text(max_size=3)
    | st.sampled_from(["letter", "application/pdf", "JVBERi0=", ADULT]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["name", "data", "content_type", "responsive_part"]), inner, max_size=4)
        | st.just({"name": "a", "data": "JVBERi0=", "content_type": "application/pdf"})
    ),
    max_leaves=8,
)


@settings(max_examples=60)
@given(JSON, JSON, JSON, st.lists(JSON, max_size=2) | JSON)
def test_the_stand_in_takes_or_refuses_whatever_it_is_given(ssn: Any, subject: Any, kind: Any, parts: Any) -> None:
    for given_ in (ssn, {"ssn": ADULT, "subject": "x", "type": "letter", "parts": parts}, {"ssn": ssn, "subject": subject, "type": kind}):
        found = read_content(orjson.dumps(given_))
        assert isinstance(found, Content) or found.code in MESSAGES


# --- the limit per recipient ----------------------------------------------------------------------------------------------


@settings(max_examples=60)
@given(st.lists(st.tuples(st.sampled_from("AB"), st.integers(0, 5)), max_size=60))
def test_in_no_minute_are_there_more_than_the_limit_to_one_recipient(steps: list[tuple[str, int]]) -> None:
    limiter, now, sent = Limiter(most=3, window_s=10), 0.0, list[tuple[str, float]]()
    for who, pause in steps:
        now += pause
        wait = limiter.refuses_for_s(who, now)
        within = [at for name, at in sent if name == who and at > now - 10]
        assert (wait == 0) == (len(within) < 3)
        assert 0 <= wait <= 10
        if wait:
            now += wait
            assert limiter.refuses_for_s(who, now) == 0, "it told how long"
        sent.append((who, now))


def test_the_limiter_forgets_whom_nothing_was_sent_to_for_a_minute() -> None:
    limiter = Limiter()
    for number in range(1000):
        assert limiter.refuses_for_s(str(number), number / 1000) == 0
    assert limiter.refuses_for_s("x", WINDOW_S + 1) == 0
    assert len(limiter._sent) == 1


FAILURES = {"rejected": Rejected, "unavailable": Unavailable, "uncertain": Uncertain}


@asynccontextmanager
async def listening(serve: Callable[[web.Request], Awaitable[web.Response]]) -> AsyncIterator[str]:
    """A peer that answers everything by one function."""
    app = web.Application()
    app.router.add_post("/{path:.*}", serve)
    async with TestServer(app) as server:
        yield str(server.make_url("/"))


# --- over HTTP ------------------------------------------------------------------------------------------------------------


@dataclass
class Desk:
    """A Kivra that listens, and a channel to it."""

    it: Running
    channel: Kivra

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        data = orjson.dumps(body) if body is not None else None
        async with aiohttp.request(method, self.it.url + path, data=data) as answer:
            assert answer.status == 200, await answer.text()
            return orjson.loads(await answer.read())

    async def fault(self, mode: str, requests: int = 1) -> None:
        await self.call("POST", "/faults", {"system": "kivra", "mode": mode, "for_requests": requests, "delay_seconds": 0.1})

    async def send(self, request: bytes | None = None, recipient: str = ADULT) -> str:
        request = request if request is not None else self.channel.encode(letter())
        return (await self.channel.send(request, recipient=recipient, operator="kivra", delivery_id=LETTER.delivery_id)).reference

    async def inbox(self, person: str = ADULT) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = await self.call("GET", f"/inbox/kivra/{person}")
        return [row for row in found if row["content_type"] == "application/pdf"]

    def opens(self, person: str, accepts: bool = True) -> None:
        box = {"patient": person, "sender": SENDER, "operator": "kivra", "accepts": accepts, "as_of": NOW + timedelta(seconds=accepts)}
        tell(self.it.world, "mailbox.changed.v1", box)


@asynccontextmanager
async def desk_in(directory: Path) -> AsyncIterator[Desk]:
    async with running(directory) as it, Kivra(it.url + "/kivra", OURS) as channel:
        made = Desk(it, channel)
        made.opens(ADULT)
        yield made


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk_in(tmp_path) as made:
        yield made


def test_it_is_a_mailbox_channel() -> None:
    async def made() -> MailboxChannel:
        return Kivra("http://localhost:9", OURS, dedupes=False)

    channel = asyncio.run(made())
    assert (channel.name, channel.dedupes) == ("kivra", False)


async def test_a_letter_arrives_as_the_bytes_that_were_rendered_under_the_documents_name(desk: Desk) -> None:
    tell(desk.it.world, "delivery.requested.v1", requested("d1", ADULT) | {"delivery_id": str(LETTER.delivery_id)})
    key = await desk.send()
    assert len(key) == 42
    [row] = await desk.inbox()
    assert (row["document_id"], row["sha256"], row["size"], row["times"]) == ("d1", sha256(LETTER.pdf).hexdigest(), len(LETTER.pdf), 1)
    assert [(each["content_type"], each["size"]) for each in row["attachments"]] == [
        ("text/html", len(LETTER.html.encode())),
        ("application/pdf", len(LETTER.enclosures[0].data)),
    ]


async def test_a_letter_that_no_topic_told_of_is_named_by_our_reference_or_else_by_their_own_key(desk: Desk) -> None:
    await desk.send()
    key = await desk.send(spoilt(parts=[{name: value for name, value in PART.items() if name != "responsive_part"}]))
    [one, two] = await desk.inbox()
    assert (one["delivery_id"], two["objkey"]) == (str(LETTER.delivery_id), key)
    assert "document_id" not in one and "document_id" not in two


async def test_a_lost_answer_is_uncertain_and_the_same_bytes_again_are_delivered_once(desk: Desk) -> None:
    await desk.send(content(letter(delivery_id=OTHER)))  # so that the token is there
    request = content(letter())
    await desk.fault("lose_answer")
    with pytest.raises(Uncertain, match="lost_answer"):
        await desk.send(request)
    assert len(await desk.inbox()) == 2, "it was delivered"
    first, second = await desk.send(request), await desk.send(request)
    assert first == second
    assert [(row["times"], row["records"]) for row in await desk.inbox()] == [(1, 1), (1, 3)]


async def test_only_the_time_is_left_out_where_repeats_are_recognised(desk: Desk) -> None:
    first = await desk.send(content(letter()))
    assert await desk.send(content(letter(sent=NOW + timedelta(days=1)))) == first
    assert await desk.send(content(letter(pdf=LETTER.pdf + b"\n"))) != first


async def test_without_duplicate_control_a_repeat_is_delivered_twice(desk: Desk) -> None:
    tell(desk.it.world, "delivery.requested.v1", requested("d1", ADULT) | {"delivery_id": str(LETTER.delivery_id)})
    assert (await desk.call("POST", "/kivra/settings", {"duplicate_control": False}))["duplicate_control"] is False
    assert await desk.send() != await desk.send()
    assert [row["times"] for row in await desk.inbox()] == [2]


def spoilt(**changes: Any) -> bytes:
    """A letter's JSON with members replaced, or left out by None."""
    members = orjson.loads(content(letter())) | changes
    return orjson.dumps({name: value for name, value in members.items() if value is not None})


HTML = {"name": "a.html", "data": "PA==", "content_type": "text/plain"}
PART = orjson.loads(content(letter()))["parts"][0]


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (b"{", "40008"),
        (b"[]", "40026"),
        (spoilt(ssn=None), "40024"),
        (spoilt(ssn="19800517-9802"), "40009"),
        (spoilt(ssn=PARENT), "40032"),
        (spoilt(subject=None), "40059"),
        (spoilt(parts=[]), "40059"),
        (spoilt(type="postcard"), "40012"),
        (spoilt(retain=True), "42221"),
        (spoilt(parts=[PART | {"data": "!"}]), "40019"),
        (spoilt(parts=[PART | {"data": "PA=="}]), "40019"),
        (spoilt(parts=[PART | {"content_type": "image/png"}]), "40028"),
        (spoilt(parts=[PART | {"responsive_part": HTML}]), "40028"),
        (spoilt(subject="x" * CONTENT_BYTES_MAX), "41300"),
    ],
)  # fmt: skip
async def test_what_they_find_wrong_is_refused_for_good_and_nothing_arrives(desk: Desk, request_: bytes, code: str) -> None:
    with pytest.raises(Rejected) as caught:
        await desk.send(request_)
    assert caught.value.code == code
    assert await desk.inbox() == []


async def test_whoever_opted_out_is_refused_and_who_opts_in_again_is_not(desk: Desk) -> None:
    desk.opens(PARENT, accepts=False)
    request = content(letter(recipient=PARENT))
    with pytest.raises(Rejected, match="40105"):
        await desk.send(request)
    desk.opens(PARENT)
    assert await desk.send(request)


async def test_a_refusal_set_by_an_operator_meets_letters_and_not_questions(desk: Desk) -> None:
    await desk.fault("refuse")
    assert await desk.channel.reach([ADULT, PARENT]) == {ADULT: {"kivra": True}, PARENT: {"kivra": False}}
    with pytest.raises(Rejected, match="40105"):
        await desk.send()
    assert await desk.send()


async def test_everybody_asked_about_is_answered_for_in_however_many_questions(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kivra_client, "MATCH_PEOPLE_MAX", 2)
    people = [PARENT, "193102039801", "198811309809", "199007619803", ADULT]
    assert await desk.channel.reach(people) == {person: {"kivra": person == ADULT} for person in people}
    assert await desk.channel.reach([]) == {}


async def test_a_question_whose_answer_was_lost_did_nothing(desk: Desk) -> None:
    assert await desk.channel.reach([ADULT])
    await desk.fault("down")
    with pytest.raises(Unavailable, match="lost_answer"):
        await desk.channel.reach([ADULT])


async def test_a_fault_set_for_a_letter_is_used_up_by_the_letter(desk: Desk) -> None:
    """Not by the token or the question before it, which nobody sees."""
    await desk.fault("lose_answer")
    assert await desk.channel.reach([ADULT])
    with pytest.raises(Uncertain, match="lost_answer"):
        await desk.send()


@pytest.mark.parametrize("answer", [None, (200, b"garbage"), (200, b"{}"), (401, b""), (400, b"{}"), (500, b""), (503, b"")])
async def test_without_a_token_nothing_was_sent_whatever_became_of_the_question_for_it(answer: tuple[int, bytes] | None) -> None:
    """Neither refused nor in doubt: the letter is not to blame, and is still here."""
    seen: list[str] = []

    async def serve(request: web.Request) -> web.Response:
        seen.append(request.path)
        if answer is None:
            assert request.transport is not None
            request.transport.abort()
        return web.Response(status=answer[0] if answer else 500, body=answer[1] if answer else b"")

    async with listening(serve) as url, Kivra(url, OURS) as channel:
        with pytest.raises(Unavailable, match="no_token"):
            await channel.send(content(letter()), recipient=ADULT, operator="kivra", delivery_id=OTHER)
    assert seen == ["/v1/auth"]


@pytest.mark.parametrize("row", ERRORS, ids=lambda row: row.code)
async def test_each_row_of_the_table_is_met_over_http_and_a_token_is_renewed_once_where_that_may_help(row: Row) -> None:
    seen: list[str] = []

    async def serve(request: web.Request) -> web.Response:
        seen.append(request.path.rpartition("/")[2])
        told = Answer(200, orjson.dumps({"access_token": "t", "expires_in": 9, "token_type": "bearer"}), {})
        told = told if seen[-1] == "auth" else error(row.code)
        return web.Response(status=told.status, body=told.body, headers=told.headers)

    async with listening(serve) as url, Kivra(url, OURS) as channel:
        with pytest.raises(FAILURES[row.failure], match=row.code):
            await channel.send(content(letter()), recipient=ADULT, operator="kivra", delivery_id=OTHER)
    assert seen == ["auth", "content"] * (2 if row.code in TOKEN_CODES else 1)


async def test_garbage_after_a_letter_is_uncertain(desk: Desk) -> None:
    await desk.channel.reach([ADULT])
    await desk.fault("garbage")
    with pytest.raises(Uncertain):
        await desk.send()
    assert len(await desk.inbox()) == 1


async def test_a_slow_answer_is_waited_for(desk: Desk) -> None:
    await desk.channel.reach([ADULT])
    await desk.fault("slow")
    assert await desk.send()


def tokens(desk: Desk) -> int:
    """How many are good now."""
    return len(desk.it.app[kivra_peer.KIVRA].tokens)


async def test_many_letters_at_once_ask_for_one_token(desk: Desk) -> None:
    await asyncio.gather(*(desk.send(content(letter(delivery_id=UUID(int=number)))) for number in range(10)))
    assert tokens(desk) == 1 and len(await desk.inbox()) == 10


async def test_a_token_that_ran_out_at_theirs_is_replaced_once_and_the_letter_goes(desk: Desk) -> None:
    await desk.send()
    await desk.call("POST", "/kivra/settings", {"token_seconds": 3600})  # all given so far end
    assert await desk.send(content(letter(delivery_id=OTHER)))
    assert await desk.channel.reach([ADULT]) == {ADULT: {"kivra": True}}
    assert tokens(desk) == 1


async def test_a_token_is_given_up_before_its_end_comes(tmp_path: Path) -> None:
    async with desk_in(tmp_path) as desk:
        seconds = [0.0]
        async with kivra_client.KivraClient(desk.it.url + "/kivra", OURS, monotonic=lambda: seconds[0]) as client:
            for at, expected in ((0.0, 1), (28_700.0, 1), (28_741.0, 2)):
                seconds[0] = at
                await client.match([ADULT])
                assert tokens(desk) == expected


async def test_tokens_that_are_never_good_end_in_unavailable_not_in_a_circle(desk: Desk) -> None:
    await desk.call("POST", "/kivra/settings", {"token_seconds": 0})
    with pytest.raises(Unavailable, match="40100"):
        await desk.send()
    assert tokens(desk) == 2


@pytest.mark.parametrize(
    ("sender", "code"), [(replace(OURS, client_secret="wrong"), "no_token: 40104"), (replace(OURS, tenant="another"), "40400")]
)
async def test_wrong_settings_of_ours_lose_no_letter(desk: Desk, sender: Sender, code: str) -> None:
    async with Kivra(desk.it.url + "/kivra", sender) as channel:
        with pytest.raises(Unavailable, match=code):
            await channel.send(content(letter()), recipient=ADULT, operator="kivra", delivery_id=OTHER)


async def test_the_fifty_first_letter_within_a_minute_waits_on_our_side_and_is_refused_on_theirs(desk: Desk) -> None:
    requests = [content(letter(delivery_id=UUID(int=number))) for number in range(PER_RECIPIENT_MAX + 1)]
    for request in requests[:-1]:
        await desk.send(request)
    with pytest.raises(Unavailable, match="too_many_to_recipient") as ours:
        await desk.send(requests[-1])
    assert ours.value.retry_after_s is not None and 0 < ours.value.retry_after_s <= WINDOW_S
    desk.opens(PARENT)
    assert await desk.send(content(letter(recipient=PARENT)), PARENT), "others go on"
    async with Kivra(desk.it.url + "/kivra", OURS) as another:
        with pytest.raises(Unavailable, match="42900") as theirs:
            await another.send(requests[-1], recipient=ADULT, operator="kivra", delivery_id=OTHER)
    assert theirs.value.retry_after_s == WINDOW_S
    assert len(await desk.inbox()) == PER_RECIPIENT_MAX


async def test_a_letter_for_another_operator_is_not_sent_here(desk: Desk) -> None:
    with pytest.raises(Rejected, match="another_operator"):
        await desk.channel.send(content(letter()), recipient=ADULT, operator="billo", delivery_id=OTHER)


async def test_its_settings_are_strict(desk: Desk) -> None:
    for wrong in ({"duplicate": True}, {"token_seconds": -1}, []):
        async with aiohttp.request("POST", desk.it.url + "/kivra/settings", data=orjson.dumps(wrong)) as answer:
            assert answer.status == 400
    assert await desk.call("GET", "/kivra/settings") == {"duplicate_control": True, "token_seconds": 28_800}
