"""Events as CONTRACTS.md writes them, about people who are new each time."""

from __future__ import annotations

import itertools
import os
from datetime import UTC, date, datetime, timedelta
from typing import Any

A1, B2 = "SE2321000016-A1", "SE2321000016-B2"
LETTER_CODE, REFERRAL_CODE = "[4US:LPAT]", "[4US:RPAT]"
SENDER = "162321000016"

_serial = itertools.count(os.getpid() * 37 % 900)
_names = itertools.count(1)


def now() -> datetime:
    return datetime.now(UTC)


def stamp(moment: datetime | None = None) -> str:
    return (moment or now()).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def check_digit(nine: str) -> str:
    total = sum(sum(divmod(int(d) * (2 - i % 2), 10)) for i, d in enumerate(nine))
    return str(-total % 10)


def personnummer(born: date) -> str:
    """A personnummer nobody else in this run has, for one born that day or some days before."""
    n = next(_serial)
    day = born - timedelta(days=n // 900)
    nine = f"{day:%y%m%d}{100 + n % 900:03d}"
    return f"{day:%Y}{nine[2:]}{check_digit(nine)}"


def personnummer_on(born: date) -> str:
    """A personnummer of one born exactly that day."""
    nine = f"{born:%y%m%d}{100 + next(_serial) % 900:03d}"
    return f"{born:%Y}{nine[2:]}{check_digit(nine)}"


def adult() -> str:
    return personnummer(date(1979, 5, 17))


def reserve_number() -> str:
    """One of Region Stockholm's, with the ordinary check digit."""
    eleven = f"9955010{next(_serial) % 10000:04d}"
    return eleven + check_digit(eleven[2:])


def coordination_number() -> str:
    nine = f"790577{100 + next(_serial) % 900:03d}"
    return f"19{nine}{check_digit(nine)}"


def aged(years: int, on: datetime | None = None) -> str:
    today = (on or now()).date()
    return personnummer(
        date(today.year - years, max(1, today.month - 1), min(today.day, 28)) if today.month > 1 else date(today.year - years - 1, 12, 1)
    )


def name(prefix: str) -> str:
    return f"{prefix}-{os.getpid()}-{next(_names)}"


def person(patient: str, **more: Any) -> dict[str, Any]:
    return {
        "patient": patient,
        "name": "Testa Testsson",
        "born": f"{patient[:4]}-{patient[4:6]}-{patient[6:8]}",
        "protection": "none",
        "emigrated": False,
        "linked": [],
        "address": {"lines": ["Provgatan 1"], "postal_code": "11122", "city": "Stockholm"},
        "as_of": stamp(),
    } | more


def account(patient: str, state: str = "active", **more: Any) -> dict[str, Any]:
    return {
        "patient": patient,
        "account": state,
        "phone": "+46700000001",
        "by": {"id": patient, "role": "resident"},
        "as_of": stamp(),
    } | more


def mailbox(patient: str, operator: str = "kivra", accepts: bool = True, **more: Any) -> dict[str, Any]:
    return {"patient": patient, "sender": SENDER, "operator": operator, "accepts": accepts, "as_of": stamp()} | more


def agent(patient: str, by: str, state: str = "active", **more: Any) -> dict[str, Any]:
    return {"patient": patient, "agent": by, "relation": "guardian", "state": state, "as_of": stamp()} | more


def document(patient: str, kind: str = "brev", **more: Any) -> dict[str, Any]:
    code = {"brev": LETTER_CODE, "remissbekraftelse": REFERRAL_CODE, "kallelse": ""}[kind]
    return {
        "document_id": name("doc"),
        "kind": kind,
        "care_provider": "SE2321000016-P1",
        "unit": A1,
        "unit_name": "Ortopedmottagningen",
        "patient": patient,
        "title": "Provsvar",
        "created": stamp(),
        "dispatch": "e-brev",
        "template": {"id": "T1", "name": "Provsvar"},
        "body": "<p>Hej!</p>",
        "body_format": "html",
        "footer": f"Ortopedmottagningen {code}".strip(),
        "attachments": [],
        "source_system": "TakeCare",
    } | more


def booking(patient: str, **more: Any) -> dict[str, Any]:
    return {
        "booking_id": name("bok"),
        "version": 1,
        "status": "booked",
        "care_provider": "SE2321000016-P1",
        "unit": A1,
        "unit_name": "Ortopedmottagningen",
        "patient": patient,
        "start": stamp(now() + timedelta(days=90)),
        "minutes": 30,
        "time_type": {"id": "T1", "name": "Besök", "hidden": False, "video": "none"},
        "resource": {"id": "R1", "name": "Dr Test"},
        "description": "Återbesök",
        "comment": "",
        "journal_blocked": False,
    } | more


TOPIC = {"kallelse": "ehr.letters.v1", "brev": "ehr.letters.v1", "remissbekraftelse": "ehr.referrals.v1"}


def parse(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
