"""One-time codes for guests without an e-ID (V9): six digits, kept as a hash, ten minutes, five tries, one use."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

DIGITS: Final = 6
LIFETIME: Final = timedelta(minutes=10)
TRIES_MAX: Final = 5
CODES_PER_MEETING_MAX: Final = 20
MISSES_PER_MEETING_MAX: Final = 100
"""Wrong tries on one meeting's codes within `LIFETIME`; then no code is taken there until it is over."""


@dataclass(slots=True)
class _Code:
    digest: bytes
    until: datetime
    tries: int = 0


class OneTimeCodes:
    """The codes that are out, by meeting. A guest need not say which is theirs: every wrong try counts against all."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._out: dict[str, list[_Code]] = {}
        self._misses: dict[str, tuple[datetime, int]] = {}

    def give(self, meeting: str, now: datetime) -> str | None:
        """A new code; None when too many are out."""
        out = self._live(meeting, now)
        if len(out) >= CODES_PER_MEETING_MAX:
            return None
        code = f"{secrets.randbelow(10**DIGITS):0{DIGITS}d}"
        out.append(_Code(self._digest(meeting, code), now + LIFETIME))
        self._out[meeting] = out
        return code

    def take(self, meeting: str, code: str, now: datetime) -> bool:
        """Whether the code is right; it is used up then. Each wrong try counts against every code that is out for the meeting."""
        since, misses = self._misses.get(meeting, (now, 0))
        if now - since >= LIFETIME:
            since, misses = now, 0
        out, given = self._live(meeting, now), self._digest(meeting, code)
        right = [each for each in out if hmac.compare_digest(each.digest, given)]
        if misses >= MISSES_PER_MEETING_MAX or not right:
            for each in out:
                each.tries += 1
            self._misses[meeting] = (since, misses + 1)
            self._out[meeting] = out
            return False
        self._out[meeting] = [each for each in out if each is not right[0]]
        return True

    def _live(self, meeting: str, now: datetime) -> list[_Code]:
        return [each for each in self._out.get(meeting, ()) if each.until > now and each.tries < TRIES_MAX]

    def _digest(self, meeting: str, code: str) -> bytes:
        return hmac.new(self._secret, f"{meeting}|{code}".encode(), hashlib.sha256).digest()
