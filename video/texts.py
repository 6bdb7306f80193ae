"""What is written in meetings outlives the process: chat (V14) and the subjects of conferences (V11), sealed, in the ledger.

Patient data: no topic, log, key or address has any of it, and the ledger has boxes that open with this part's key only, each for its
room and number. A line is kept first and shown then, some milliseconds later; where that takes too long it is shown all the same: a ledger
that is away stops no meeting. What waits is bounded, and is lost only with the process itself. With a line of staff's goes which patients
missed it (N1, `unread.py`). Before anybody comes to a room, or reads its chat, what is kept of it is read back; where that takes too long,
new lines get numbers beyond any earlier one's, and the old ones come when the ledger does.
"""

import asyncio
import os
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Final, NamedTuple, Protocol

import orjson
import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from schemas.telemetry import Meter
from video.rooms.model import Line, Person, Room
from video.signalling.desk import Desk
from video.signalling.tokens import derived
from video.unread import Missed, Read, Reader

BOOKED_KINDS: Final = ("single", "group")
SUBJECT: Final = 0
"""Its number in a room; lines have theirs from 1."""
NONCE_BYTES: Final = 12
WAITING_MAX: Final = 10_000
BATCH_MAX: Final = 200
RETRY_S: Final = 1.0
RECALL_S_MAX: Final = 1.0
KEPT_S_MAX: Final = 0.5
"""So long a line waits for the ledger before it is shown and answered for."""
_log = structlog.get_logger()


class Kept(NamedTuple):
    """A text as it is kept. `at`: from when its retention counts."""

    room_id: str
    number: int
    at: datetime
    box: bytes


Item = Kept | Reader | Missed | Read
Readers = Callable[[str], Awaitable[tuple[tuple[str, str], ...]]]
"""Of a booked room: pid and person of its patients, by the ledger's word."""


async def _nobody(_room_id: str) -> tuple[tuple[str, str], ...]:
    return ()


class Texts(Protocol):
    """The port to the ledger. Both raise `OSError` or `TimeoutError` while it is away."""

    async def put(self, items: Sequence[Item]) -> None:
        """Keep them, in this order and all or none; a text that is kept already stays as it is."""
        ...

    async def of_room(self, room_id: str) -> Sequence[tuple[int, bytes]]:
        """Number and box of what is kept of a room, rising: its subject and its last lines."""
        ...


class Boxes:
    """Closes and opens boxes (AES-256-GCM)."""

    def __init__(self, secret: bytes) -> None:
        self._key = AESGCM(derived(secret, "texts"))

    def close(self, room_id: str, number: int, content: dict[str, str]) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._key.encrypt(nonce, orjson.dumps(content), f"{room_id}|{number}".encode())

    def open(self, room_id: str, number: int, box: bytes) -> dict[str, str]:
        """Raises `ValueError` for a box of another key, room or number."""
        try:
            plain = self._key.decrypt(box[:NONCE_BYTES], box[NONCE_BYTES:], f"{room_id}|{number}".encode())
        except InvalidTag:
            raise ValueError("the box does not open") from None
        content: dict[str, str] = orjson.loads(plain)
        return content


