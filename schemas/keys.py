"""Ids made from what caused them, and the opaque keys that stand for a person on topics and in the ledger.

Deterministic ids let a consumer dedupe whatever we retry (ARCHITECTURE decision 1). Person keys hide the
number from whoever sees a key in a tool, a log or a metric; they are personal data all the same.
"""

from collections.abc import Mapping
from functools import lru_cache
from hashlib import blake2b, sha1
from typing import Final
from uuid import UUID

NAMESPACE: Final = UUID("6f1d7c1e-5f0e-5d0a-9a53-6f0f2f0b8c11")
"""The UUIDv5 namespace of all ids that the hub derives. Changing it changes every id: never change it."""

SECRET_BYTES_MIN: Final = 16
KEYS_CACHED: Final = 16_384

_NAMESPACE_BYTES: Final = NAMESPACE.bytes
_VERSION_MASK: Final = ~(0xF000 << 64) & ~(0xC000 << 48)
_VERSION_5: Final = (5 << 76) | (0x8000 << 48)
_SEPARATOR: Final = "\x1f"
_VARIANT: Final = {f"{digit:x}": f"{digit & 0x3 | 0x8:x}" for digit in range(16)}
"""The hex digit that holds the variant (RFC 9562 section 4.1), by what the hash has there."""
_FROM_INT = int.from_bytes
_set = object.__setattr__
_SAFE: Final = UUID(int=0).is_safe


def uid(*parts: str) -> UUID:
    """The UUIDv5 (RFC 9562 section 5.5) of the parts, joined by U+001F, in `NAMESPACE`.

    Equal to `uuid.uuid5(NAMESPACE, "\\x1f".join(parts))`, four times as fast.
    """
    digest = sha1(_NAMESPACE_BYTES + _SEPARATOR.join(parts).encode(), usedforsecurity=False).digest()
    made = UUID.__new__(UUID)
    _set(made, "int", _FROM_INT(digest[:16], "big") & _VERSION_MASK | _VERSION_5)
    _set(made, "is_safe", _SAFE)
    return made


def uid_text(*parts: str) -> str:
    """`str(uid(...))`, without the object."""
    text = sha1(_NAMESPACE_BYTES + _SEPARATOR.join(parts).encode(), usedforsecurity=False).hexdigest()
    return f"{text[:8]}-{text[8:12]}-5{text[13:16]}-{_VARIANT[text[16]]}{text[17:20]}-{text[20:32]}"


def event_key(source: str, event_id: str) -> bytes:
    """Sixteen bytes that name one event, `(ce_source, ce_id)`, for the ledger's dedupe."""
    return blake2b(f"{source}\0{event_id}".encode(), digest_size=16).digest()


def content_hash(data: bytes) -> bytes:
    """Sixteen bytes of an event's data: the same id with another hash is a `conflict`."""
    return blake2b(data, digest_size=16).digest()


class PersonKeys:
    """Opaque keys of persons: keyed BLAKE2b (RFC 7693 section 2.9), 128 bits, a secret per key version.

    `key` is the current version's key, as topics carry it (`1-` and 32 hex digits). `uuid` is the ledger's
    person column, made with the *oldest* secret given, so that a new version for the topics moves no row:
    the oldest secret must stay as long as the ledger does. The two are different functions of the person, so
    a key on a topic tells nothing about a row.
    """

    def __init__(self, secret_by_version: Mapping[int, bytes], current: int) -> None:
        if current not in secret_by_version:
            raise ValueError("the current key version has no secret")
        if any(len(secret) < SECRET_BYTES_MIN for secret in secret_by_version.values()):
            raise ValueError(f"a person key secret needs at least {SECRET_BYTES_MIN} bytes")
        self.current = current
        self._secrets = {version: _fit(secret) for version, secret in secret_by_version.items()}
        self._ledger = self._secrets[min(self._secrets)]
        self.key = lru_cache(maxsize=KEYS_CACHED)(self._key)
        self.uuid = lru_cache(maxsize=KEYS_CACHED)(self._uuid)

    def _key(self, pid: str) -> str:
        """The current version's key of a normalised person id."""
        return self.key_in(self.current, pid)

    def _uuid(self, pid: str) -> UUID:
        """The ledger's key of a normalised person id."""
        return UUID(bytes=blake2b(pid.encode(), key=self._ledger, digest_size=16, person=b"ledger").digest())

    def key_in(self, version: int, pid: str) -> str:
        """The key of one version, for the time when two are in use."""
        secret = self._secrets[version]
        return f"{version}-{blake2b(pid.encode(), key=secret, digest_size=16, person=b'topics').hexdigest()}"


def _fit(secret: bytes) -> bytes:
    """BLAKE2b takes keys up to 64 bytes; a longer secret is hashed to that."""
    return secret if len(secret) <= 64 else blake2b(secret).digest()
