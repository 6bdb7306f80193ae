"""Records of the bridge's topics, pure: rooms and sessions in, sessions and chat rooms out. No name and no number of a person is in any."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple, cast, get_args

import orjson

from schemas.cloudevents import Envelope, headers_for, sequence_of, time_text, uid_text
from schemas.errors import Malformed
from schemas.events import decode
from schemas.outbound import AccessLogged, NotificationRequested, RoomChanged, SessionChanged
from video.rooms.model import Happened, Room, SessionState

ROOMS: Final = "video.rooms.v1"
SESSIONS: Final = "video.sessions.v1"
AUDIT: Final = "audit.v1"
NOTIFICATIONS: Final = "notifications.v1"
SOURCE: Final = "urn:care-hub:video"


class Record(NamedTuple):
    """One record to publish: the fields of `pipelines.transport.outputs.Output`, in its order."""

    topic: str
    key: bytes
    value: bytes | None
    headers: list[tuple[str, bytes]]
    partition_key: bytes | None = None


def room_of(envelope: Envelope, data: bytes) -> Room:
    """A room from its record. Raises `Malformed`. Fields that are not known here are ignored, as the contract asks of consumers."""
    fields = {name: value for name, value in _object(data).items() if name in RoomChanged.model_fields}
    event = cast(RoomChanged, decode(RoomChanged.TYPE, orjson.dumps(fields)))
    return Room(
        event.room_id, event.kind, event.state, event.unit, event.resource, event.active_at, event.opens_at,
        event.closes_at, event.booking_ids, event.reason, int(envelope.sequence or 0), envelope.partitionkey or "",
    )  # fmt: skip


def session_of(envelope: Envelope, data: bytes) -> tuple[str, Happened] | None:
    """A session event of an earlier run; None for a state that is not known here."""
    fields = {name: value for name, value in _object(data).items() if name in SessionChanged.model_fields}
    if fields.get("state") not in get_args(SessionState):
        return None
    event = cast(SessionChanged, decode(SessionChanged.TYPE, orjson.dumps(fields)))
    number = int(envelope.sequence or 0)
    return event.room_id, Happened(number, event.state, event.at, event.participant, event.role)


def session_record(room: Room, happened: Happened) -> Record:
    """`session.changed.v1`. Its id follows from room and number; it stands in the partition of its room's bookings."""
    event = SessionChanged(room_id=room.room_id, state=happened.state, participant=happened.pid, role=happened.role, at=happened.at)
    by = (room.partition_by or room.room_id).encode()
    ident = uid_text("session.changed", room.room_id, str(happened.number))
    headers = headers_for(
        event.TYPE, ident, SOURCE, time_text(happened.at), subject=room.room_id, partitionkey=by.decode(),
        sequence=sequence_of(happened.number),
    )  # fmt: skip
    return Record(SESSIONS, by, event.to_json(), headers, by)


def room_record(room: Room, at: datetime) -> Record:
    """`room.changed.v1` of a room without a booking (V10, V11): the bridge makes those, so others see them as they see all rooms."""
    event = RoomChanged(
        room_id=room.room_id, state=room.state, kind=room.kind, booking_ids=room.booking_ids, unit=room.unit, resource=room.resource,
        active_at=room.active_at, opens_at=room.opens_at, closes_at=room.closes_at, reason=room.reason,
    )  # fmt: skip
    by = room.partition_by or room.room_id
    headers = headers_for(
        event.TYPE, uid_text("room.changed", room.room_id, str(room.sequence)), SOURCE, time_text(at), subject=room.room_id,
        partitionkey=by, sequence=sequence_of(room.sequence),
    )  # fmt: skip
    return Record(ROOMS, room.room_id.encode(), event.to_json(), headers, by.encode())


def room_tombstone(room: Room) -> Record:
    """What follows the last of such a room after its retention, where that stands."""
    by = (room.partition_by or room.room_id).encode()
    return Record(ROOMS, room.room_id.encode(), None, [("ce_partitionkey", by)], by)


def access_record(action: str, unit: str, user: str, about: str, at: datetime, by: str, ident: str) -> Record:
    """`access.logged.v1`: who saw or did what of a meeting, for the access log that the law asks for (HSLF-FS 2016:40 4 kap. 9 §)."""
    event = AccessLogged(action=action, unit=unit, at=at, user=user, about=about)
    headers = headers_for(event.TYPE, ident, SOURCE, time_text(at), subject=about, partitionkey=by)
    return Record(AUDIT, by.encode(), event.to_json(), headers, by.encode())


def unread_record(
    room_id: str, pid: str, number: int, recipient: str, by: str, has_phone: bool, until: datetime, at: datetime
) -> Record:  # fmt: skip
    """`notification.requested.v1` of a chat that a patient has not read (N1). Its id follows from room, patient and first unread line."""
    ident = uid_text("chat_unread", room_id, pid, str(number))
    event = NotificationRequested(
        notification_id=ident, recipient=recipient, channel="sms" if has_phone else "push", kind="chat", template="chat_new",
        about=room_id, not_after=until,
    )  # fmt: skip
    headers = headers_for(event.TYPE, ident, SOURCE, time_text(at), subject=room_id, partitionkey=by)
    return Record(NOTIFICATIONS, by.encode(), event.to_json(), headers, by.encode())


def _object(data: bytes) -> Mapping[str, Any]:
    try:
        found = orjson.loads(data)
    except ValueError:
        raise Malformed([("", "is no JSON")]) from None
    if not isinstance(found, dict):
        raise Malformed([("", "should be an object")])
    return found
