"""The answer to a message (HL7 v2 chapter 2, original mode): AA it is in the log, AE its content is wrong, AR this door cannot take it now
or never. Pure. Texts name places and reasons, never content.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal

from connectors.hl7.message import Header
from schemas.errors import FieldError
from schemas.fields import STOCKHOLM
from schemas.keys import uid_text

Code = Literal["AA", "AE", "AR"]
TEXT_CHARS_MAX: Final = 500
ERRORS_MAX: Final = 20
_ESCAPES: Final = str.maketrans({"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "&": "\\T\\", "~": "\\R\\", "\r": " ", "\n": " "})


def encode(header: Header, code: Code, now: datetime, errors: Sequence[FieldError] = (), text: str = "") -> bytes:
    """The acknowledgement's bytes, in the character set of the message. The same message has the same answer id."""
    stamp = f"{now.astimezone(STOCKHOLM):%Y%m%d%H%M%S%z}"
    ident = uid_text("hl7-ack", header.application, header.facility, header.control_id, code)[:20]
    kind = f"ACK^{header.trigger}^ACK" if header.trigger else "ACK"
    charset = f"||||||{header.charset}" if header.charset else ""
    said = text or "; ".join(f"{error.pointer or 'message'}: {error.reason}" for error in errors[:ERRORS_MAX])
    lines = [
        f"MSH|^~\\&|{header.to_application or 'HUB'}|{header.to_facility}|{header.application}|{header.facility}|{stamp}||{kind}|{ident}"
        f"|{header.processing}|{header.version}{charset}",
        f"MSA|{code}|{header.control_id}" + (f"|{said[:TEXT_CHARS_MAX].translate(_ESCAPES)}" if said else ""),
    ]
    severity = "207^Application internal error^HL70357" if code == "AR" else "207^Data error^HL70357"
    lines += [
        f"ERR||{error.pointer.translate(_ESCAPES)}|{severity}|E||||{error.reason.translate(_ESCAPES)}" for error in errors[:ERRORS_MAX]
    ]
    return ("\r".join(lines) + "\r").encode(header.codec, "replace")
