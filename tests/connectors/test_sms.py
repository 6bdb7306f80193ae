"""SMS: how many parts a text is, what both providers are sent, and what a provider that listens makes of it."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import aiohttp
import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import given
from hypothesis import strategies as st

from connectors.channels import Sent, Text, TextChannel
from connectors.sandbox.sms import PASSWORD, USERNAME
from connectors.sms import linkmobility
from connectors.sms.client import Elks46, LinkMobility
from connectors.sms.parts import ALONE, JOINED, parts_of
from connectors.sms.wire import PARTS_MAX, Sender
from schemas.callback import read_token
from schemas.errors import PeerFailure, Rejected, Unavailable, Uncertain
from tests.connectors.contract.originals import original
from tests.connectors.contract.sms_case import NOTIFICATION, SECRET, TEXT
from tests.connectors.sandbox_support import ADULT, NOW, PARENT, Running, account, running, tell

OURS = Sender("Varden", USERNAME, PASSWORD)
PLAIN = replace(TEXT, callback_url="")


# --- parts ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        ("", ("gsm7", 0, 1)),
        ("Du har ett nytt meddelande i Alltid öppet.", ("gsm7", 42, 1)),
        ("å" * 160, ("gsm7", 160, 1)),
        ("å" * 161, ("gsm7", 161, 2)),
        ("a" * 306, ("gsm7", 306, 2)),
        ("a" * 307, ("gsm7", 307, 3)),
        ("€" * 80, ("gsm7", 160, 1)),
        ("€" * 81, ("gsm7", 162, 2)),
        ("a" * 152 + "€" * 77, ("gsm7", 306, 3)),
        ("ç" * 70, ("ucs2", 70, 1)),
        ("ç" * 71, ("ucs2", 71, 2)),
        ("😀" * 35, ("ucs2", 70, 1)),
        ("😀" * 67, ("ucs2", 134, 3)),
    ],
)
def test_a_text_has_so_many_parts(words: str, parts: tuple[str, int, int]) -> None:
    """The two doubled rows: an escaped character, or a surrogate pair, is never cut, so it may need a part more."""
    assert parts_of(words) == parts


@given(st.text(alphabet="aå€\n~😀ł", max_size=400))
def test_parts_hold_their_units_and_waste_at_most_one_a_part(words: str) -> None:
    alphabet, units, number = parts_of(words)
    room = ALONE[alphabet] if number == 1 else JOINED[alphabet]
    assert units <= number * room
    assert number == 1 or units > (number - 1) * (room - 1)


# --- what is sent ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", "ab", "twelveletter", "Vården", "12345", "A B", "+0701740605", "a\nb"])
def test_a_sender_that_no_phone_shows_is_a_fault_of_the_settings(name: str) -> None:
    with pytest.raises(ValueError, match="sender"):
        Sender(name, "user", "password")


def test_an_account_does_not_show_its_password() -> None:
    assert PASSWORD not in repr(OURS)
    for user, password in (("a:b", "c"), ("", "c"), ("a", "")):
        with pytest.raises(ValueError, match="account"):
            Sender("Varden", user, password)


@dataclass
class Providers:
    """Both channels, not connected."""

    elks: Elks46
    link: LinkMobility


@pytest.fixture
async def providers() -> Providers:
    return Providers(Elks46("http://localhost:9", OURS), LinkMobility("http://localhost:9", OURS, platform="SE", partner="1"))


async def test_both_are_text_channels_and_encode_the_same_bytes_each_time(providers: Providers) -> None:
    channels: list[TextChannel] = [providers.elks, providers.link]
    for channel in channels:
        assert channel.encode(TEXT) == channel.encode(TEXT)
    assert [channel.name for channel in channels] == ["46elks", "linkmobility"]


async def test_the_words_are_kept_out_of_the_providers_log(providers: Providers) -> None:
    form = parse_qs(providers.elks.encode(TEXT).decode())
    assert form["dontlog"] == ["message"] and form["message"] == [TEXT.words] and form["whendelivered"] == [TEXT.callback_url]
    assert "whendelivered" not in parse_qs(providers.elks.encode(PLAIN).decode())


@pytest.mark.parametrize(
    ("changes", "code"),
    [({"to": "0701740605"}, "not_a_number"), ({"to": "+46 70"}, "not_a_number"), ({"words": " "}, "no_words"),
     ({"words": "å" * (PARTS_MAX * 153 + 1)}, "too_large")],
)  # fmt: skip
async def test_a_text_that_cannot_go_is_refused_before_it_is_kept(providers: Providers, changes: dict[str, Any], code: str) -> None:
    for channel in (providers.elks, providers.link):
        with pytest.raises(Rejected, match=code):
            channel.encode(replace(TEXT, **changes))


def test_the_request_to_link_mobility_has_the_members_of_a_known_good_one() -> None:
    mapping = json.loads(original("sms-linkmobility-telia/src/integration-test/**/test1_*/mappings/linkmobility.json").read_text())
    known = json.loads(mapping["request"]["bodyPatterns"][0]["equalToJson"])
    text = Text(NOTIFICATION, known["destination"], known["userData"], "")
    sender = Sender(known["source"], "user", "password")
    ours = json.loads(linkmobility.content(text, sender, known["platformId"], known["platformPartnerId"]))
    assert ours == known | {"ignoreResponse": False}


def test_link_mobility_is_asked_for_reports_where_there_is_a_gate_and_told_our_token() -> None:
    known = json.loads(linkmobility.content(TEXT, OURS, "SE", "1", "gate-7"))
    assert known["useDeliveryReport"] is True and known["deliveryReportGates"] == ["gate-7"]
    assert read_token(known["refId"], SECRET) == NOTIFICATION
    for without in (linkmobility.content(TEXT, OURS, "SE", "1"), linkmobility.content(PLAIN, OURS, "SE", "1", "gate-7")):
        assert json.loads(without)["useDeliveryReport"] is False and b"refId" not in without


# --- 46elks over HTTP -----------------------------------------------------------------------------------------------------


@pytest.fixture
async def it(tmp_path: Path) -> AsyncIterator[Running]:
    async with running(tmp_path) as sandbox:
        tell(sandbox.world, "account.changed.v1", account(ADULT) | {"phone": TEXT.to})
        yield sandbox


async def call(it: Running, method: str, path: str, body: Any = None) -> Any:
    data = orjson.dumps(body) if body is not None else None
    async with aiohttp.request(method, it.url + path, data=data) as answer:
        assert answer.status == 200
        return orjson.loads(await answer.read())


async def send(it: Running, text: Text = PLAIN, sender: Sender = OURS) -> Sent:
    async with Elks46(it.url + "/sms", sender) as channel:
        return await channel.send(channel.encode(text), notification_id=text.notification_id)


async def inbox(it: Running, person: str = ADULT) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = await call(it, "GET", f"/inbox/sms/{person}")
    return [row for row in found if row["content_type"] == "text/plain"]


async def test_a_text_arrives_at_whoever_has_the_number(it: Running) -> None:
    sent = await send(it)
    words = TEXT.words.encode()
    assert [(row["sms_id"], row["sha256"], row["size"], row["times"]) for row in await inbox(it)] == [
        (sent.reference, sha256(words).hexdigest(), len(words), 1)
    ]
    assert await inbox(it, PARENT) == []


async def test_a_number_that_moved_to_another_account_is_that_persons(it: Running) -> None:
    tell(it.world, "account.changed.v1", account(ADULT) | {"phone": "+46701740606", "as_of": NOW})
    tell(it.world, "account.changed.v1", account(PARENT) | {"phone": TEXT.to})
    await send(it)
    assert (len(await inbox(it)), len(await inbox(it, PARENT))) == (0, 1)


async def test_a_text_to_a_number_of_nobodys_stands_under_the_number_and_is_counted(it: Running) -> None:
    """A guest's (V9)."""
    sent = await send(it, replace(PLAIN, to="+46701999999"))
    assert [row["sms_id"] for row in await inbox(it, "%2B46701999999")] == [sent.reference] and await inbox(it) == []
    whole = await call(it, "GET", "/inbox/sms")
    assert [(row["sms_id"], row["times"]) for row in whole["items"] if "sms_id" in row] == [(sent.reference, 1)]
    await send(it)
    assert await inbox(it, TEXT.to) == await inbox(it), "and a number shows what its owner got"


