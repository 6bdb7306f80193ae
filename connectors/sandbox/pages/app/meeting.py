"""The way from a booking into its video meeting: the app asks the video part for a ticket of its resident, good once and soon."""

from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

import aiohttp

from connectors.sandbox.oidc.tokens import Signer
from connectors.sandbox.pages.app.access import bookings_of, subjects
from connectors.sandbox.pages.app.bookings import door
from connectors.sandbox.state import Sandbox
from connectors.sandbox.world import World

TIMEOUT: Final = aiohttp.ClientTimeout(total=10, sock_connect=2)
APP: Final = "app"


def patient_in(world: World, reader: str, room_id: str, now: datetime) -> str | None:
    """Who of those that the reader sees is booked in a room that can be entered now."""
    for subject in subjects(world, reader, now):
        for booking in bookings_of(world, subject):
            if booking["video"] and door(world.room_of(booking["booking_id"]), now).room_id == room_id:
                return subject.person
    return None


async def address_of(sandbox: Sandbox, signer: Signer, patient: str, room_id: str) -> str | None:
    """Where the patient enters; None while the video part gives no ticket. The ticket stands in the fragment, which no server sees."""
    token = signer.access_token(APP, sandbox.wall(), reader=sandbox.publishing.keys.key(patient))
    room = quote(room_id, safe="")
    try:
        async with aiohttp.ClientSession(timeout=TIMEOUT) as session:
            asked = session.post(
                f"{sandbox.video_url}/api/rooms/{room}/join", json={"patient": patient}, headers={"Authorization": f"Bearer {token}"}
            )
            async with asked as answer:
                told: Any = await answer.json() if answer.status == 200 else {}
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return None
    ticket = told.get("token") if isinstance(told, dict) else None
    return f"{sandbox.video_url}/meet/{room}#t={quote(ticket)}" if isinstance(ticket, str) else None
