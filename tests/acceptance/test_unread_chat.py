"""N1: what staff write in a chat and nobody reads for 15 minutes is one notification and one text, whatever happens to the bridge."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from datetime import datetime
from uuid import uuid4

import aiohttp

from schemas.fields import STOCKHOLM
from tests.acceptance.care_desk import Desk
from tests.acceptance.care_events import A1
from tests.acceptance.hub_process import until

UNTIL_THEN_S = 30


def _user(desk: Desk) -> str:
    """With a telephone of their own: the other tests' people share one."""
    patient = desk.person()
    desk.account(patient, phone=f"+4670{uuid4().int % 10**7:07d}")
    desk.hub.idle()
    return patient


def _chat(desk: Desk, patient: str) -> str:
    asked = {"kind": "chat", "unit": A1, "patient": patient, "notify": False}
    answer = desk.hub.http("POST", 2, "/api/rooms", asked, authorization=f"Bearer {desk.hub.staff_token()}")
    assert answer.status == 201, answer
    return str(answer.json["room_id"])


async def _take_part(url: str, *rooms: str) -> None:
    """Lisa opens each meeting in her browser and leaves it: then she may write in it from the day's list (V14)."""
    async with asyncio.timeout(120), aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
        async with http.get(f"{url}/login?next=/") as page:
            fields = dict(re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', await page.text()))
            form = {**{name: value.replace("&amp;", "&") for name, value in fields.items()}, "username": "lisa", "password": "sandbox"}
            (await http.post(page.url.with_query(None), data=form)).release()
        for room in rooms:
            async with http.post(f"{url}/meet/{room}/token", headers={"Origin": url}) as answer:
                token = (await answer.json())["token"]
            async with http.ws_connect(f"{url}/ws", params={"token": token}, origin=url) as line:
                for number, kind in enumerate(("hello", "leave"), 1):
                    await line.send_json({"v": 1, "id": number, "type": kind})
                    async for message in line:
                        if message.type is aiohttp.WSMsgType.TEXT and message.json().get("re") == number:
                            break


def _write(desk: Desk, room: str, text: str) -> None:
    answer = desk.hub.http("POST", 2, f"/api/rooms/{room}/chat", {"text": text}, authorization=f"Bearer {desk.hub.staff_token()}")
    assert answer.status == 201, answer


def _read(desk: Desk, room: str, patient: str) -> list[str]:
    bearer = f"Bearer {desk.hub.token('app')}"
    answer = desk.hub.http("POST", 2, f"/api/rooms/{room}/history", {"patient": patient}, authorization=bearer)
    assert answer.status == 200, answer
    return [line["text"] for line in answer.json["lines"]]


def _kill_bridge(desk: Desk) -> None:
    pid = desk.hub.pid("video")
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    until(lambda: desk.hub.pid("video") not in (None, pid) and desk.hub.ready, 120, "another bridge")


def _texts(desk: Desk, patient: str) -> int:
    return sum(row["times"] for row in desk.hub.inbox("sms", patient))


def _in_the_morning(desk: Desk) -> None:
    """At night a text waits; this one is no act of staff's and keeps quiet hours."""
    hour = datetime.fromisoformat(desk.now()).astimezone(STOCKHOLM).hour
    if not 7 <= hour < 19:
        desk.hub.advance(f"{(8 - hour) % 24}h")


def test_an_unread_chat_is_one_text_and_one_that_was_read_is_none(desk: Desk) -> None:
    _in_the_morning(desk)
    slow, quick = _user(desk), _user(desk)
    unread, read = _chat(desk, slow), _chat(desk, quick)
    asyncio.run(_take_part(desk.hub.url(2, ""), unread, read))
    for room in (unread, read):
        _write(desk, room, "Hej, hur mår du i dag?")
        _write(desk, room, "Svara när du kan.")
    assert _read(desk, read, quick) == ["Hej, hur mår du i dag?", "Svara när du kan."]
    _kill_bridge(desk)
    assert desk.topics.about("notifications.v1", about=unread) == []
    desk.hub.advance("20m")
    (asked,) = until(lambda: desk.topics.about("notifications.v1", about=unread), UNTIL_THEN_S, "a notification")
    assert (asked["kind"], asked["template"], asked["channel"], asked["recipient"]) == ("chat", "chat_new", "sms", slow)
    until(lambda: _texts(desk, slow), 60, "a text")
    _write(desk, unread, "Är du där?")
    _kill_bridge(desk)
    desk.hub.advance("20m")
    desk.hub.idle()
    assert _read(desk, unread, slow)[-1] == "Är du där?"
    notified = {each["notification_id"] for each in desk.topics.about("notifications.v1", about=unread)}
    assert (len(notified), _texts(desk, slow)) == (1, 1), "until they read, once"
    assert (desk.topics.about("notifications.v1", about=read), _texts(desk, quick)) == ([], 0)
    _write(desk, unread, "Bra, då hörs vi.")
    desk.hub.advance("20m")
    until(lambda: _texts(desk, slow) == 2, 60, "what is written after they read is unread anew")