async def test_a_lost_answer_is_uncertain_and_the_provider_knows_no_repeats(it: Running) -> None:
    await call(it, "POST", "/faults", {"system": "sms", "mode": "lose_answer", "for_requests": 1})
    with pytest.raises(Uncertain, match="lost_answer"):
        await send(it)
    assert len(await inbox(it)) == 1
    await send(it)
    assert len(await inbox(it)) == 2


@pytest.mark.parametrize(("mode", "failure", "arrived"), [("refuse", Rejected, 0), ("garbage", Uncertain, 1), ("down", Uncertain, 0)])
async def test_a_provider_that_is_unwell(it: Running, mode: str, failure: type[PeerFailure], arrived: int) -> None:
    await call(it, "POST", "/faults", {"system": "sms", "mode": mode, "for_requests": 1})
    with pytest.raises(failure):
        await send(it)
    assert len(await inbox(it)) == arrived


async def test_a_wrong_password_loses_no_text(it: Running) -> None:
    with pytest.raises(Unavailable, match="http_401"):
        await send(it, sender=replace(OURS, password="wrong"))


@pytest.mark.parametrize(
    "body", [b"to=%2B46701740605", b"from=Varden&to=070&message=x", b"from=V%C3%A5rden&to=%2B46701740605&message=x", b""]
)
async def test_the_stand_in_takes_no_text_that_the_original_would_not(it: Running, body: bytes) -> None:
    async with Elks46(it.url + "/sms", OURS) as channel:
        with pytest.raises(Rejected, match="http_400"):
            await channel.send(body, notification_id=NOTIFICATION)