class Keeping:
    """Writes behind, reads back. `desk` has the lines; subjects are here, as nobody needs them but a list."""

    def __init__(self, desk: Desk, texts: Texts, secret: bytes, meter: Meter, readers: Readers = _nobody) -> None:
        self._readers = readers
        self._desk, self._texts, self._boxes, self._meter = desk, texts, Boxes(secret), meter
        self.subjects: dict[str, str] = {}
        self._waiting: deque[Item] = deque()
        self._news, self._written = asyncio.Event(), asyncio.Event()
        self._written.set()
        self._is_away = False
        self._put_count = self._kept_count = 0
        self._waiters: deque[tuple[int, asyncio.Future[bool]]] = deque()
        self._recalled: set[str] = set()
        self._recalling: dict[str, asyncio.Task[None]] = {}

    # --- writing -----------------------------------------------------------------------------------------------------------------

    def line(self, room: Room, line: Line, show: Callable[[], None]) -> None:
        content = {"pid": line.pid, "role": line.role, "name": line.name, "text": line.text, "at": line.at.isoformat()}
        self._put(Kept(room.room_id, line.number, line.at, self._boxes.close(room.room_id, line.number, content)))

        missed = None
        if line.role == "staff" and room.kind != "conference":  # N1: at a conference there are no patients
            missed = Missed(room.room_id, line.number, line.at, self._desk.watching(room.room_id))
            self._put(missed)

        self.kept().add_done_callback(lambda _: self._show(missed, show))

    def _show(self, missed: Missed | None, show: Callable[[], None]) -> None:
        show()
        if missed is not None and not missed.seen_by <= (watching := self._desk.watching(missed.room_id)):
            self._put(missed._replace(seen_by=watching))  # somebody went before it was shown

    def reader(self, room: Room, pid: str, person: str) -> None:
        """Whom a chat room is for: no topic says so, and the ledger not else."""
        self._put(Reader(room.room_id, pid, person, room.opens_at))

    def read(self, room: Room, pid: str) -> None:
        """A patient has all of the chat before them."""
        if (number := self._desk.meetings[room.room_id].lines) > 0:
            self._put(Read(room.room_id, pid, number))

    def came(self, room: Room, person: Person) -> None:
        """Whoever comes in is shown the chat (V14)."""
        if person.role == "patient":
            self.read(room, person.pid)

    def subject(self, room: Room, text: str) -> None:
        self.subjects[room.room_id] = text
        self._put(Kept(room.room_id, SUBJECT, room.closes_at, self._boxes.close(room.room_id, SUBJECT, {"text": text})))

    def kept(self, seconds_max: float | None = None) -> asyncio.Future[bool]:
        """Whether all that was written until now is kept; not, where the ledger takes longer than `KEPT_S_MAX` or is known to be away."""
        loop = asyncio.get_running_loop()
        kept: asyncio.Future[bool] = loop.create_future()
        if self._is_away or self._kept_count == self._put_count:
            kept.set_result(not self._is_away)
        else:
            self._waiters.append((self._put_count, kept))
            loop.call_later(KEPT_S_MAX if seconds_max is None else seconds_max, _done, kept, False)
        return kept

    def _put(self, text: Item) -> None:
        if len(self._waiting) >= WAITING_MAX:
            _log.error("video_text_not_kept", waiting=WAITING_MAX)
            self._is_away = True  # at least so far that it does not keep up
            return
        self._waiting.append(text)
        self._put_count += 1
        if self._written.is_set():
            self._written.clear()
            self._meter.gauge("video_texts_waiting", self._texts_waiting())
        self._news.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._news.wait()
            batch = self._batch()
            try:
                await self._texts.put([await self._with_readers(each) if isinstance(each, Missed) else each for each in batch])
            except (OSError, TimeoutError) as error:
                _log.warning("video_waits_for_ledger", error=type(error).__name__, waiting=len(self._waiting))
                self._meter.gauge("video_texts_waiting", self._texts_waiting())
                self._is_away = True
                self._answer(self._put_count, kept=False)
                await asyncio.sleep(RETRY_S)
                continue
            for _ in batch:
                self._waiting.popleft()
            self._is_away = False
            self._kept_count += len(batch)
            self._answer(self._kept_count, kept=True)
            if not self._waiting:
                self._news.clear()
                self._written.set()
            self._meter.gauge("video_texts_waiting", self._texts_waiting())

    def _answer(self, count: int, *, kept: bool) -> None:
        """Whoever waits for what was written up to here."""
        while self._waiters and self._waiters[0][0] <= count:
            _done(self._waiters.popleft()[1], kept)

    def _batch(self) -> list[Item]:
        """What is written now. A line goes with what is noted of it."""
        size = min(BATCH_MAX, len(self._waiting))
        size += size < len(self._waiting) and isinstance(self._waiting[size], Missed)
        return [self._waiting[place] for place in range(size)]

    def _texts_waiting(self) -> int:
        return sum(isinstance(each, Kept) for each in self._waiting)

    async def _with_readers(self, missed: Missed) -> Missed:
        meeting = self._desk.meetings.get(missed.room_id)
        is_booked = meeting is not None and meeting.room.kind in BOOKED_KINDS
        return missed._replace(readers=await self._readers(missed.room_id)) if is_booked else missed

    async def drained(self, seconds_max: float) -> None:
        """At the end of the process: what waits is written, if the ledger takes it in time."""
        try:
            async with asyncio.timeout(seconds_max):
                await self._written.wait()
        except TimeoutError:
            _log.error("video_texts_lost", texts=len(self._waiting))

    # --- reading back ------------------------------------------------------------------------------------------------------------

    async def recalled(self, room_id: str) -> None:
        """Come back when what was kept of a room is there, or when it takes too long."""
        if room_id in self._recalled or room_id not in self._desk.meetings:
            return
        if room_id not in self._recalling:  # who comes second to a ledger that is away does not wait for it, too
            self._recalling[room_id] = task = asyncio.create_task(self._recall(room_id))
            await asyncio.wait({task}, timeout=RECALL_S_MAX)
        if room_id not in self._recalled:
            self._desk.number_from(room_id, time.time_ns() // 1_000_000)

    def forget(self) -> None:
        """Of rooms whose retention is over nothing stays."""
        for gone in {*self.subjects, *self._recalled} - self._desk.meetings.keys():
            self.subjects.pop(gone, None)
            self._recalled.discard(gone)

    async def close(self) -> None:
        for task in self._recalling.values():
            task.cancel()
        await asyncio.gather(*self._recalling.values(), return_exceptions=True)

    async def _recall(self, room_id: str) -> None:
        while room_id in self._desk.meetings:
            try:
                found = await self._texts.of_room(room_id)
            except (OSError, TimeoutError):
                await asyncio.sleep(RETRY_S)
                continue
            self._desk.number_from(room_id, max((number for number, _ in found), default=0))  # also of a box that does not open
            self._desk.remember(room_id, self._lines(room_id, found))
            self._recalled.add(room_id)
            break
        self._recalling.pop(room_id, None)

    def _lines(self, room_id: str, found: Sequence[tuple[int, bytes]]) -> list[Line]:
        lines = []
        for number, box in found:
            try:
                content = self._boxes.open(room_id, number, box)
            except ValueError:
                _log.error("video_text_does_not_open", number=number)
                continue
            if number == SUBJECT:
                self.subjects.setdefault(room_id, content["text"])
            else:
                at = datetime.fromisoformat(content["at"])
                lines.append(Line(number, content["pid"], content["role"], content["name"], content["text"], at))  # type: ignore[arg-type]
        return lines


def _done(waiter: asyncio.Future[bool], kept: bool) -> None:
    if not waiter.done():
        waiter.set_result(kept)
