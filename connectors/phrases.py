"""The words of ours that a citizen sees outside the document: subjects and calendar titles. Fixed, and without a reason for care.

A subject stands on a locked screen and in other people's calendars: it says that something has come from the care, never
what, from which unit or why (N2). A unit's name may be a reason for care, so it is not here.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from schemas.fields import Kind

SUBJECTS: Final[Mapping[Kind, str]] = MappingProxyType(
    {"kallelse": "Du har fått en kallelse", "brev": "Du har fått ett brev", "remissbekraftelse": "Du har fått en bekräftelse"}
)
SUBJECT_CHARS_MAX: Final = 35
"""What mailboxes show of a subject."""
CALENDAR_TITLE: Final = "Bokad tid"
