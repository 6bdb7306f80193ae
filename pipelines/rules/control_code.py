"""Judges the control code that lets a template's documents be delivered electronically (C1-C3, C9).

The order of the questions is CONTRACTS section 3, "How a control code is judged"; the unit mends its template by the answer (C2).
Judged once, when the document arrives: neither the text nor the source's settings are facts of a later decision.
"""

import re
from typing import Final

from pipelines.rules.model import CodeVerdict, Kind

CODES: Final = {Kind.BREV: "[4US:LPAT]", Kind.REMISSBEKRAFTELSE: "[4US:RPAT]"}
"""C1, C3: the code of each kind that needs one; a kallelse needs none."""

_OTHER: Final = {Kind.BREV: CODES[Kind.REMISSBEKRAFTELSE], Kind.REMISSBEKRAFTELSE: CODES[Kind.BREV]}
_INVISIBLE: Final = re.compile("[\\s\u00ad\u180e\u200b-\u200f\u2028-\u202f\u2060\ufeff]+")
"""White space as a reader sees it: also no-break, zero-width and soft hyphen."""
_ENTITIES: Final = re.compile(r"&(?:nbsp|shy|zwnj|zwj|ensp|emsp|thinsp|#160|#173|#xa0|#xad|#8203|#x200b);", re.IGNORECASE)
"""The same as HTML writes them; the footer's text may come as markup."""
_ANY: Final = re.compile(r"\[4US:[^\[\]]*\]", re.IGNORECASE)


def judge(kind: Kind, body: str, footer: str, needed: bool) -> CodeVerdict:
    """The verdict on a document's code. `needed` is False for a source whose settings say it carries none (C9)."""
    right = CODES.get(kind)
    if right is None or not needed:
        return CodeVerdict.NOT_NEEDED
    if right in footer:
        return CodeVerdict.RIGHT
    if _OTHER[kind] in footer:
        return CodeVerdict.OTHER_KIND
    if right in body:
        return CodeVerdict.OUTSIDE_FOOTER
    squeezed = _squeeze(footer)
    if right in squeezed or right in _squeeze(body):
        return CodeVerdict.MALFORMED
    if _ANY.search(squeezed):
        return CodeVerdict.UNKNOWN
    return CodeVerdict.MISSING


def _squeeze(text: str) -> str:
    """The text without white space and in upper case; quick for the many texts that hold no bracket at all."""
    return _INVISIBLE.sub("", _ENTITIES.sub("", text)).upper() if "[" in text else ""
