"""What a connector shows the shared suite: its exchanges, each with golden bytes and its error table.

A connector joins by a module `<name>_case.py` in this folder with `EXCHANGES`, and golden files under
`tests/golden/<name>/`: `<exchange>.request.http` (method, path, headers, body) and `<exchange>.answer.http`
(status, headers, body), exactly as on the wire, but with plain line ends in the head.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import eq
from pathlib import Path
from typing import Any

from connectors.peer import Answer, Call, Row

GOLDEN = Path(__file__).parents[2] / "golden"


@dataclass(frozen=True)
class Exchange:
    """One request a connector can make."""

    connector: str
    name: str
    call: Callable[[], Call]
    """Encodes the golden request anew."""
    decode: Callable[[Answer], Any]
    meaning: Callable[[Any], Any]
    """What of a decoded success matters: everything but the peer's own references."""
    rows: Sequence[tuple[Row, Answer]]
    """Every row of the error table, with an answer that shows it."""
    no_better: Callable[[Any, Any], bool] = eq
    """Whether what a spoilt answer means (first) is as good as, or more careful than, what the whole one does."""

    @property
    def answer(self) -> Answer:
        """The golden success."""
        return read_answer(GOLDEN / self.connector / f"{self.name}.answer.http")

    @property
    def request(self) -> bytes:
        """The golden request."""
        return (GOLDEN / self.connector / f"{self.name}.request.http").read_bytes()

    def __str__(self) -> str:
        return f"{self.connector}.{self.name}"


def read_answer(path: Path) -> Answer:
    """An answer from its file."""
    head, _, body = path.read_bytes().partition(b"\n\n")
    status, *lines = head.decode().splitlines()
    headers = dict(line.split(": ", 1) for line in lines)
    return Answer(int(status), body, {name.lower(): value for name, value in headers.items()})


def written(call: Call) -> bytes:
    """A call as its file has it."""
    head = [f"{call.method} {call.path}", *(f"{name}: {value}" for name, value in sorted(call.headers.items()))]
    return "\n".join(head).encode() + b"\n\n" + call.body
