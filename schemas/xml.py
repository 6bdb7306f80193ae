"""The one door for XML: parsing that nothing in a document can turn against us, checking by XSD, and writing.

Everything the hub reads as XML comes through `parse`: no document type declaration, no network, no XInclude,
named limits on bytes, elements, attributes, depth and text. A DTD is refused by itself, as no format we read
needs one (SOAP 1.1 section 3 forbids it); without it there is no entity to expand (billion laughs, quadratic
blow-up, external entities). What can be counted in the bytes is counted before a tree is built; libxml2's own
limits stay on beneath ours.
"""

import codecs
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from lxml import etree

from schemas.errors import FieldError, Malformed, TooLarge

Element = etree._Element
"""The type of what `parse` gives, for those who may not import lxml."""
LibraryError = etree.LxmlError
"""What lxml raises within other libraries that use it, for the same."""


class Limits(NamedTuple):
    """What a document may be at most. Exceeding one is `TooLarge`."""

    body_bytes_max: int = 12 * 1024 * 1024
    markup_max: int = 100_000
    """Tags, comments and instructions together."""
    attributes_max: int = 100_000
    """Counted as equals signs, of which ordinary text has few and base64 two at most."""
    depth_max: int = 64


DEFAULT_LIMITS: Final = Limits()
_XSD_ERRORS_MAX: Final = 20
_BOMS: Final = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_ENCODINGS: Final = frozenset({"utf-8", "ascii", "iso8859-1", "iso8859-15", "cp1252"})
"""Python's names of the encodings taken without a byte order mark; all of them keep ASCII as it is."""
_DECLARED: Final = re.compile(rb"""<\?xml[^>]{0,200}?\sencoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")
_DECLARATION_BYTES_MAX: Final = 300
_ILLEGAL: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def parse(data: bytes, limits: Limits = DEFAULT_LIMITS) -> Element:
    """The root element of an XML document, without comments and processing instructions.

    Raises `TooLarge` beyond a limit and `Malformed` for everything else; a reason may give a line and a column,
    never content.
    """
    if len(data) > limits.body_bytes_max:
        raise _over(f"is larger than {limits.body_bytes_max} bytes")
    text = _utf8(data)
    if _has_doctype(text):
        raise _wrong("has a document type declaration, which is not taken")
    if text.count(b"<") > 2 * limits.markup_max:
        raise _over("has too many elements")
    if text.count(b"=") > limits.attributes_max:
        raise _over("has too many attributes")
    parser = etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        attribute_defaults=False,
        remove_comments=True,
        remove_pis=True,
        huge_tree=False,
        recover=False,
    )
    try:
        root = etree.fromstring(text, parser)
    except etree.XMLSyntaxError as fault:
        line, column = fault.position
        raise _wrong(f"is not well-formed XML (line {line}, column {column})") from None
    except ValueError:
        raise _wrong("is not readable as XML") from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise _wrong("has a document type declaration, which is not taken")
    if _deeper_than(limits.depth_max)(root):
        raise _over("is nested too deep")
    return root


def serialise(root: Element, *, declaration: bool = True, pretty: bool = False) -> bytes:
    """UTF-8 bytes of an element and all beneath it."""
    return etree.tostring(root, encoding="UTF-8", xml_declaration=declaration, pretty_print=pretty)


def canonical(root: Element) -> bytes:
    """Exclusive canonical XML 1.0 without comments, as signatures need it."""
    return etree.tostring(root, method="c14n", exclusive=True, with_comments=False)


def element(tag: str, text: str | None = None, nsmap: dict[str | None, str] | None = None) -> Element:
    """A new element; `tag` is `{namespace}local`. Characters that XML cannot hold are left out of the text."""
    made = etree.Element(tag, nsmap=nsmap)  # type: ignore[arg-type]  # the stubs forget the default namespace
    if text is not None:
        made.text = legal(text)
    return made


def child(parent: Element, tag: str, text: str | None = None) -> Element:
    """A new last child of `parent`."""
    made = etree.SubElement(parent, tag)
    if text is not None:
        made.text = legal(text)
    return made


def legal(text: str) -> str:
    """Text without the characters that XML 1.0 (section 2.2) has no way to write."""
    return _ILLEGAL.sub("", text)


def local_name(node: Element) -> str:
    """An element's name without its namespace."""
    return etree.QName(node).localname


class Schema:
    """An XSD from a file of ours (imports beside it included). Never made from input."""

    def __init__(self, path: Path) -> None:
        self._schema = etree.XMLSchema(file=str(path))

    def check(self, root: Element) -> None:
        """`Malformed` with a pointer (the path of local names) and a reason free of values, for every fault."""
        if self._schema.validate(root):
            return
        # The log is iterable; the stubs do not say so.
        log: list[etree._LogEntry] = list(self._schema.error_log)  # type: ignore[call-overload]
        raise Malformed(FieldError(_path_pointer(entry.path or "", root), _xsd_reason(entry.type_name)) for entry in log[:_XSD_ERRORS_MAX])


_XSD_REASONS: Final[Mapping[str, str]] = {
    "SCHEMAV_ELEMENT_CONTENT": "is not expected here, or something required before it is missing",
    "SCHEMAV_CVC_ELT_1": "is no element of this schema",
    "SCHEMAV_CVC_ENUMERATION_VALID": "is not one of the allowed values",
    "SCHEMAV_CVC_PATTERN_VALID": "has not the form it should have",
    "SCHEMAV_CVC_MAXLENGTH_VALID": "is too long",
    "SCHEMAV_CVC_MINLENGTH_VALID": "is too short",
    "SCHEMAV_CVC_LENGTH_VALID": "has not the length it should have",
    "SCHEMAV_CVC_COMPLEX_TYPE_4": "has a required attribute missing",
    "SCHEMAV_CVC_COMPLEX_TYPE_3_2_1": "has an attribute that is not allowed",
    "SCHEMAV_CVC_COMPLEX_TYPE_2_3": "may hold no text",
}


def _xsd_reason(type_name: str) -> str:
    return _XSD_REASONS.get(type_name, "has not the value it should have")


def _path_pointer(path: str, root: Element) -> str:
    """libxml2's path (`/*/*[2]`, or with prefixes) as a pointer of local names: `/Booking/Patient`."""
    names: list[str] = []
    node = root.getroottree().xpath(path) if path and ":" not in path else []
    if isinstance(node, list) and node and isinstance(node[0], etree._Element):
        names = [local_name(step) for step in [*reversed(list(node[0].iterancestors())), node[0]]]
    else:
        names = [step.rpartition(":")[2] for step in path.split("/") if step]
    return "".join(f"/{name}" for name in names)


def _utf8(data: bytes) -> bytes:
    """The document as UTF-8; the parser is told so and no longer heeds the declaration."""
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return _recode(data[len(mark) :], encoding)
    declared = _DECLARED.match(data[:_DECLARATION_BYTES_MAX].lstrip())
    name = declared.group(1).decode("ascii") if declared else "utf-8"
    try:
        codec = codecs.lookup(name).name
    except LookupError:
        raise _wrong("has an encoding that is not taken") from None
    if codec not in _ENCODINGS:
        raise _wrong("has an encoding that is not taken")
    return data if codec == "utf-8" else _recode(data, codec)


def _recode(data: bytes, encoding: str) -> bytes:
    try:
        return data.decode(encoding).encode("utf-8")
    except UnicodeError:
        raise _wrong("has bytes that its encoding does not allow") from None


def _has_doctype(text: bytes) -> bool:
    """Whether a DTD stands in the prolog, the only place it may (XML 1.0 section 2.8)."""
    place = 0
    while True:
        place = text.find(b"<", place)
        if place < 0:
            return False
        if text.startswith(b"<?", place):
            end = text.find(b"?>", place)
        elif text.startswith(b"<!--", place):
            end = text.find(b"-->", place + 4)
        else:
            return text.startswith(b"<!", place)
        if end < 0:
            return False
        place = end + 2


_DEPTHS: dict[int, etree.XPath] = {}


def _deeper_than(depth: int) -> etree.XPath:
    """A compiled question: is there an element below `depth` levels?"""
    if depth not in _DEPTHS:
        _DEPTHS[depth] = etree.XPath("boolean(" + "/*" * (depth + 1) + ")")
    return _DEPTHS[depth]


def _wrong(reason: str) -> Malformed:
    return Malformed([("", reason)])


def _over(reason: str) -> TooLarge:
    return TooLarge([("", reason)])
