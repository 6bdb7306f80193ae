"""Bookings and their rooms: what the app and the portal may show, and which rooms there are (B1-B3, B6, B8, V1-V8).

A booking is judged alone (`rules.booking.judge_booking`); a room from all its bookings (`rules.room.judge_room`), which may be other
people's (V8). So bookings come first and rooms last in a transaction, and a room's lock is held by whoever judges one of its bookings.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import orjson

from pipelines import ids
from pipelines.commands import STATUSES, VIDEOS, BookingIn, SessionIn, TimeTypeIn
from pipelines.context import Context
from pipelines.ledger import rows
from pipelines.ledger.rows import BookingRow, RoomRow
from pipelines.rules import booking as booking_rule
from pipelines.rules import replay
from pipelines.rules import room as room_rule
from pipelines.rules.model import Booking, BookingDecision, BookingStatus, Member, Room, RoomState, Trigger, Video
from schemas.fields import unflagged

APP: Final = "app.bookings.v1"
PORTAL: Final = "portal.bookings.v1"
SUBJECT_BOOKING: Final = 2
SUBJECT_ROOM: Final = 3
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EMPTY: Final = b"{}"


def rooms_of(booking_id: str, unit: str, start: datetime, resource: str) -> tuple[UUID, UUID]:
    """V8: a booking's own room, wherever it is moved, and the one of a group: the same unit, start and resource."""
    return ids.uid("room", booking_id), ids.uid("room", unit, start.isoformat(), resource)


def room_of(row: BookingRow) -> UUID:
    """The room this booking is in when it wants one."""
    single, group = rooms_of(row.booking_id, row.unit, row.start, row.resource)
    return group if row.video == Video.GROUP else single


