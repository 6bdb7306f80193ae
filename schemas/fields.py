"""The field types of events: ids, times, texts, sizes. Checked once here, where data enters; trusted inside.

Patterns run in pydantic's own regex engine, so a field costs no Python call unless its meaning needs one.
"""

import binascii
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
    StrictBool,
    StrictInt,
    StringConstraints,
    WithJsonSchema,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import PydanticCustomError
from pydantic_core import core_schema as cs

from schemas import persons

STOCKHOLM: Final = ZoneInfo("Europe/Stockholm")

ID_CHARS_MAX: Final = 200
NAME_CHARS_MAX: Final = 200
TITLE_CHARS_MAX: Final = 300
DESCRIPTION_CHARS_MAX: Final = 4_000
BODY_CHARS_MAX: Final = 1_000_000
FOOTER_CHARS_MAX: Final = 20_000
ATTACHMENTS_MAX: Final = 20
ATTACHMENT_BYTES_MAX: Final = 5 * 1024 * 1024
ATTACHMENT_BASE64_CHARS_MAX: Final = (ATTACHMENT_BYTES_MAX + 2) // 3 * 4
LINKED_MAX: Final = 50
MINUTES_MAX: Final = 7 * 24 * 60
YEAR_MIN: Final = 1800
YEAR_MAX: Final = 2199
"""Rules add hours, days and years to times; at the ends of Python's calendar they could not."""
INT_MAX: Final = 2**63 - 1
"""PostgreSQL's bigint."""

_CLEAN: Final = r"^[^\x00]*$"
"""PostgreSQL's text holds no NUL."""
_VISIBLE: Final = r"^[^\x00-\x20\x7f-\xa0][^\x00-\x1f\x7f-\x9f]*$"
"""Something, with no control characters and no space before it."""
_DAY: Final = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_CLOCK: Final = r"[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?"
_ZONE: Final = r"([Zz]|[+-][0-9]{2}:[0-9]{2})"
RFC3339: Final = f"^{_DAY}{_CLOCK}{_ZONE}$"
RFC3339_OR_LOCAL: Final = f"^{_DAY}[Tt ][0-9]{{2}}:[0-9]{{2}}(:[0-9]{{2}}(\\.[0-9]{{1,9}})?)?{_ZONE}?$"
"""EHR systems write local times without a zone, some without seconds (DOMAIN section 3, after the rules)."""


class DoubledHour(datetime):
    """An instant whose text had no zone and named the doubled autumn hour; the earlier one was taken.

    Equal to, and stored as, the plain instant; the class is the flag (DOMAIN section 3, after the rules).
    """


def from_local(naive: datetime) -> datetime:
    """The instant of a Europe/Stockholm wall-clock time: the earlier of two, flagged; `ValueError` if none."""
    instant = naive.replace(tzinfo=STOCKHOLM, fold=0).astimezone(UTC)
    if instant.astimezone(STOCKHOLM).replace(tzinfo=None) != naive:
        raise ValueError("names a local time that does not exist (the spring hour that is left out)")
    if naive.replace(tzinfo=STOCKHOLM, fold=1).utcoffset() != naive.replace(tzinfo=STOCKHOLM, fold=0).utcoffset():
        return DoubledHour.fromtimestamp(instant.timestamp(), UTC)
    return instant


def unflagged(at: Any) -> datetime:
    """The plain instant of a `DoubledHour`: orjson writes no subclass of datetime (its `default` calls this). `TypeError` for others."""
    if isinstance(at, DoubledHour):
        return datetime.fromtimestamp(at.timestamp(), UTC)
    raise TypeError


def parse_instant(text: str) -> datetime:
    """An aware UTC time from RFC 3339 text, or from a local time where a zone is missing; `ValueError` else."""
    value = datetime.fromisoformat(text if text.isupper() else text.upper())
    if not YEAR_MIN <= value.year <= YEAR_MAX:
        raise ValueError("is outside the calendar")
    if value.tzinfo is None:
        return from_local(value)
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError("is outside the calendar") from None


def _instant(text: str) -> datetime:
    try:
        return parse_instant(text)
    except ValueError as fault:
        reason = str(fault) if str(fault).startswith(("names", "is outside")) else "is not a possible date and time"
        raise PydanticCustomError("instant", "{reason}", {"reason": reason}) from None


def _aware(value: datetime) -> datetime:
    return from_local(value) if value.tzinfo is None else value.astimezone(UTC)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise PydanticCustomError("day", "is not a possible date") from None


def _birth_day(value: date) -> date:
    if not YEAR_MIN <= value.year <= YEAR_MAX:
        raise PydanticCustomError("day", "is outside the calendar")
    return value


