"""The token in a callback's URL: it names one notification and proves that the URL is one of ours.

SMS providers sign nothing, so the URL itself is the secret (46elks' delivery reports, CONTRACTS.md section 4). A token is
the notification's id and an HMAC-SHA256 of it (RFC 2104) in URL-safe base64 (RFC 4648 section 5): nothing is looked up to
know it, no person can be read from it, and who has one can tell only of that one message.
"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256
from typing import Final
from uuid import UUID

from schemas.errors import Malformed

SECRET_BYTES_MIN: Final = 16
TOKEN_CHARS: Final = 64
_ID_BYTES: Final = 16
_PURPOSE: Final = b"care-hub sms callback\0"
"""So that no other use of the same secret makes the same code."""


def callback_token(notification_id: UUID, secret: bytes) -> str:
    """The token of a notification: 64 characters that need no escaping in a URL."""
    return urlsafe_b64encode(notification_id.bytes + _code(notification_id.bytes, secret)).decode()


def read_token(text: str, secret: bytes) -> UUID:
    """The notification that a token names. Raises `Malformed` for anything that is no token of ours."""
    # 48 bytes are 64 characters without padding, each spelt in one way only: no second token names the same message.
    if len(text) == TOKEN_CHARS and text.isascii() and text.replace("-", "").replace("_", "").isalnum():
        raw = urlsafe_b64decode(text)
        if hmac.compare_digest(raw[_ID_BYTES:], _code(raw[:_ID_BYTES], secret)):
            return UUID(bytes=raw[:_ID_BYTES])
    raise Malformed([("/token", "is no token of ours")])


def _code(identity: bytes, secret: bytes) -> bytes:
    if len(secret) < SECRET_BYTES_MIN:
        raise ValueError(f"a callback secret needs at least {SECRET_BYTES_MIN} bytes")
    return hmac.digest(secret, _PURPOSE + identity, sha256().name)
