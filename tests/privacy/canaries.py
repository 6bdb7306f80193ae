"""People and letters made of words that occur nowhere else, so that where one is found tells what leaked, and of whom."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from schemas.persons import fictitious, reserve_number

UNIT: Final = "SE2321000016-A1"
FIELDS: Final = ("name", "address", "title", "body", "footer", "file", "description", "comment", "resource", "phone", "pid")
START: Final = date(2031, 5, 6)


@dataclass(frozen=True)
class Canary:
    """One person. `word("title")` is in the title of every letter to them and nowhere else."""

    who: str
    pid: str
    number: int

    def word(self, field: str) -> str:
        if field == "phone":
            return f"+4670555{self.number:04d}"
        return self.pid if field == "pid" else f"Zq{field}{self.who}Xv"

    def spellings(self, field: str) -> tuple[str, ...]:
        """As it may be written where it should not be."""
        word = self.word(field)
        if field == "phone":
            return (word, word[1:], f"0{word[3:]}")
        if field == "pid":
            return (word, f"{word[:8]}-{word[8:]}", f"{word[2:8]}-{word[8:]}")
        return (word, word.encode().hex(), b64encode(word.encode()).decode().rstrip("=")[:-1])

    # --- what a sender and a register say of them -------------------------------------------------------------------------------

    def person(self, **more: Any) -> dict[str, Any]:
        """For `POST /people`."""
        address = {"lines": [self.word("address")], "postal_code": "11111", "city": f"{self.word('address')}stad"}
        return {"patient": self.pid, "name": self.word("name"), "address": address, **more}

    def letter(self, number: str = "1", **more: Any) -> dict[str, Any]:
        pdf = f"%PDF-1.4 {self.word('body')}".encode()
        data = {
            "document_id": f"doc-{self.number}-{number}", "kind": "brev", "unit": UNIT, "unit_name": "Ortopedmottagningen",
            "patient": self.pid, "title": self.word("title"), "created": "2026-01-02T09:00:00", "dispatch": "e-brev",
            "template": {"id": "t1", "name": "Brev"}, "body": f"<p>{self.word('body')} {self.word('name')}</p>", "body_format": "html",
            "footer": f"{self.word('footer')} [4US:LPAT]", "source_system": "TakeCare",
            "attachments": [
                {
                    "name": f"{self.word('file')}.pdf", "content_type": "application/pdf", "data": b64encode(pdf).decode(),
                    "shared": True, "e_brev": True,
                }
            ],
        }  # fmt: skip
        return _event(f"letter-{self.number}-{number}", "document.submitted.v1", {**data, **more})

    def booking(self, number: str = "1", **more: Any) -> dict[str, Any]:
        data = {
            "booking_id": f"booking-{self.number}-{number}", "version": 1, "status": "booked", "unit": UNIT,
            "unit_name": "Ortopedmottagningen", "patient": self.pid,
            "start": f"{START + timedelta(days=self.number)}T09:00:00", "minutes": 30,
            "time_type": {"id": "v1", "name": "Video", "hidden": False, "video": "single"},
            "resource": {"id": f"r{self.number}", "name": self.word("resource")}, "description": self.word("description"),
            "comment": self.word("comment"), "journal_blocked": False, "phone": self.word("phone"),
        }  # fmt: skip
        return _event(f"booking-{self.number}-{number}-{more.get('version', 1)}", "booking.changed.v1", {**data, **more})


def _event(ident: str, ce_type: str, data: dict[str, Any]) -> dict[str, Any]:
    return {"specversion": "1.0", "id": ident, "source": "urn:example:canary", "type": ce_type, "data": data}


_BORN: Final = {"child": date(2020, 2, 2), "ward": date(2021, 3, 3)}
_WHO: Final = (
    "plain", "fullmakt", "sekretess", "skyddad", "later", "old", "new", "unknown", "child", "mother", "father", "ward", "dead", "bad",
)  # fmt: skip
PEOPLE: Final[dict[str, Canary]] = {
    who: Canary(who.capitalize(), fictitious(_BORN.get(who, date(1950 + place, 7, 1 + place))), place) for place, who in enumerate(_WHO)
}
PEOPLE["reserve"] = Canary("Reserve", reserve_number(2026, 4711), len(_WHO))


def found_in(raw: bytes) -> Iterator[tuple[str, str]]:
    """Who and which field, of everything that `raw` holds."""
    text = raw.decode("utf-8", "replace")
    for who, person in PEOPLE.items():
        for field in FIELDS:
            if any(spelling in text for spelling in person.spellings(field)):
                yield who, field
