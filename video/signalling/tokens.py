"""Join tokens: JWT (RFC 7519, HS256) with a secret of the part, bound to a person, a role, a room and its window.

A token in an address is a bearer secret: it lives a minute or two, is good once, and is logged nowhere. What is personal in it (a
name) is sealed (Fernet), so that neither an address nor a cookie can be read. The `purpose` is the audience: a cookie is no
ticket. What was used is remembered as long as it could be used; a bridge that starts again takes no single-use token from before.
"""

import base64
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, Literal, get_args
from uuid import uuid4

import jwt
import orjson
from cryptography.fernet import Fernet, InvalidToken

from video.rooms.model import Role

Purpose = Literal["ticket", "socket", "seat", "staff", "login"]
"""`ticket`: from the app, in the fragment of an address. `socket`: of one WebSocket. `seat`, `staff`, `login`: cookies."""
LIFETIME_S: Final[dict[Purpose, int]] = {"ticket": 120, "socket": 60, "seat": 12 * 3600, "staff": 8 * 3600, "login": 600}
ONCE: Final[frozenset[Purpose]] = frozenset({"ticket", "socket", "login"})
ALGORITHM: Final = "HS256"
TOKEN_CHARS_MAX: Final = 4_096
USED_MAX: Final = 100_000


class BadToken(Exception):
    """A token that proves nothing here. `reason`: `expired`, `used`, `wrong_room` or `invalid`."""

    def __init__(self, reason: Literal["expired", "used", "wrong_room", "invalid"]) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Pass:
    """Whom a token is of, for which room and window. `kept` is sealed in it: a name, and what else is personal."""

    pid: str
    role: Role
    room_id: str
    opens_at: datetime | None = None
    name: str = field(default="", repr=False)
    kept: dict[str, Any] = field(default_factory=dict, repr=False)


class JoinTokens:
    """Gives and takes tokens. `now` is wall time: a token is about who came just now, whatever the hub's clock says."""

    def __init__(self, secret: bytes, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._sign = derived(secret, "sign")
        self._seal = Fernet(base64.urlsafe_b64encode(derived(secret, "seal")))
        self._now = now
        self._since = now().timestamp()
        self._used: dict[str, float] = {}

    def give(self, who: Pass, purpose: Purpose) -> str:
        now = self._now().timestamp()
        sealed = self._seal.encrypt(orjson.dumps({"name": who.name, **who.kept})).decode()
        claims: dict[str, Any] = {
            "sub": who.pid, "aud": purpose, "role": who.role, "room": who.room_id, "iat": now, "exp": now + LIFETIME_S[purpose],
            "jti": uuid4().hex, "box": sealed,
        }  # fmt: skip
        if who.opens_at is not None:
            claims["win"] = who.opens_at.timestamp()
        return jwt.encode(claims, self._sign, algorithm=ALGORITHM)

    def take(self, token: str, purpose: Purpose, room_id: str | None = None) -> Pass:
        """Whom it is of. A single-use token is used up. Raises `BadToken`."""
        if len(token) > TOKEN_CHARS_MAX:
            raise BadToken("invalid")
        now = self._now().timestamp()
        try:
            claims = jwt.decode(
                token, self._sign, algorithms=[ALGORITHM], audience=purpose,
                options={"verify_exp": False, "verify_iat": False, "require": ["sub", "aud", "role", "room", "iat", "exp", "jti", "box"]},
            )  # fmt: skip
            box = orjson.loads(self._seal.decrypt(claims["box"].encode()))
        except (jwt.InvalidTokenError, InvalidToken, ValueError, AttributeError):
            raise BadToken("invalid") from None
        if claims["exp"] <= now or (purpose in ONCE and claims["iat"] < self._since):
            raise BadToken("expired")
        if room_id is not None and claims["room"] != room_id:
            raise BadToken("wrong_room")
        if purpose in ONCE:
            self._use(claims["jti"], claims["exp"], now)
        if claims["role"] not in get_args(Role):
            raise BadToken("invalid")
        opens_at = datetime.fromtimestamp(claims["win"], UTC) if "win" in claims else None
        return Pass(claims["sub"], claims["role"], claims["room"], opens_at, box.pop("name", ""), box)

    def room_of(self, token: str, purpose: Purpose) -> str | None:
        """The room of a token of ours, without using it up; None for one that proves nothing."""
        if len(token) > TOKEN_CHARS_MAX:
            return None
        try:
            claims = jwt.decode(
                token, self._sign, algorithms=[ALGORITHM], audience=purpose, options={"verify_exp": False, "verify_iat": False}
            )
        except jwt.InvalidTokenError:
            return None
        return str(claims.get("room", ""))

    def _use(self, jti: str, until: float, now: float) -> None:
        if jti in self._used:
            raise BadToken("used")
        if len(self._used) >= USED_MAX:
            self._used = {each: end for each, end in self._used.items() if end > now}
            if len(self._used) >= USED_MAX:
                raise BadToken("expired")  # fail closed: nothing is forgotten that could still be used
        self._used[jti] = until


def derived(secret: bytes, purpose: str) -> bytes:
    """A key of its own for each purpose."""
    return hmac.new(secret, purpose.encode(), hashlib.sha256).digest()


def opaque(secret: bytes, *parts: str) -> str:
    """An opaque name for a person in one room: the same each time, telling nothing, not the same in another room."""
    return hmac.new(derived(secret, "pid"), "\x1f".join(parts).encode(), hashlib.sha256).hexdigest()[:32]


CODE_ALPHABET: Final = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
CODE_CHARS: Final = 10
CODES_CACHED: Final = 50_000
"""A guest's code is compared with every room's."""


@lru_cache(CODES_CACHED)
def meeting_code(secret: bytes, room_id: str, opens_at: datetime) -> str:
    """V9: the meeting code of a room's guests. Made from the window, so rebooking voids it by itself (V6), and nothing is stored."""
    number = int.from_bytes(hmac.new(derived(secret, "code"), f"{room_id}|{opens_at.timestamp()}".encode(), hashlib.sha256).digest())
    return "".join(CODE_ALPHABET[(number // len(CODE_ALPHABET) ** i) % len(CODE_ALPHABET)] for i in range(CODE_CHARS))
