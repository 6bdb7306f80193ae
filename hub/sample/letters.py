"""Letters of the sample: bodies, footers and attachments, right and wrong, each row with the rule it shows.

`CODES` has a row for every way a control code can be judged (R5), `ATTACHMENTS` one for every way of C5.
"""

from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256
from typing import Any, Final, NamedTuple

from hub.sample import words
from hub.sample.event import wheel
from hub.sample.pdf import pdf

CODE_OF: Final = {"brev": "[4US:LPAT]", "remissbekraftelse": "[4US:RPAT]"}
OTHER_OF: Final = {"brev": "[4US:RPAT]", "remissbekraftelse": "[4US:LPAT]"}


class Code(NamedTuple):
    """One way to write the control code: what stands at the end of the body and in the footer."""

    name: str
    weight: float
    body: Callable[[str], str]
    footer: Callable[[str], str]


def _none(kind: str) -> str:
    return ""


CODES: Final[tuple[Code, ...]] = (
    Code("right", 84, _none, lambda kind: CODE_OF[kind]),
    Code("control_code_missing", 5, _none, _none),
    Code("control_code_other_kind", 3, _none, lambda kind: OTHER_OF[kind]),
    Code("control_code_outside_footer", 3, lambda kind: CODE_OF[kind], _none),
    Code("control_code_malformed", 3, _none, lambda kind: CODE_OF[kind].lower().replace(":", ": ")),
    Code("control_code_unknown", 2, _none, lambda kind: "[4US:XPAT]"),
)


class Files(NamedTuple):
    """One set of attachments."""

    name: str
    weight: float
    attachments: list[dict[str, Any]]


def _file(name: str, data: bytes, content_type: str = "application/pdf", e_brev: bool = True) -> dict[str, Any]:
    text = b64encode(data).decode()
    return {"name": name, "content_type": content_type, "data": text, "shared": e_brev, "e_brev": e_brev}


INFORMATION: Final = pdf("Information inför ditt besök", "", "Läs igenom informationen i lugn och ro.")
MAP: Final = pdf("Hitta hit", "", "Entré B, plan 3. Följ de gula skyltarna.")
FORM: Final = pdf("Hälsodeklaration", "", "Fyll i och ta med till besöket.")
NOT_PDF: Final = b"PK\x03\x04" + b"\x00" * 64
INFORMATION_SHA256: Final = sha256(INFORMATION).hexdigest()

ATTACHMENTS: Final[tuple[Files, ...]] = (
    Files("none", 70, []),
    Files("pdf", 16, [_file("Information.pdf", INFORMATION)]),
    Files("two_pdfs", 4, [_file("Information.pdf", INFORMATION), _file("Hitta hit.pdf", MAP)]),
    Files("pdf_with_parameters", 3, [_file("Formulär.pdf", FORM, "application/pdf; name=form.pdf")]),
    Files("attachment_not_pdf", 2, [_file("Formulär.docx", NOT_PDF, "application/msword")]),
    Files("attachment_named_pdf_but_not", 1, [_file("Karta.pdf", NOT_PDF)]),
    Files("attachment_not_e_brev", 2, [_file("Eget underlag.pdf", FORM, e_brev=False)]),
)

CODE_WHEEL: Final = wheel([(row, row.weight) for row in CODES])
FILE_WHEEL: Final = wheel([(row, row.weight) for row in ATTACHMENTS])
_ADDRESS: Final = "1177 Vårdguiden: https://www.example.org/kontakt"


def footer(unit_name: str, code: str) -> str:
    """The footer of a template: who writes, and where templates keep their control code."""
    return f"{unit_name}\n{_ADDRESS}\n{code}".rstrip()


def text(title: str, greeting: str, sentences: tuple[str, ...], end: str) -> str:
    """A body as plain text."""
    return "\n\n".join((title, f"Hej {greeting}!", *sentences, "Vänliga hälsningar", end)).rstrip()


def html(title: str, greeting: str, sentences: tuple[str, ...], end: str) -> str:
    """The same body as the EHR's editor writes it; the style and the script are what a sanitiser is for (C6)."""
    points = "".join(f"<li>{each}</li>" for each in sentences[1:])
    return (
        f'<h2 style="color:#900">{title}</h2><p>Hej <b>{greeting}</b>!</p><p>{sentences[0]}</p>'
        f"<ul>{points}</ul><p><i>Vänliga hälsningar</i></p>{f'<p>{end}</p>' if end else ''}<script>void 0</script>"
    )


def summons(when: str, hint: str) -> tuple[str, ...]:
    """The sentences of a kallelse to a booked visit."""
    return f"Du är välkommen till oss {when}.", hint, words.CHANGE


def plan(hint: str) -> tuple[str, ...]:
    """The sentences of a kallelse from the care planning, without a time (C3)."""
    return "Det är dags för din planerade kontroll. Kontakta oss för att boka en tid.", hint
