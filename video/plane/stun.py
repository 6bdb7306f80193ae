"""ICE-lite (RFC 8445 section 2.5) as bytes: a browser's binding requests judged and answered. Pure.

The bridge never asks, never reads a browser's candidates, and learns an address only from a request that carries our own user name
fragment and a valid MESSAGE-INTEGRITY under our password (RFC 8489 section 9.1). Nothing is answered that is not authenticated:
an error answer to a stranger would only serve to be reflected.
"""

import hmac
from binascii import crc32
from collections.abc import Callable
from ipaddress import ip_address
from struct import Struct, pack
from typing import Final, Literal, NamedTuple

from video.plane.limits import STUN_BYTES_MAX

COOKIE: Final = 0x2112A442
BINDING_REQUEST: Final = 0x0001
BINDING_SUCCESS: Final = 0x0101
BINDING_ERROR: Final = 0x0111
USERNAME: Final = 0x0006
INTEGRITY: Final = 0x0008
ERROR_CODE: Final = 0x0009
XOR_MAPPED_ADDRESS: Final = 0x0020
USE_CANDIDATE: Final = 0x0025
FINGERPRINT: Final = 0x8028
ICE_CONTROLLED: Final = 0x8029
_FINGERPRINT_XOR: Final = 0x5354554E
_HEAD: Final = Struct("!HHI12s")
_ATTRIBUTE: Final = Struct("!HH")

Fault = Literal["oversized", "malformed", "not_a_request", "no_fingerprint", "no_integrity", "unknown_user", "forged"]


class Check(NamedTuple):
    """A binding request that is authentic."""

    transaction: bytes
    local: str
    """Our user name fragment."""
    remote: str
    nominated: bool
    controlled: bool
    """The browser believes it is controlled; against a lite agent it must control (RFC 8445 section 6.1.1)."""


def judge(data: bytes, password_of: Callable[[str], str | None]) -> Check | Fault:
    """A datagram that begins like STUN: the check, or what is wrong with it. `password_of` knows our user name fragments."""
    size = len(data)
    if size > STUN_BYTES_MAX:
        return "oversized"
    if size < 20:
        return "malformed"
    kind, length, cookie, transaction = _HEAD.unpack_from(data)
    if cookie != COOKIE or length != size - 20 or length % 4:
        return "malformed"
    if kind != BINDING_REQUEST:
        return "not_a_request"
    user = b""
    nominated = controlled = fingerprinted = False
    integrity_at = 0
    place = 20
    while place < size:
        attribute, size_of = _ATTRIBUTE.unpack_from(data, place)
        value = place + 4
        if value + size_of > size:
            return "malformed"
        if attribute == FINGERPRINT:
            if size_of != 4 or value + 4 != size:
                return "malformed"
            if int.from_bytes(data[value:size]) != _crc(data[:place]):
                return "malformed"
            fingerprinted = True
        elif not integrity_at:  # what follows MESSAGE-INTEGRITY is not covered by it
            if attribute == INTEGRITY:
                if size_of != 20:
                    return "malformed"
                integrity_at = place
            elif attribute == USERNAME:
                user = data[value : value + size_of]
            elif attribute == USE_CANDIDATE:
                nominated = True
            elif attribute == ICE_CONTROLLED:
                controlled = True
        place = value + size_of + (-size_of % 4)
    if not fingerprinted:
        return "no_fingerprint"
    if not integrity_at:
        return "no_integrity"
    local, colon, remote = user.partition(b":")
    if not colon or not user.isascii() or (password := password_of(local.decode())) is None:
        return "unknown_user"
    covered = data[:2] + pack("!H", integrity_at + 24 - 20) + data[4:integrity_at]  # length up to the end of the attribute, less the head
    expected = hmac.digest(password.encode(), covered, "sha1")
    if not hmac.compare_digest(expected, data[integrity_at + 4 : integrity_at + 24]):
        return "forged"
    return Check(transaction, local.decode(), remote.decode(), nominated, controlled)


def success(check: Check, address: tuple[str, int], password: str) -> bytes:
    """The answer: where we see the browser, under the same password."""
    ip = ip_address(address[0])
    mask = COOKIE.to_bytes(4) + check.transaction
    packed = bytes(a ^ b for a, b in zip(ip.packed, mask, strict=False))
    value = pack("!BBH", 0, 1 if ip.version == 4 else 2, address[1] ^ COOKIE >> 16) + packed
    return _signed(BINDING_SUCCESS, check.transaction, ((XOR_MAPPED_ADDRESS, value),), password)


def role_conflict(check: Check, password: str) -> bytes:
    """487 (RFC 8445 section 7.3.1.1): the browser is to take the controlling role."""
    return _signed(BINDING_ERROR, check.transaction, ((ERROR_CODE, pack("!HBB", 0, 4, 87) + b"Role Conflict"),), password)


def request(
    transaction: bytes, user: str, password: str, *, nominate: bool = True, controlled: bool = False, tie_breaker: int = 1
) -> bytes:
    """What a browser sends; for tests and the load generator."""
    role = (ICE_CONTROLLED if controlled else 0x802A, tie_breaker.to_bytes(8))
    attributes = [(USERNAME, user.encode()), role, (0x0024, pack("!I", 1_853_824_767))]
    if nominate:
        attributes.append((USE_CANDIDATE, b""))
    return _signed(BINDING_REQUEST, transaction, tuple(attributes), password)


def _signed(kind: int, transaction: bytes, attributes: tuple[tuple[int, bytes], ...], password: str) -> bytes:
    body = b"".join(_ATTRIBUTE.pack(number, len(value)) + value + bytes(-len(value) % 4) for number, value in attributes)
    head = _HEAD.pack(kind, len(body) + 24, COOKIE, transaction)
    body += _ATTRIBUTE.pack(INTEGRITY, 20) + hmac.digest(password.encode(), head + body, "sha1")
    whole = _HEAD.pack(kind, len(body) + 8, COOKIE, transaction) + body
    return whole + _ATTRIBUTE.pack(FINGERPRINT, 4) + _crc(whole).to_bytes(4)


def _crc(before: bytes) -> int:
    """Over all before the attribute, with the length as it is with it."""
    return crc32(before[:2] + pack("!H", len(before) - 20 + 8) + before[4:]) ^ _FINGERPRINT_XOR
