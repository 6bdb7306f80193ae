"""From a booking into its video meeting, and to what was written there: the app asks the video part, each time for one resident.

The way in is a ticket, good once and soon. The chat is asked for when somebody reads it and kept nowhere here (V14).
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple
from urllib.parse import quote

import aiohttp

from connectors.sandbox.oidc.tokens import Signer
from connectors.sandbox.pages.app.access import bookings_of, subjects
from connectors.sandbox.pages.app.bookings import door, may_have_chat
from connectors.sandbox.state import Sandbox
from connectors.sandbox.world import Data, World

TIMEOUT: Final = aiohttp.ClientTimeout(total=10, sock_connect=2)
APP: Final = "app"
INDIVIDUAL: Final = "single"
CHATS_ASKED_MAX: Final = 5
"""Of so many visits, the latest ones, the inbox asks whether something was written ..."""
CHATS_S_MAX: Final = 3.0
"""... and shows the documents without them when that takes longer."""


class Line(NamedTuple):
    """What one wrote. `name` is empty where it may not be told."""

    name: str
    text: str
    at: str
    mine: bool


def patient_in(world: World, reader: str, room_id: str, now: datetime) -> str | None:
    """Who of those that the reader sees is booked in a room that can be entered now."""
    for subject in subjects(world, reader, now):
        for booking in bookings_of(world, subject):
            if booking["video"] and door(world.room_of(booking["booking_id"]), now).room_id == room_id:
                return subject.person
    return None


def booking_in(world: World, reader: str, room_id: str, now: datetime) -> Data | None:
    """The booking, of those that the reader sees, whose meeting has a chat that may be read."""
    for subject in subjects(world, reader, now):
        for booking in bookings_of(world, subject):
            room = world.room_of(booking["booking_id"])
            if room is not None and room["room_id"] == room_id and may_have_chat(room, now):
                return booking
    return None


async def address_of(sandbox: Sandbox, signer: Signer, patient: str, room_id: str) -> str | None:
    """Where the patient enters; None while the video part gives no ticket. The ticket stands in the fragment, which no server sees."""
    ticket = (await _asked(sandbox, signer, patient, room_id, "join") or {}).get("token")
    return f"{sandbox.video_url}/meet/{quote(room_id, safe='')}#t={quote(ticket)}" if isinstance(ticket, str) else None


async def chat_of(sandbox: Sandbox, signer: Signer, patient: str, room_id: str) -> list[Line] | None:
    """What was written in a meeting of the patient's; None while the video part does not tell."""
    told = await _asked(sandbox, signer, patient, room_id, "history")
    if told is None or not isinstance(told.get("lines"), list):
        return None
    return [Line(str(each["name"]), str(each["text"]), str(each["at"]), bool(each["mine"])) for each in told["lines"]]


async def with_chat(sandbox: Sandbox, signer: Signer, bookings: Sequence[Data], now: datetime) -> tuple[str, ...]:
    """Of these bookings those whose visit of two has a chat, the latest first: they stand in the inbox (V14)."""
    found = []
    for booking in reversed(bookings):
        room = sandbox.world.room_of(booking["booking_id"])
        if room is not None and room["kind"] == INDIVIDUAL and may_have_chat(room, now):
            found.append((booking, room["room_id"]))
    asked = found[:CHATS_ASKED_MAX]
    try:
        async with asyncio.timeout(CHATS_S_MAX):
            chats = await asyncio.gather(*(chat_of(sandbox, signer, booking["patient"], room_id) for booking, room_id in asked))
    except TimeoutError:
        return ()
    return tuple(booking["booking_id"] for (booking, _), lines in zip(asked, chats, strict=True) if lines)


async def _asked(sandbox: Sandbox, signer: Signer, patient: str, room_id: str, what: str) -> dict[str, Any] | None:
    """The video part's answer about one resident in one room; None where there is none."""
    token = signer.access_token(APP, sandbox.wall(), reader=sandbox.publishing.keys.key(patient))
    url, headers = f"{sandbox.video_url}/api/rooms/{quote(room_id, safe='')}/{what}", {"Authorization": f"Bearer {token}"}
    try:
        async with (
            aiohttp.ClientSession(timeout=TIMEOUT) as session,
            session.post(url, json={"patient": patient}, headers=headers) as answer,
        ):
            told: Any = await answer.json() if answer.status == 200 else None
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return None
    return told if isinstance(told, dict) else None
