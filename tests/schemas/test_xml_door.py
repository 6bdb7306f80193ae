"""The one door for XML: bombs stay outside, ordinary documents come through, XSD faults are told without values."""

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import xml
from schemas.errors import Malformed, TooLarge

LAUGHS = b"".join(
    [b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a0 "ha">']
    + [b'<!ENTITY a%d "%s">' % (i, b"&a%d;" % (i - 1) * 10) for i in range(1, 10)]
    + [b"]><l>&a9;</l>"]
)

BOMBS = {
    "billion laughs": LAUGHS,
    "billion laughs in an attribute": LAUGHS.replace(b"<l>&a9;</l>", b'<l a="&a9;"/>'),
    "quadratic blow-up": b'<!DOCTYPE a [<!ENTITY x "' + b"x" * 50_000 + b'">]><a>' + b"&x;" * 50_000 + b"</a>",
    "external entity": b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
    "external DTD": b'<!DOCTYPE a SYSTEM "http://127.0.0.1:1/x.dtd"><a/>',
    "parameter entity": b'<!DOCTYPE a [<!ENTITY % p SYSTEM "file:///etc/passwd"> %p;]><a/>',
    "DTD after a comment": b'<?xml version="1.0"?><!-- -> --><?pi x?>\n<!DOCTYPE a []><a/>',
    "DTD in UTF-16": '<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>'.encode("utf-16"),
    "undeclared entity": b"<a>&x;</a>",
    "deep nesting": b"<a>" * 50_000 + b"</a>" * 50_000,
    "a little too deep": b"<a>" * 65 + b"</a>" * 65,
    "many elements": b"<a>" + b"<b/>" * 300_000 + b"</a>",
    "many attributes": b"<a " + b" ".join(b"a%d= '1'" % i for i in range(150_000)) + b"/>",
    "long text": b"<a>" + b"x" * 13_000_000 + b"</a>",
    "empty": b"",
    "not XML": b"\x00\x01\x02",
    "no end": b"<a><b>",
    "two roots": b"<a/><b/>",
    "NUL": b"<a>\x00</a>",
    "NUL as a reference": b"<a>&#0;</a>",
    "UTF-7": b'<?xml version="1.0" encoding="UTF-7"?><a>+ADw-b+AD4-</a>',
    "unknown encoding": b'<?xml version="1.0" encoding="x-klingon"?><a/>',
    "bad UTF-8": b"<a>\xff\xfe</a>",
    "UTF-16 without a mark": "<a/>".encode("utf-16-le"),
    "broken UTF-16": b"\xff\xfe<\x00a",
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS.keys())
def test_a_bomb_is_refused_quickly(bomb: bytes) -> None:
    began = time.monotonic()
    with pytest.raises(Malformed):
        xml.parse(bomb)
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("name", ["many elements", "many attributes", "long text", "a little too deep"])
def test_what_is_too_large_says_so(name: str) -> None:
    with pytest.raises(TooLarge):
        xml.parse(BOMBS[name])


def test_an_xinclude_is_left_as_it_stands() -> None:
    root = xml.parse(b'<a xmlns:x="http://www.w3.org/2001/XInclude"><x:include href="file:///etc/passwd"/></a>')
    assert b"root:" not in xml.serialise(root)


@given(st.binary(max_size=200))
def test_garbage_is_malformed_and_nothing_else(garbage: bytes) -> None:
    try:
        xml.parse(garbage)
    except Malformed as fault:
        assert "line" in str(fault) or "has" in str(fault)


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ("<a>åäö</a>".encode(), "åäö"),
        (b"\xef\xbb\xbf<a>x</a>", "x"),
        ('<?xml version="1.0" encoding="ISO-8859-1"?><a>åäö</a>'.encode("latin-1"), "åäö"),
        ('<?xml version="1.0" encoding="utf-16"?><a>åäö</a>'.encode("utf-16"), "åäö"),
        (b"<a>1<!-- x --><?pi y?>2<![CDATA[<!DOCTYPE html>]]>&lt;&#229;</a>", "12<!DOCTYPE html><å"),
    ],
)
def test_an_ordinary_document_keeps_its_text(document: bytes, text: str) -> None:
    assert xml.parse(document).text == text


def test_a_fault_never_repeats_the_content() -> None:
    with pytest.raises(Malformed) as fault:
        xml.parse(b"<a>191212121212</b>")
    assert "19121" not in str(fault.value)
    assert "line 1" in str(fault.value)


XSD = b"""<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:t" elementFormDefault="qualified">
<xs:element name="Booking"><xs:complexType><xs:sequence>
 <xs:element name="Patient">
  <xs:simpleType><xs:restriction base="xs:string"><xs:pattern value="[0-9]{12}"/></xs:restriction></xs:simpleType>
 </xs:element>
 <xs:element name="Minutes" type="xs:int"/>
</xs:sequence></xs:complexType></xs:element></xs:schema>"""


@pytest.mark.parametrize(
    ("document", "pointer"),
    [
        (b'<Booking xmlns="urn:t"><Patient>secret</Patient><Minutes>1</Minutes></Booking>', "/Booking/Patient"),
        (
            b'<t:Booking xmlns:t="urn:t"><t:Patient>191212121212</t:Patient><t:Minutes>secret</t:Minutes></t:Booking>',
            "/Booking/Minutes",
        ),
        (b'<Booking xmlns="urn:t"><Minutes>1</Minutes></Booking>', "/Booking/Minutes"),
    ],
)
def test_an_xsd_fault_has_its_place_and_no_value(tmp_path: Path, document: bytes, pointer: str) -> None:
    path = tmp_path / "t.xsd"
    path.write_bytes(XSD)
    with pytest.raises(Malformed) as fault:
        xml.Schema(path).check(xml.parse(document))
    assert fault.value.errors[0].pointer == pointer
    assert "secret" not in str(fault.value)


def test_what_follows_its_xsd_passes(tmp_path: Path) -> None:
    path = tmp_path / "t.xsd"
    path.write_bytes(XSD)
    root = xml.parse(b'<Booking xmlns="urn:t"><Patient>191212121212</Patient><Minutes>1</Minutes></Booking>')
    xml.Schema(path).check(root)
    assert xml.local_name(root) == "Booking"


def test_what_is_written_can_be_read_again() -> None:
    root = xml.element("{urn:a}A", nsmap={None: "urn:a"})
    xml.child(root, "{urn:a}B", "å<&\x0b")
    assert xml.serialise(root, declaration=False) == '<A xmlns="urn:a"><B>å&lt;&amp;</B></A>'.encode()
    assert xml.parse(xml.serialise(root))[0].text == "å<&"
    assert xml.canonical(root) == xml.serialise(root, declaration=False)