class Bookings:
    """The bookings and rooms of one transaction."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.known: dict[UUID, BookingRow] = {}
        self.time_types: dict[tuple[str, str], tuple[bool, int, datetime]] = {}
        self._likely: dict[tuple[str, str], tuple[bool, int]] = {}
        self._rooms: dict[UUID, Trigger] = {}
        self.judged: set[UUID] = set()
        self._left: set[UUID] = set()
        self._leaving: set[UUID] = set()
        self._doubled: set[UUID] = set()

    async def load(self, bookings: Collection[UUID], people: Collection[UUID]) -> list[BookingRow]:
        """These bookings, and all of these people's; one object a booking."""
        select, fetch = rows.BOOKINGS.select, self.context.connection.fetch
        found = rows.BOOKINGS.rows(await fetch(f"{select} WHERE booking = ANY($1)", list(bookings))) if bookings else []
        if people:
            found += rows.BOOKINGS.rows(await fetch(f"{select} WHERE person = ANY($1)", list(people)))
        return [self.known.setdefault(row.booking, row) for row in found]

    async def load_time_types(self, keys: Collection[tuple[str, str]]) -> None:
        wanted = [key for key in keys if key not in self.time_types]
        if wanted:
            units, types = zip(*wanted, strict=True)
            for unit, name, hidden, video, as_of in await self.context.connection.fetch(
                "SELECT unit, time_type, hidden, video, as_of FROM time_types"
                " WHERE (unit, time_type) IN (SELECT * FROM unnest($1::text[], $2::text[]))",
                list(units),
                list(types),
            ):
                self.time_types[unit, name] = (hidden, video, as_of)

    async def guess_time_types(self, commands: Collection[BookingIn]) -> None:
        """B2, fail closed: what a source cannot say of a time type without a setting is what is known of its other bookings."""
        keys = {(c.data.unit, c.data.time_type.id) for c in commands if not c.knows_time_types} - self.time_types.keys()
        if keys:
            units, types = zip(*keys, strict=True)
            for unit, name, hidden, video in await self.context.connection.fetch(
                "SELECT w.unit, w.name, bool_or(b.hidden), max(b.video) FROM unnest($1::text[], $2::text[]) AS w(unit, name),"
                " LATERAL (SELECT hidden, video FROM bookings WHERE unit = w.unit AND time_type = w.name AND NOT dropped LIMIT 1000) b"
                " GROUP BY w.unit, w.name",
                list(units), list(types),
            ):  # fmt: skip
                self._likely[unit, name] = (hidden, video)

    # --- news ------------------------------------------------------------------------------------------------------------------

    async def time_type(self, command: TimeTypeIn) -> None:
        """B2, V5: a setting changed. Every booking known is judged again, by the timer, in batches, at once."""
        data = command.data
        known = self.time_types.get((data.unit, data.time_type.id))
        if known is not None and data.as_of < known[2]:
            return
        hidden, video = data.time_type.hidden, int(VIDEOS[data.time_type.video])
        self.time_types[data.unit, data.time_type.id] = (hidden, video, data.as_of)
        connection = self.context.connection
        await connection.execute(
            "INSERT INTO time_types (unit, time_type, hidden, video, as_of) VALUES ($1, $2, $3, $4, $5) ON CONFLICT"
            " (unit, time_type) DO UPDATE SET hidden = excluded.hidden, video = excluded.video, as_of = excluded.as_of",
            data.unit, data.time_type.id, hidden, video, data.as_of,
        )  # fmt: skip
        await connection.execute(
            "UPDATE bookings SET hidden = $3, video = $4::int2, due_at = $5,"
            " video_since = CASE WHEN $4::int2 > 0 THEN coalesce(video_since, $6) END"
            " WHERE unit = $1 AND time_type = $2 AND NOT dropped",
            data.unit, data.time_type.id, hidden, video, self.context.now, command.origin.sent,
        )  # fmt: skip

    def booking(self, command: BookingIn) -> BookingRow | None:
        """B6: the booking's own version decides. Returns the row to judge, None when this is nothing new."""
        data, sent = command.data, command.origin.sent
        row = self.known.get(command.booking)
        revision, digest = data.revision, command.digest
        if row is not None:
            if revision < row.version:
                self.context.count("booking", "B6", "ignored")
                return None
            if revision == row.version and not row.dropped:
                if digest != row.digest:
                    self.context.refuse(command, "conflict", "/version: came before with other content; the first stands")
                return None
        hidden, video = data.time_type.hidden, int(VIDEOS[data.time_type.video])
        setting = self.time_types.get((data.unit, data.time_type.id))
        if setting is None and not command.knows_time_types:
            hidden, video = self._likely.get((data.unit, data.time_type.id), (hidden, video))
        if setting is not None and (not command.knows_time_types or (command.origin.envelope.time or sent) < setting[2]):
            hidden, video = setting[0], setting[1]
        status, start = int(STATUSES[data.status]), unflagged(data.start) if data.start_doubled else data.start
        person = self.context.resolve(command.person)
        if row is None:
            row = BookingRow(
                command.booking, data.booking_id, person, data.unit, digest, revision, status, start, data.minutes,
                data.time_type.id, data.resource.id, hidden, video, data.journal_blocked, data.till_registered_at,
                None, None, False, False, False, False, False, False, None, None, 0, command.content,
            )  # fmt: skip
            self.context.bookings.new[row.booking] = row
            self.known[row.booking] = row
        else:
            if data.start != row.start or (data.status == "rebooked" and row.status != status):
                row.rebooked_at = sent
                row.reminded = False
            if person != row.person:
                self._leave(row)
            if status == BookingStatus.CANCELLED != row.status or (data.till_registered_at is not None and row.till_at is None):
                self._leaving.add(row.booking)
            row.person, row.unit, row.digest, row.version, row.status = person, data.unit, digest, revision, status
            row.start, row.minutes, row.time_type, row.resource = start, data.minutes, data.time_type.id, data.resource.id
            row.hidden, row.video, row.blocked = hidden, video, data.journal_blocked
            row.till_at, row.content, row.dropped = data.till_registered_at, command.content, False
            self.context.bookings.touch(row.booking, row)
        if data.start_doubled:
            self._doubled.add(row.booking)
        if video == Video.NONE:
            row.video_since = None
        elif row.video_since is None:
            row.video_since = sent
        return row

    def _leave(self, row: BookingRow) -> None:
        """A booking that changes hands disappears for the one it was (the EHR corrected the patient)."""
        key = row.partition_by or self.context.key(self.context.people[row.person])  # `Work._load_people` has everybody of a known booking
        row.changed += 1
        if row.shown_app:
            self.context.out.booking_hidden(APP, row, key)
        if row.shown_portal:
            self.context.out.booking_hidden(PORTAL, row, key)
        row.shown_app = row.shown_portal = row.notified = row.reminded = False
        row.partition_by = None

    def opened(self, command: SessionIn, room: RoomRow | None) -> None:
        """V4: from the first opening on, a registration at the till closes nothing."""
        if room is not None and room.opened_at is None:
            room.opened_at = command.at
            self.context.rooms.touch(room.room, room)

    # --- judging ---------------------------------------------------------------------------------------------------------------

    def judge(self, row: BookingRow, trigger: Trigger, trace: str | None = None, *, news: bool = False) -> None:
        """What of a booking is to be seen now. `news`: its own content changed, so what is shown is shown again."""
        if row.dropped and not news:
            row.due_at = None
            self.context.bookings.touch(row.booking, row)
            return
        person = self.context.of(row.person)
        limits, now, key = self.context.limits(row.unit), self.context.now, self.context.key(person)
        before = Booking(
            row.booking, BookingStatus(row.status), row.start, row.minutes, row.hidden, Video(row.video), row.blocked,
            row.till_at, row.video_since, row.shown_app, row.shown_portal, row.notified, row.reminded,
        )  # fmt: skip
        decision = booking_rule.judge_booking(person, before, limits, now)
        self.context.look_ups.update(decision.look_up)
        wanted = decision.room is not Video.NONE and "video" in self.context.policy.unit(row.unit).active
        visible = (decision.app, decision.portal)
        same = (
            visible == (row.shown_app, row.shown_portal)
            and wanted == row.wanted
            and not decision.notify
            and not decision.erase
            and not news
        )
        row.due_at = _coming(decision.review_at, now)
        self.context.bookings.touch(row.booking, row)
        if same:
            return
        self.judged.add(row.booking)
        if row.wanted and not wanted:
            self._leaving.add(row.booking)
        told = news or wanted != row.wanted  # else a topic hears of it only when what it may see has changed (B8)
        row.wanted = wanted
        row.changed += 1
        content = orjson.loads(row.content or _EMPTY)
        for topic, was, shown in ((APP, row.shown_app, decision.app), (PORTAL, row.shown_portal, decision.portal)):
            if shown and content:
                if told or not was:
                    self.context.out.booking_shown(topic, row, row.partition_by or key, person.pid, content)
            elif was:
                self.context.out.booking_hidden(topic, row, row.partition_by or key)
        row.shown_app, row.shown_portal = visible
        if "notification" in self.context.policy.unit(row.unit).active:
            for notify in decision.notify:
                self.context.out.notification(notify, row.booking_id, key, row.changed)
        row.notified = row.notified or any(notify.kind == "booking" for notify in decision.notify)
        row.reminded = row.reminded or any(notify.kind == "reminder" for notify in decision.notify)
        self._place(row, trigger)
        if decision.erase:
            self._erase(row)
        self._note(row, decision, before, trigger, trace)

    def _place(self, row: BookingRow, trigger: Trigger) -> None:
        """Put the booking in its room, or leave the one it had (V5, V6, V8)."""
        wanted = room_of(row) if row.wanted else row.room
        if row.room is not None and row.room != wanted:
            self._rooms[row.room] = trigger
            self._left.add(row.room)
        if row.wanted:
            row.room = wanted
        if row.room is not None:
            self._rooms[row.room] = trigger

    def _erase(self, row: BookingRow) -> None:
        """B1: that there was one, and its version, is all that is kept."""
        row.dropped, row.content, row.due_at = True, None, None
        row.start, row.minutes, row.time_type, row.resource = EPOCH, 0, "", ""
        row.till_at = row.video_since = row.rebooked_at = None

    def _note(self, row: BookingRow, decision: BookingDecision, before: Booking, trigger: Trigger, trace: str | None) -> None:
        person = self.context.of(row.person)
        channels = ("app",) if decision.app else ()
        steps = (booking_rule.DOUBLED, *decision.steps) if row.booking in self._doubled else decision.steps
        ident, event = self.context.out.decision(
            "booking", row.booking_id, row.changed, self.context.key(person), row.unit, None, trigger, decision.rule,
            decision.outcome, channels, None, None, steps, trace,
        )  # fmt: skip
        if decision.erase:  # whoever is protected is dropped whatever the booking says
            before = replace(before, start=EPOCH, minutes=0, hidden=False, video=Video.NONE, blocked=False, till_at=None, video_since=None)
        facts = replay.freeze(person, before, self.context.limits(row.unit), self.context.now)
        self.context.decisions.append((ident, row.booking, self.context.now, SUBJECT_BOOKING, facts, event))
        self.context.count("booking", decision.rule, decision.outcome)

    # --- rooms -----------------------------------------------------------------------------------------------------------------

    def again(self, rooms: Iterable[UUID], trigger: Trigger) -> None:
        """Rooms whose time has come (V1, V2)."""
        for room in rooms:
            self._rooms.setdefault(room, trigger)

    async def judge_rooms(self) -> None:
        """All rooms that a booking of this transaction entered or left, or that are due."""
        if not self._rooms:
            return
        fetch = self.context.connection.fetch
        wanted = list(self._rooms)
        rooms = {row.room: row for row in rows.ROOMS.rows(await fetch(f"{rows.ROOMS.select} WHERE room = ANY($1)", wanted))}
        for key, row in self.context.rooms.old.items():
            rooms[key] = row
        members = await self.load_members(wanted)
        for room, trigger in self._rooms.items():
            mine = sorted(members.get(room, ()), key=lambda row: (row.video_since or row.start, row.booking_id))
            self._judge_room(room, rooms.get(room), mine, trigger)

    async def load_members(self, rooms: Collection[UUID]) -> dict[UUID, list[BookingRow]]:
        stored = rows.BOOKINGS.rows(
            await self.context.connection.fetch(f"{rows.BOOKINGS.select} WHERE room = ANY($1)", list(rooms))
        )
        for row in stored:
            self.known.setdefault(row.booking, row)
        found: dict[UUID, list[BookingRow]] = {}
        for row in self.known.values():
            if row.room is not None:
                found.setdefault(row.room, []).append(row)
        return found

    def _judge_room(self, ident: UUID, row: RoomRow | None, members: list[BookingRow], trigger: Trigger) -> None:
        if not members and row is None:
            return
        first = members[0] if members else None
        unit = row.unit if row is not None else first.unit  # type: ignore[union-attr]
        limits, now = self.context.limits(unit), self.context.now
        kind = Video(row.kind) if row is not None else Video(first.video)  # type: ignore[union-attr]
        before = None
        if row is not None:
            before = Room(RoomState(row.state), row.active_at, row.opens_at, row.closes_at, row.opened_at)
        facts = [
            Member(
                m.booking, m.start, m.minutes, m.video_since or now, m.wanted and m.room == ident,
                m.status == BookingStatus.CANCELLED and not m.dropped, m.till_at, m.booking in self._leaving,
            )
            for m in members
        ]  # fmt: skip
        decision = room_rule.judge_room(kind, facts, before, limits, now)
        names = {m.booking: m.booking_id for m in members}
        listed = [names[booking] for booking in decision.members]
        fresh = row is None
        if row is None:
            assert first is not None
            person = self.context.people.get(self.context.resolve(first.person))
            if decision.state in (RoomState.VOID, RoomState.CLOSED) or person is None:
                return
            row = RoomRow(
                ident, int(kind), 0, unit, first.resource, self.context.key(person), now, now, now, None, None, 0, None
            )
            self.context.rooms.new[ident] = row
        after = (int(decision.state), decision.active_at, decision.opens_at, decision.closes_at, decision.reason)
        said = (row.state, row.active_at, row.opens_at, row.closes_at, row.reason)
        row.due_at = _coming(decision.review_at, now)
        self.context.rooms.touch(ident, row)
        changed_members = ident in self._left or any(m.booking in self.judged for m in members)
        if after == said and not (changed_members and kind is Video.GROUP):
            return
        row.state, row.active_at, row.opens_at, row.closes_at, row.reason = after
        row.changed += 1
        self.context.out.room(row, row.partition_by, listed)
        key, event = self.context.out.decision(
            "room", str(ident), row.changed, row.partition_by, unit, None, "arrival" if fresh else trigger, decision.rule,
            "deliver" if decision.state in (RoomState.SCHEDULED, RoomState.ACTIVE) else "settle", (), decision.reason, None,
            decision.steps,
        )  # fmt: skip
        frozen = replay.freeze_room(kind, facts, before, limits, now)
        self.context.decisions.append((key, ident, now, SUBJECT_ROOM, frozen, event))
        self.context.count("room", decision.rule, str(decision.state.name).lower())


def content_of(row: BookingRow) -> dict[str, Any]:
    """The texts of a booking as they are shown; empty for a dropped one (B1)."""
    return orjson.loads(row.content) if row.content is not None else {}


def _coming(moment: datetime | None, now: datetime) -> datetime | None:
    return moment if moment is not None and moment > now else None
