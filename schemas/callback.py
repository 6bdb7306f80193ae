"""Tokens in the addresses that an SMS provider calls with delivery reports (`POST /callbacks/sms/{token}`).

46elks does not sign its calls, so the address itself is the secret: the notification's id with an HMAC-SHA256 of it (RFC 2104,
truncated to 128 bits as its section 5 allows), in the URL-safe alphabet (RFC 4648 section 5). No personal data.
"""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256
from hmac import compare_digest, new
from typing import Final
from uuid import UUID

MAC_BYTES: Final = 16
ID_BYTES: Final = 16
TOKEN_CHARS: Final = 43
"""32 bytes in base64 without the padding."""
_PURPOSE: Final = b"sms-callback:"


def callback_token(notification_id: UUID, secret: bytes) -> str:
    """The token of one notification."""
    ident = notification_id.bytes
    return urlsafe_b64encode(ident + _mac(ident, secret)).rstrip(b"=").decode()


def read_token(token: str, secret: bytes) -> UUID | None:
    """Whose token it is; None for anything that `callback_token` does not make."""
    if len(token) != TOKEN_CHARS or not token.isascii():
        return None
    try:
        raw = urlsafe_b64decode(token + "=")
    except (binascii.Error, ValueError):
        return None
    if len(raw) != ID_BYTES + MAC_BYTES or urlsafe_b64encode(raw).rstrip(b"=").decode() != token:
        return None
    ident, mac = raw[:ID_BYTES], raw[ID_BYTES:]
    return UUID(bytes=ident) if compare_digest(mac, _mac(ident, secret)) else None


def _mac(ident: bytes, secret: bytes) -> bytes:
    return new(secret, _PURPOSE + ident, sha256).digest()[:MAC_BYTES]
