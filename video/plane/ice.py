"""Who a datagram is from: what has proved itself by ICE goes to its connection, everything else is refused and counted. No I/O.

A path is an address (`(ip, port)` of UDP, or one TCP connection). It belongs to a connection once a binding request with that
connection's password came over it, and media is taken from such paths only. Strangers have an allowance of requests for each address and
one for all, so that forged ones cost us little and others nothing. What is no request costs nothing to refuse and takes nothing of it: a
hospital is one address, and after a bridge was replaced all its browsers still send media for a moment.
"""

from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable
from secrets import choice
from string import ascii_letters, digits
from typing import Any, Final, Protocol

from video.plane import rtp, stun
from video.plane.limits import (
    DATAGRAM_BYTES_MAX,
    PATHS_MAX,
    SOURCES_MAX,
    STRANGER_BURST,
    STRANGER_RATE,
    STRANGERS_BURST,
    STRANGERS_RATE,
)
from video.plane.mmsg import Outbox

Send = Callable[[bytes], object]
_ALPHABET: Final = ascii_letters + digits


class Path(Protocol):
    """Where a datagram came from, and the way back."""

    @property
    def key(self) -> Hashable: ...
    @property
    def address(self) -> tuple[str, int]: ...
    @property
    def send(self) -> Send: ...
    @property
    def outbox(self) -> Outbox | None:
        """Where media may wait to be sent in one call with other media, to `name`; None where it goes by `send` alone."""
        ...

    @property
    def name(self) -> bytes: ...


class Member(Protocol):
    """A connection, as far as the door knows it."""

    credentials: dict[str, str]
    paths: list[Hashable]
    hot: Any
    """`struct sender`, where take.c may take its media; else None."""

    def nominated(self, path: Path, local: str, now: float) -> None: ...
    def media(self, data: bytes, now: float) -> None: ...
    def media_at(self, packet: Any, length: Any, now: float) -> None:
        """The same where the packet lies: it is decrypted there."""
        ...

    def plain(self, data: bytes, now: float) -> None:
        """The same, of what take.c has decrypted and counted."""
        ...

    def control(self, data: bytes, now: float) -> None: ...
    def record(self, data: bytes, path: Path, now: float) -> None: ...
    def checked(self, now: float) -> None: ...


def credentials() -> tuple[str, str]:
    """A user name fragment and a password (RFC 8445 section 5.3 asks for 24 and 128 bits of chance)."""
    return "".join(choice(_ALPHABET) for _ in range(8)), "".join(choice(_ALPHABET) for _ in range(24))


class Bucket:
    """An allowance that fills with time."""

    __slots__ = ("_at", "_burst", "_left", "_rate")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate, self._burst, self._left, self._at = rate, burst, burst, now

    def take(self, now: float) -> bool:
        self._left = min(self._burst, self._left + (now - self._at) * self._rate)
        self._at = now
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True


class Door:
    """All paths of the process, and the judgement of what comes over them."""

    def __init__(self) -> None:
        self.members: dict[Hashable, Member] = {}
        """By path."""
        self.on_path: Callable[[Hashable, Any], None] = lambda key, hot: None
        """Told whose a path is, as far as that concerns take.c; None: nobody's."""
        self._users: dict[str, Member] = {}
        self._strangers: OrderedDict[str, Bucket] = OrderedDict()
        self._all = Bucket(STRANGERS_RATE, STRANGERS_BURST, 0.0)
        self.refused: Counter[str] = Counter()
        """By reason; of what was refused nothing else is kept."""

    def admit(self, member: Member) -> None:
        """Know a connection by its credentials, also after they changed."""
        for user in member.credentials:
            self._users[user] = member

    def forget(self, member: Member) -> None:
        for user in [user for user, owner in self._users.items() if owner is member]:
            del self._users[user]
        for key in member.paths:
            self.members.pop(key, None)
            self.on_path(key, None)
        member.paths.clear()

    def close(self, key: Hashable) -> None:
        """A path is gone (TCP)."""
        member = self.members.pop(key, None)
        self.on_path(key, None)
        if member is not None and key in member.paths:
            member.paths.remove(key)

    def datagram(self, data: bytes, path: Path, now: float) -> bool:
        """Take one; False where it was refused. The first byte tells what it is (RFC 7983)."""
        if not data or len(data) > DATAGRAM_BYTES_MAX:
            return self._refuse("oversized" if data else "empty")
        member = self.members.get(path.key)
        first = data[0]
        if member is not None:
            if 127 < first < 192:
                if rtp.is_rtcp(data):
                    member.control(data, now)
                else:
                    member.media(data, now)
                return True
            if 19 < first < 64:
                member.record(data, path, now)
                return True
        if first > 3:
            return self._refuse("stranger" if member is None else "unknown")
        if member is None and not self._allowed(path.address[0], now):
            return self._refuse("flood")
        return self._check(data, path, now)

    def _check(self, data: bytes, path: Path, now: float) -> bool:
        check = stun.judge(data, self._password)
        if isinstance(check, str):
            return self._refuse("stun_" + check)
        member = self._users[check.local]
        password = member.credentials[check.local]
        if check.controlled:
            path.send(stun.role_conflict(check, password))
            return self._refuse("stun_role_conflict")
        owner = self.members.get(path.key)
        if owner is not member:  # new, or one address that a browser uses for its next connection
            if owner is not None:
                self.close(path.key)
            if len(member.paths) >= PATHS_MAX:
                self.close(member.paths[0])
            self.members[path.key] = member
            self.on_path(path.key, member.hot)
            member.paths.append(path.key)
        path.send(stun.success(check, path.address, password))
        member.checked(now)
        if check.nominated:
            member.nominated(path, check.local, now)
        return True

    def _password(self, user: str) -> str | None:
        member = self._users.get(user)
        return None if member is None else member.credentials.get(user)

    def _allowed(self, ip: str, now: float) -> bool:
        bucket = self._strangers.get(ip)
        if bucket is None:
            bucket = self._strangers[ip] = Bucket(STRANGER_RATE, STRANGER_BURST, now)
            if len(self._strangers) > SOURCES_MAX:
                self._strangers.popitem(last=False)
        else:
            self._strangers.move_to_end(ip)
        return bucket.take(now) and self._all.take(now)

    def _refuse(self, reason: str) -> bool:
        self.refused[reason] += 1
        return False
