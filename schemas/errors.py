"""What can be wrong, as tables: problem documents (RFC 9457), dead-letter classes, and the failures of a peer.

No message here ever carries a value of the input: what is refused may be a personal number or a letter.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple

import orjson

PROBLEM_JSON: Final = "application/problem+json"
PROBLEM_BASE: Final = "urn:care-hub:problem:"

DeadLetterClass = Literal["malformed", "unknown_type", "conflict", "not_allowed", "not_a_recipient", "too_large", "unknown_document"]

DEAD_LETTER_CLASSES: Final[Mapping[DeadLetterClass, str]] = MappingProxyType(
    {
        "malformed": "The event breaks its schema; the cause names field and reason. Mend the sender, then replay.",
        "unknown_type": "No part of the hub handles this event type on this topic.",
        "conflict": "The same id or version came before with other content; the first stands.",
        "not_allowed": "The sender may not do this: a foreign unit or kind, an unblocking without staff or presence.",
        "not_a_recipient": "A read receipt by somebody who is no recipient of the document; it counts for nothing.",
        "too_large": "The event, or a part of it, exceeds a named limit.",
        "unknown_document": "An answer or receipt about a document or delivery that the hub does not know.",
    }
)
"""Every class a dead letter may have (`dlq-class`), with its meaning for the operator."""


class FieldError(NamedTuple):
    """One fault in the data: a JSON Pointer (RFC 6901; `""` is the whole) and a reason free of input values."""

    pointer: str
    reason: str


class Malformed(ValueError):
    """Input that breaks its schema. `errors` names every fault found; its text is safe to log and to answer."""

    dead_letter: DeadLetterClass = "malformed"

    def __init__(self, errors: Iterable[FieldError | tuple[str, str]]) -> None:
        self.errors: tuple[FieldError, ...] = tuple(FieldError(*error) for error in errors)
        super().__init__(self.cause)

    @property
    def cause(self) -> str:
        """One line for the header `dlq-cause`: each pointer with its reason."""
        return "; ".join(f"{error.pointer or '(whole)'}: {error.reason}" for error in self.errors)

    def under(self, pointer: str) -> "Malformed":
        """The same faults, found at `pointer` of something larger (an event in a batch)."""
        return type(self)((pointer + error.pointer, error.reason) for error in self.errors)


class TooLarge(Malformed):
    """Input beyond a named limit (413, or a dead letter of class `too_large`)."""

    dead_letter: DeadLetterClass = "too_large"


class UnknownType(Malformed):
    """An event type that nothing here handles."""

    dead_letter: DeadLetterClass = "unknown_type"


class PeerFailure(Exception):
    """What an outside system did to us. `code` is the peer's own code or a short name of ours: no personal data."""

    def __init__(self, code: str, detail: str = "") -> None:
        self.code = code
        self.detail = detail
        super().__init__(f"{code}: {detail}" if detail else code)


class Rejected(PeerFailure):
    """The peer said no, and would say no again: never repeat."""


class Unavailable(PeerFailure):
    """The peer did nothing: repeat later. `retry_after_s` where the peer said when."""

    def __init__(self, code: str, detail: str = "", retry_after_s: float | None = None) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(code, detail)


class Uncertain(PeerFailure):
    """The peer may have done it: never repeat unless the peer itself recognises repeats."""


class ProblemType(NamedTuple):
    """A row of the problem catalogue: the last part of its type URI, HTTP status, title."""

    name: str
    status: int
    title: str

    @property
    def uri(self) -> str:
        """The type URI (RFC 9457 section 3.1.1); a URN, as nothing needs to be fetched there."""
        return PROBLEM_BASE + self.name


PROBLEMS: Final[Mapping[str, ProblemType]] = MappingProxyType(
    {
        row.name: row
        for row in (
            ProblemType("malformed", 400, "The request breaks its schema"),
            ProblemType("not-authenticated", 401, "Valid credentials are needed"),
            ProblemType("not-allowed", 403, "The sender may not do this"),
            ProblemType("not-found", 404, "There is nothing here for you"),
            ProblemType("method-not-allowed", 405, "The method is not allowed here"),
            ProblemType("not-acceptable", 406, "None of the accepted formats can be given"),
            ProblemType("timeout", 408, "The request came too slowly"),
            ProblemType("conflict", 409, "The same id came before with other content"),
            ProblemType("wrong-state", 409, "What this is about does not allow it now"),
            ProblemType("length-required", 411, "The length of the body must be told"),
            ProblemType("too-large", 413, "The request exceeds a limit"),
            ProblemType("unsupported-media-type", 415, "The content type is not taken here"),
            ProblemType("unknown-type", 422, "The event type is not taken here"),
            ProblemType("too-many-requests", 429, "Too many requests at once"),
            ProblemType("headers-too-large", 431, "The header fields are too large"),
            ProblemType("internal", 500, "A fault of the hub"),
            ProblemType("unavailable", 503, "The hub cannot take this now; repeat later"),
        )
    }
)


@dataclass(frozen=True, slots=True)
class Problem:
    """An RFC 9457 problem document. `errors` is the extension member with a JSON Pointer for every fault."""

    type: ProblemType
    detail: str = ""
    errors: tuple[FieldError, ...] = ()
    instance: str = ""

    @classmethod
    def of(cls, name: str, detail: str = "", errors: Iterable[FieldError] = (), instance: str = "") -> "Problem":
        """The problem of a row of `PROBLEMS`; an unknown name is a `KeyError`, as it is a bug of ours."""
        return cls(PROBLEMS[name], detail, tuple(errors), instance)

    @classmethod
    def from_malformed(cls, fault: Malformed) -> "Problem":
        """The answer to input that broke its schema, a limit, or has an unknown type."""
        name = {"too_large": "too-large", "unknown_type": "unknown-type"}.get(fault.dead_letter, "malformed")
        return cls(PROBLEMS[name], fault.cause, fault.errors)

    @property
    def status(self) -> int:
        """The HTTP status, the same in the answer and in the document."""
        return self.type.status

    def as_dict(self) -> dict[str, Any]:
        """The members as JSON values; empty ones are left out."""
        members: dict[str, Any] = {"type": self.type.uri, "title": self.type.title, "status": self.type.status}
        if self.detail:
            members["detail"] = self.detail
        if self.instance:
            members["instance"] = self.instance
        if self.errors:
            members["errors"] = [{"pointer": error.pointer, "detail": error.reason} for error in self.errors]
        return members

    def to_json(self) -> bytes:
        """The body of the answer, of media type `application/problem+json`."""
        return orjson.dumps(self.as_dict())
