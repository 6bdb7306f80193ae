"""C1-C3, C5, C9: what is judged once, when a document arrives."""

import pytest

from pipelines.rules import attachments, control_code
from pipelines.rules.attachments import AttachmentFacts
from pipelines.rules.model import AttachmentVerdict, CodeVerdict, Kind

L, R = "[4US:LPAT]", "[4US:RPAT]"
V = CodeVerdict

CODES: list[tuple[str, Kind, str, str, CodeVerdict]] = [
    # sentence, kind, body, footer, verdict
    ("a letter with its code", Kind.BREV, "", f"Region {L} 1(1)", V.RIGHT),
    ("a confirmation with its code", Kind.REMISSBEKRAFTELSE, "", R, V.RIGHT),
    ("a kallelse needs none", Kind.KALLELSE, "", "", V.NOT_NEEDED),
    ("a kallelse may have one", Kind.KALLELSE, "", R, V.NOT_NEEDED),
    ("both codes: the right one is enough", Kind.BREV, "", f"{R}{L}", V.RIGHT),
    ("the right one also in the body", Kind.BREV, L, L, V.RIGHT),
    ("a letter with the confirmation's code", Kind.BREV, "", R, V.OTHER_KIND),
    ("a confirmation with the letter's code", Kind.REMISSBEKRAFTELSE, "", L, V.OTHER_KIND),
    ("the other kind's comes before the body", Kind.BREV, L, R, V.OTHER_KIND),
    ("the right code in the body", Kind.BREV, f"Hej {L}", "", V.OUTSIDE_FOOTER),
    ("the other kind's code in the body is nothing", Kind.BREV, R, "", V.MISSING),
    ("the body comes before a malformed footer", Kind.BREV, L, "[4us:lpat]", V.OUTSIDE_FOOTER),
    ("lower case", Kind.BREV, "", "[4us:lpat]", V.MALFORMED),
    ("a space inside", Kind.BREV, "", "[4US: LPAT]", V.MALFORMED),
    ("a no-break space inside", Kind.BREV, "", "[4US:\u00a0LPAT]", V.MALFORMED),
    ("a zero-width space inside", Kind.BREV, "", "[4US:\u200bLPAT]", V.MALFORMED),
    ("a soft hyphen inside", Kind.BREV, "", "[4US:LP\u00adAT]", V.MALFORMED),
    ("a no-break space as an entity", Kind.BREV, "", "[4US:&nbsp;LPAT]", V.MALFORMED),
    ("a line break inside", Kind.BREV, "", "[4US:\r\nLPAT]", V.MALFORMED),
    ("malformed in the body", Kind.BREV, "[ 4us:LPAT ]", "", V.MALFORMED),
    ("malformed comes before unknown", Kind.BREV, "[4us:lpat]", "[4US:XYZ]", V.MALFORMED),
    ("the other kind's code, malformed, is unknown", Kind.BREV, "", "[4us:rpat]", V.UNKNOWN),
    ("an unknown code", Kind.BREV, "", "[4US:KPAT]", V.UNKNOWN),
    ("an unknown code with spaces", Kind.BREV, "", "[ 4 us : kpat ]", V.UNKNOWN),
    ("an unknown code in the body is nothing", Kind.BREV, "[4US:KPAT]", "", V.MISSING),
    ("no code", Kind.BREV, "Hej", "Region", V.MISSING),
    ("a code without brackets", Kind.BREV, "", "4US:LPAT", V.MISSING),
    ("a code that never ends", Kind.BREV, "", "[4US:LPAT", V.MISSING),
]


@pytest.mark.parametrize(("kind", "body", "footer", "verdict"), [row[1:] for row in CODES], ids=[row[0] for row in CODES])
def test_control_code(kind: Kind, body: str, footer: str, verdict: CodeVerdict) -> None:
    assert control_code.judge(kind, body, footer, needed=True) is verdict
    assert control_code.judge(kind, body, footer, needed=False) is V.NOT_NEEDED


PDF = AttachmentFacts("application/pdf", b"%PDF-1.7\n", True, True)
WORD = AttachmentFacts("application/msword", b"\xd0\xcf\x11\xe0", True, True)
A = AttachmentVerdict

ATTACHMENTS: list[tuple[str, list[AttachmentFacts], AttachmentVerdict]] = [
    ("none", [], A.RIGHT),
    ("a PDF", [PDF], A.RIGHT),
    ("parameters and case are tolerated", [PDF._replace(content_type='Application/PDF; name="a.pdf"')], A.RIGHT),
    ("declared otherwise", [PDF._replace(content_type="application/octet-stream")], A.NOT_PDF),
    ("declared as PDF, but Word", [WORD._replace(content_type="application/pdf")], A.NOT_PDF),
    ("declared as something that begins like it", [PDF._replace(content_type="application/pdfx")], A.NOT_PDF),
    ("empty", [PDF._replace(head=b"")], A.NOT_PDF),
    ("not shared by the system", [PDF._replace(shared=False)], A.NOT_E_BREV),
    ("not marked for e-brev", [PDF._replace(e_brev=False)], A.NOT_E_BREV),
    ("one of many fails", [PDF, PDF._replace(e_brev=False), PDF], A.NOT_E_BREV),
    ("not-PDF is told first, wherever it stands", [PDF._replace(shared=False), WORD], A.NOT_PDF),
]


@pytest.mark.parametrize(("items", "verdict"), [row[1:] for row in ATTACHMENTS], ids=[row[0] for row in ATTACHMENTS])
def test_attachments(items: list[AttachmentFacts], verdict: AttachmentVerdict) -> None:
    assert attachments.judge(items) is verdict
