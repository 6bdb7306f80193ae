"""Who gets the documents of the fault run of the channels: people of every kind, each with words that occur nowhere else. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final, Literal

from schemas.persons import fictitious

Way = Literal[
    "app", "kivra", "both", "billo", "minmyndighetspost", "fortnox", "nobody", "child", "sekretess", "skyddad", "deceased",
]  # fmt: skip
WAYS: Final[tuple[Way, ...]] = (
    "kivra", "billo", "app", "minmyndighetspost", "both", "sekretess", "fortnox", "child", "nobody", "skyddad", "deceased",
)  # fmt: skip
MAILBOX_OF: Final[dict[Way, str]] = {
    "kivra": "kivra", "both": "kivra", "billo": "billo", "minmyndighetspost": "minmyndighetspost", "fortnox": "fortnox",
    "sekretess": "kivra", "skyddad": "billo", "deceased": "kivra",
}  # fmt: skip
ACCOUNTS: Final[frozenset[Way]] = frozenset({"app", "both", "sekretess", "skyddad", "deceased"})
PROTECTION: Final[dict[Way, str]] = {"sekretess": "sekretessmarkering", "skyddad": "skyddad_folkbokforing"}
SILENT: Final[frozenset[Way]] = frozenset({"sekretess", "skyddad", "deceased"})
"""Nothing digital ever (R2, R3), whatever they have: all of these have an account, a phone and a mailbox."""
MEETS: Final[dict[str, frozenset[Way]]] = {
    "mm": frozenset({"billo", "minmyndighetspost", "fortnox"}),
    "kivra": frozenset({"kivra", "both"}),
    "sms": frozenset({"app", "child", "both"}),
    "spar": frozenset(WAYS),
}
"""Whose documents meet a fault of a system."""
UNIT: Final = "SE2321000016-A1"
SOURCE: Final = "urn:example:channels"


@dataclass(frozen=True)
class Somebody:
    """One person. A child has a guardian with an account."""

    way: Way
    number: int

    @property
    def pid(self) -> str:
        return self._born_after(date(2018, 1, 1) if self.way == "child" else date(1950, 1, 1))

    @property
    def guardian(self) -> str | None:
        return self._born_after(date(1985, 1, 1)) if self.way == "child" else None

    def _born_after(self, first: date) -> str:
        return fictitious(first + timedelta(days=self.number % 1_400), 980 + self.number // 1_400)

    @property
    def readers(self) -> frozenset[str]:
        """Who may have the documents."""
        return frozenset({self.pid, self.guardian} - {None})  # type: ignore[arg-type]

    def word(self, field: str) -> str:
        """In every name, title or body of this person's, and nowhere else."""
        return f"Zq{field}{self.number}Xv"

    def given(self) -> Iterator[dict[str, Any]]:
        """For `POST /people`, in this order."""
        said: dict[str, Any] = {"patient": self.pid, "name": self.word("name"), "protection": PROTECTION.get(self.way, "none")}
        phone = f"+4670{1_000_000 + self.number}"
        if self.way in ACCOUNTS:
            said |= {"account": "active", "phone": phone}
        if self.way in MAILBOX_OF:
            said["mailbox"] = {"operator": MAILBOX_OF[self.way]}
        if self.way == "deceased":
            said["deceased"] = "2026-01-01"
        if self.guardian is not None:
            yield {"patient": self.guardian, "name": self.word("parent"), "account": "active", "phone": phone}
            said["guardians"] = [self.guardian]
        yield said

    def letter(self, ident: str, kind: str) -> dict[str, Any]:
        """A CloudEvent."""
        data = {
            "document_id": ident, "kind": kind, "unit": UNIT, "unit_name": "Ortopedmottagningen", "patient": self.pid,
            "title": self.word("title"), "created": "2026-01-02T09:00:00", "dispatch": "e-brev",
            "template": {"id": "t1", "name": "Brev"}, "body": f"<p>Hej {self.word('body')}!</p>", "body_format": "html",
            "footer": "Plan 3 [4US:LPAT]", "attachments": [], "source_system": "TakeCare",
        }  # fmt: skip
        return event(f"submitted-{ident}", "document.submitted.v1", data)


def cast(count: int) -> list[Somebody]:
    """So many people, every kind in turn."""
    return [Somebody(WAYS[number % len(WAYS)], number) for number in range(count)]


def event(ident: str, type_: str, data: dict[str, Any]) -> dict[str, Any]:
    return {"specversion": "1.0", "id": ident, "source": SOURCE, "type": type_, "data": data}
