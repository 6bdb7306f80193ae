"""A real, small PDF of one page, written by hand after ISO 32000-1 section 7.5: header, objects, xref, trailer."""

from typing import Final

_PAGE: Final = (
    b"<< /Type /Catalog /Pages 2 0 R >>",
    b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
    b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
)
_FONT: Final = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"


def pdf(*lines: str) -> bytes:
    """A page in A4 with the lines of text on it; characters outside Windows-1252 become question marks."""
    shown = b" ".join(b"(%s) Tj T*" % _escaped(line) for line in lines)
    stream = b"BT /F1 14 Tf 18 TL 72 770 Td %s ET" % shown
    objects = (*_PAGE, b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream), _FONT)
    out = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    places = []
    for number, content in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    return bytes(out)


def _escaped(line: str) -> bytes:
    """A string's bytes with its delimiters escaped (7.3.4.2)."""
    raw = line.encode("cp1252", "replace")
    return raw.replace(b"\\", b"\\\\").replace(b"(", b"\\(").replace(b")", b"\\)")
