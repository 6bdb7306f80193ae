"""Times of RIV-TA: digits of Swedish local time, to ISO 8601 without a zone (the event models know the rest)."""

import re
from datetime import datetime
from typing import Final

from schemas.fields import parse_instant

_TIME: Final = re.compile(r"[0-9]{12}([0-9]{2})?")


def local_iso(digits: str) -> str:
    """Fourteen digits by the contract; twelve, as TakeCare gives them, count to the minute. `ValueError` else."""
    digits = digits.strip()
    if not _TIME.fullmatch(digits):
        raise ValueError("should be a local time as yyyyMMddHHmmss")
    try:
        iso = datetime.strptime(digits.ljust(14, "0"), "%Y%m%d%H%M%S").isoformat()  # noqa: DTZ007 - local on purpose
    except ValueError:
        raise ValueError("is not a possible date and time") from None
    parse_instant(iso)  # the spring hour that does not exist is a ValueError of its own
    return iso