class _FromText:
    """A field read from text of a pattern by one function; Python code may also give the value itself.

    pydantic's own datetime would take Unix times and bare dates too, which no sender of ours means.
    """

    def __init__(self, pattern: str, read: Callable[[str], Any], value: cs.CoreSchema, schema: dict[str, Any]) -> None:
        self.text = cs.no_info_after_validator_function(read, cs.str_schema(pattern=pattern, max_length=40))
        self.value = value
        self.schema = schema

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> cs.CoreSchema:
        return cs.json_or_python_schema(
            json_schema=self.text,
            python_schema=cs.union_schema([self.value, self.text], mode="left_to_right"),
            serialization=cs.plain_serializer_function_ser_schema(_plain, when_used="json"),
        )

    def __get_pydantic_json_schema__(self, core: cs.CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return dict(self.schema)


def _person(value: str) -> str:
    try:
        return persons.normalise(value)
    except ValueError as fault:
        raise PydanticCustomError("person_id", "{reason}", {"reason": str(fault)}) from None


def _organisation(value: str) -> str:
    digits = value.replace("-", "")
    return digits if len(digits) == 12 else "16" + digits


def _bytes(value: Any) -> Any:
    """Strict base64 (RFC 4648 section 4, padded, no line breaks) to bytes; bytes from Python stay as they are."""
    if isinstance(value, bytes):
        return value
    if not isinstance(value, str):
        raise PydanticCustomError("base64", "should be a base64 string")
    if len(value) > ATTACHMENT_BASE64_CHARS_MAX:
        raise PydanticCustomError("too_large", "is larger than an attachment may be")
    try:
        return binascii.a2b_base64(value.encode("ascii"), strict_mode=True)
    except ValueError:
        raise PydanticCustomError("base64", "is not valid base64") from None


def _none_is_empty(value: Any) -> Any:
    return "" if value is None else value


def _plain(value: date) -> str:
    """A time as RFC 3339 in UTC with `Z`, a day as it is; microseconds only where there are some."""
    return value.isoformat().replace("+00:00", "Z")


def _text(value: bytes) -> str:
    return binascii.b2a_base64(value, newline=False).decode("ascii")


Id = Annotated[str, StringConstraints(min_length=1, max_length=ID_CHARS_MAX, pattern=_VISIBLE)]
"""An id of somebody's: visible characters, at most `ID_CHARS_MAX`."""

PersonId = Annotated[
    str,
    StringConstraints(max_length=32),
    AfterValidator(_person),
    WithJsonSchema({"type": "string", "maxLength": 32, "description": "a person id; 12 digits, or a form of it"}),
]
"""A person id as it comes in, normalised to 12 characters."""

PersonKeyId = Annotated[str, StringConstraints(pattern=persons.NORMAL_FORM)]
"""A person id as the hub writes it: already normal; the check digit was verified when it came in."""

HsaId = Annotated[str, StringConstraints(max_length=64, pattern=r"^[A-Za-z]{2}[0-9A-Za-z]{1,20}-[0-9A-Za-z._-]{1,40}$")]
"""An HSA-id (country, organisation number, hyphen, suffix); tolerant, as old ones vary."""

OrgNumber = Annotated[str, StringConstraints(pattern=r"^(16)?[0-9]{6}-?[0-9]{4}$"), AfterValidator(_organisation)]
"""An organisation number, normalised to 12 digits that begin with 16."""

Phone = Annotated[str, StringConstraints(pattern=r"^\+[1-9][0-9]{4,14}$")]
"""E.164."""

Name = Annotated[str, StringConstraints(max_length=NAME_CHARS_MAX, pattern=_CLEAN)]
Title = Annotated[str, StringConstraints(max_length=TITLE_CHARS_MAX, pattern=_CLEAN)]
Description = Annotated[
    str,
    BeforeValidator(_none_is_empty, json_schema_input_type=str | None),
    StringConstraints(max_length=DESCRIPTION_CHARS_MAX, pattern=_CLEAN),
]
"""Free text that a source may leave out or send as null."""
Body = Annotated[str, StringConstraints(max_length=BODY_CHARS_MAX, pattern=_CLEAN)]
Footer = Annotated[str, StringConstraints(max_length=FOOTER_CHARS_MAX, pattern=_CLEAN)]
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_.-]{0,79}$")]
"""A name of ours: channel, template, rule-like codes."""
RuleId = Annotated[str, StringConstraints(pattern=r"^[A-Z][0-9]{1,2}$")]
"""A rule of the domain document: R5, P8, B1, V4."""
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Sha256Ref = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
Version = Annotated[StrictInt, Field(ge=0, le=INT_MAX)]
Count = Annotated[StrictInt, Field(ge=0, le=INT_MAX)]
Minutes = Annotated[StrictInt, Field(ge=0, le=MINUTES_MAX)]
Flag = StrictBool
_DATETIME: Final = cs.no_info_after_validator_function(_aware, cs.datetime_schema(strict=True))

Instant = Annotated[datetime, _FromText(RFC3339, _instant, _DATETIME, {"type": "string", "format": "date-time", "pattern": RFC3339})]
"""RFC 3339 with its zone, held as aware UTC."""
LocalInstant = Annotated[datetime, _FromText(RFC3339_OR_LOCAL, _instant, _DATETIME, {"type": "string", "pattern": RFC3339_OR_LOCAL})]
"""RFC 3339; without a zone it is Europe/Stockholm (the earlier of a doubled hour, as `DoubledHour`)."""
Day = Annotated[date, _FromText(f"^{_DAY}$", _day, cs.date_schema(strict=True), {"type": "string", "format": "date"})]

BirthDay = Annotated[Day, AfterValidator(_birth_day)]

Base64 = Annotated[
    bytes,
    BeforeValidator(_bytes, json_schema_input_type=str),
    Field(max_length=ATTACHMENT_BYTES_MAX),
    PlainSerializer(_text, return_type=str),
    WithJsonSchema({"type": "string", "contentEncoding": "base64", "maxLength": ATTACHMENT_BASE64_CHARS_MAX}),
]

Kind = Literal["kallelse", "brev", "remissbekraftelse"]
