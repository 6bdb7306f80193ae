"""46elks' delivery report: a form of `id`, `status` and, where it was delivered, `delivered` (46elks.com/docs). Pure, strict.

Reports come late, twice and out of order, for at least six hours until they are answered 200 to 204: what one means may
not depend on another.
"""

import re
from datetime import UTC, datetime
from typing import Final, Literal, NamedTuple
from urllib.parse import parse_qsl

from schemas.errors import FieldError, Malformed
from schemas.fields import YEAR_MAX, YEAR_MIN

Status = Literal["sent", "delivered", "failed"]

BODY_BYTES_MAX: Final = 4096
FIELDS_MAX: Final = 20
STATUSES: Final[dict[str, Status]] = {"sent": "sent", "delivered": "delivered", "failed": "failed"}
_ID: Final = re.compile(r"[0-9A-Za-z_-]{1,64}")
_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|\+00:?00)?")


class Report(NamedTuple):
    """What became of one message, as its provider says. `delivered` is there for that status alone."""

    id: str
    status: Status
    delivered: datetime | None = None


def read_report(body: bytes) -> Report:
    """A report from the body of its POST. Raises `Malformed`; a field that is not known is left alone."""
    fields = _fields(body)
    faults = [FieldError(f"/{name}", "is required") for name in ("id", "status") if not fields.get(name)]
    status = STATUSES.get(fields.get("status", ""))
    if status is None and fields.get("status"):
        faults.append(FieldError("/status", "is none of sent, delivered and failed"))
    if fields.get("id") and not _ID.fullmatch(fields["id"]):
        faults.append(FieldError("/id", "has not the form of an id"))
    delivered = _time(fields["delivered"]) if status == "delivered" and fields.get("delivered") else None
    if status == "delivered" and delivered is None:
        faults.append(FieldError("/delivered", "should be the time in UTC, as it was delivered"))
    if faults or status is None:
        raise Malformed(faults)
    return Report(fields["id"], status, delivered)


def _fields(body: bytes) -> dict[str, str]:
    if len(body) > BODY_BYTES_MAX:
        raise Malformed([("", f"is larger than {BODY_BYTES_MAX} bytes")])
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, strict_parsing=True, errors="strict", max_num_fields=FIELDS_MAX)
    except ValueError:  # UnicodeDecodeError is one
        raise Malformed([("", "is no form (application/x-www-form-urlencoded)")]) from None
    if len({name for name, _ in pairs}) < len(pairs):
        raise Malformed([("", "has a field twice")])
    return dict(pairs)


def _time(text: str) -> datetime | None:
    """Their time, which has no zone and is UTC."""
    if not _TIME.fullmatch(text):
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    at = at.replace(tzinfo=UTC)
    return at if YEAR_MIN <= at.year <= YEAR_MAX else None