async def test_its_settings_are_strict(it: Running) -> None:
    for wrong in ({"late": 1}, {"late_seconds": -1}, 7):
        async with aiohttp.request("POST", it.url + "/sms/settings", data=orjson.dumps(wrong)) as answer:
            assert answer.status == 400
    assert (await call(it, "POST", "/sms/settings", {"doubled": True}))["doubled"] is True
    assert (await call(it, "GET", "/sms/settings"))["doubled"] is True


# --- LINK Mobility over HTTP ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "answer", "expected"),
    [
        (200, {"resultCode": 1005, "messageId": "vQ7mD2kTzRwaYgPEBbnXLA", "description": "Queued"}, Sent("vQ7mD2kTzRwaYgPEBbnXLA")),
        (200, {"resultCode": 1005, "messageId": "+46701740605"}, Sent("")),
        (200, {"resultCode": 106101, "messageId": ""}, "code_106101"),
        (200, {"resultCode": 1, "messageId": ""}, "not_queued"),
        (401, {"status": 401}, "http_401"),
        (200, {"resultCode": True, "messageId": "x"}, "unreadable"),
    ],
)
async def test_link_mobility_takes_a_text_or_tells_why_not(status: int, answer: dict[str, Any], expected: Sent | str) -> None:
    seen: list[tuple[str, Any]] = []

    async def serve(request: web.Request) -> web.Response:
        seen.append((request.path, await request.json()))
        return web.json_response(answer, status=status)

    app = web.Application()
    app.router.add_post("/sms/send", serve)
    async with TestServer(app) as server, LinkMobility(str(server.make_url("/")), OURS, platform="SE", partner="1") as channel:
        if isinstance(expected, Sent):
            assert await channel.send(channel.encode(TEXT), notification_id=NOTIFICATION) == expected
        else:
            with pytest.raises(PeerFailure, match=expected):
                await channel.send(channel.encode(TEXT), notification_id=NOTIFICATION)
    assert [(path, body["userData"]) for path, body in seen] == [("/sms/send", TEXT.words)]
