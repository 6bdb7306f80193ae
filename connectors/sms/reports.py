"""What providers report of a text. Pure, strict.

46elks: a form of `id`, `status` and, where it was delivered, `delivered` (46elks.com/docs), for at least six hours until it
is answered 200 to 204. LINK Mobility: a JSON object with `refId` (our token), `id`, `resultCode` and `timestamp` (SMS REST API
1.6, Delivery Reports), until it is answered 200. Both come late, twice and out of order: what one means may not depend on
another.
"""

import re
from datetime import UTC, datetime
from typing import Any, Final, Literal, NamedTuple
from urllib.parse import parse_qsl

import orjson

from schemas.errors import FieldError, Malformed
from schemas.fields import YEAR_MAX, YEAR_MIN

Status = Literal["sent", "delivered", "failed"]

BODY_BYTES_MAX: Final = 4096
FIELDS_MAX: Final = 20
STATUSES: Final[dict[str, Status]] = {"sent": "sent", "delivered": "delivered", "failed": "failed"}
DELIVERED_CODES: Final = frozenset({1001, 1007})
OPEN_CODES: Final = frozenset({1000, 1008, 1011, 1012, 4, 5, 1010})
"""Under way still, or at an end that they do not know themselves (4, 5, 1010): neither settles anything."""
FAILED_CODES: Final = frozenset({0, 1, 2, 3, 6, 104, 105, 1002, 1004, 1006, 1009}) | frozenset(
    {*range(2104, 2108), *range(2200, 2208), *range(3000, 3003), *range(4000, 4008)}
)
_ID: Final = re.compile(r"[0-9A-Za-z_-]{1,64}")
_LINK_ID: Final = re.compile(r"[0-9A-Za-z+/=_-]{1,64}(\$[0-9]{1,2})?")
"""A text of several parts has one report for each, numbered after the sign."""
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


def read_link_report(body: bytes) -> tuple[str, Report]:
    """LINK Mobility's report, and the token of the text that it is about. Raises `Malformed`, also for a code they do not document."""
    told = _object(body)
    token, name, code = told.get("refId"), told.get("id"), told.get("resultCode")
    faults = [] if isinstance(token, str) and token else [FieldError("/refId", "should be the reference that the text had")]
    if not (isinstance(name, str) and _LINK_ID.fullmatch(name)):
        faults.append(FieldError("/id", "has not the form of an id"))
    status = _status_of(code)
    if status is None:
        faults.append(FieldError("/resultCode", "is no result code of theirs"))
    at = told.get("timestamp")
    delivered = _time(at) if status == "delivered" and isinstance(at, str) else None
    if status == "delivered" and delivered is None:
        faults.append(FieldError("/timestamp", "should be the time in UTC, as it was delivered"))
    if faults or status is None:
        raise Malformed(faults)
    return str(token), Report(str(name), status, delivered)


def _status_of(code: object) -> Status | None:
    if not isinstance(code, int) or isinstance(code, bool):
        return None
    if code in DELIVERED_CODES:
        return "delivered"
    return "failed" if code in FAILED_CODES else "sent" if code in OPEN_CODES else None


def _object(body: bytes) -> dict[str, Any]:
    if len(body) > BODY_BYTES_MAX:
        raise Malformed([("", f"is larger than {BODY_BYTES_MAX} bytes")])
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Malformed([("", "is not valid JSON")]) from None
    if not isinstance(value, dict):
        raise Malformed([("", "should be an object: one report")])
    return value


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
