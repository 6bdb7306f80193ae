"""Deterministic ids: the same cause has the same id, however often and wherever it is computed.

A consumer dedupes by them (CONTRACTS section 3), a replay finds its own rows by them. They are those of `schemas.keys.uid`, in the
class of the ledger's driver, which hashes, compares and encodes in C.
"""

from __future__ import annotations

from hashlib import blake2b, sha1
from typing import Final
from uuid import UUID

from asyncpg.pgproto.pgproto import UUID as FastUUID

from schemas.keys import NAMESPACE

_SPACE: Final = NAMESPACE.bytes


def uid(*parts: str) -> UUID:
    """The value of `schemas.keys.uid(*parts)`."""
    digest = bytearray(sha1(_SPACE + "\x1f".join(parts).encode(), usedforsecurity=False).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x50
    digest[8] = digest[8] & 0x3F | 0x80
    return FastUUID(bytes(digest))


def of_text(text: str) -> UUID:
    """The id that is written so."""
    return FastUUID(text)


def fast(value: bytes) -> UUID:
    """Sixteen bytes as the class that the ledger's driver likes best."""
    return FastUUID(value)


def digest(value: bytes) -> UUID:
    """128 bits of BLAKE2b: tells whether two submissions say the same."""
    return FastUUID(blake2b(value, digest_size=16).digest())


def event(source: str, ident: str) -> UUID:
    """The inbox key of an event: `(ce_source, ce_id)` is one event, however often it comes."""
    return digest(f"{len(source)}:{source}{ident}".encode())


def document(document_id: str) -> UUID:
    return uid("document", document_id)


def booking(booking_id: str) -> UUID:
    return uid("booking", booking_id)
