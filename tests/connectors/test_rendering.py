"""A letter as PDF and as a mailbox page: what a reader gets, whatever somebody wrote (C1, C6)."""

import io
import re
import unicodedata
from dataclasses import replace
from datetime import date
from html import escape
from typing import Any, Literal

import pypdf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from connectors.rendering import RenderContent, Rendered, glyphs, render
from connectors.rendering.reading import read
from connectors.rendering.tree import COLUMNS_MAX, LEVELS_MAX, TABLES_MAX, Heading, Items, Paragraph, Table

LETTER = RenderContent(
    "kallelse", "Kallelse till läkarbesök", "<p>Hej!</p>", "html", "Region X [4US:LPAT]", "Vårdcentralen Nord", date(2026, 11, 27)
)
MARKUP = '#panic(1) *fet* _kursiv_ <etikett> @ref $x^2$ `rå` // slut /* */ \\u{41} = Rubrik - punkt + nummer #import "x" ${} "\'---...~'


def letter(body: str, body_format: Literal["text", "html"] = "html", **other: Any) -> Rendered:
    return render(replace(LETTER, body=body, body_format=body_format, **other))


def reader(pdf: bytes) -> pypdf.PdfReader:
    return pypdf.PdfReader(io.BytesIO(pdf))


def said(pdf: bytes) -> str:
    return "\n".join(page.extract_text() for page in reader(pdf).pages)


def bare(text: str) -> str:
    """Text without what line breaking, hyphens and a font's ligatures change."""
    shown = unicodedata.normalize("NFKC", text)
    return "".join(char for char in shown if not char.isspace() and char not in "\u00ad-\u2010\u2011")


def structure(pdf: bytes) -> list[str]:
    """The names of the tagged elements, in reading order."""
    found: list[str] = []

    def walk(node: Any) -> None:
        node = node.get_object()
        if isinstance(node, list):
            for each in node:
                walk(each)
        elif isinstance(node, dict):
            if "/S" in node:
                found.append(str(node["/S"])[1:])
            if "/K" in node:
                walk(node["/K"])

    walk(reader(pdf).trailer["/Root"]["/StructTreeRoot"]["/K"])
    return found


def page(html: str) -> Any:
    """The page as XML, which it is but for its document type and void elements: so it is balanced."""
    assert html.startswith("<!DOCTYPE html>\n")
    well_formed = re.sub(r"<(br|hr|meta[^>]*)>", r"<\1/>", html.removeprefix("<!DOCTYPE html>\n"))
    return etree.fromstring(well_formed)


BODY = (
    "<h3>Välkommen</h3><p>Ta med <b>legitimation och <i>remiss</i></b>.<br>Se https://vard.example/hitta?hit=1&amp;a=b.</p>"
    "<ul><li>ett</li><li>två<ol><li>inre</li></ol></li></ul><h6>Tider</h6>"
    "<table><caption>Din vecka</caption><tr><th>Dag</th><th>Tid</th></tr>"
    "<tr><td rowspan=2>Måndag</td><td>08.00</td></tr><tr><td>09.00</td></tr></table>"
)


def test_the_same_letter_gives_the_same_bytes() -> None:
    assert letter(BODY) == letter(BODY)


def test_the_pdf_says_that_it_is_tagged_archivable_and_accessible_swedish() -> None:
    found = reader(letter(BODY).pdf)
    root = found.trailer["/Root"]
    about = root["/Metadata"].get_object().get_data().decode()
    assert root["/Lang"] == "sv" and root["/MarkInfo"]["/Marked"]
    assert "<pdfaid:part>2</pdfaid:part>" in about and "<pdfaid:conformance>A</pdfaid:conformance>" in about
    assert "<pdfuaid:part>1</pdfuaid:part>" in about
    assert found.metadata is not None and found.metadata.title == LETTER.title
    assert found.metadata.creation_date is not None and found.metadata.creation_date.date() == LETTER.sent


def test_formatting_is_structure_in_the_pdf() -> None:
    tags = structure(letter(BODY).pdf)
    for tag in ("H1", "H2", "H3", "P", "Link", "L", "LI", "LBody", "Table", "TR", "TH", "TD", "Strong", "Em"):
        assert tag in tags, tag
    assert (tags.count("L"), tags.count("LI"), tags.count("TR"), tags.count("TH"), tags.count("TD")) == (2, 3, 3, 2, 3)


def test_formatting_is_structure_in_the_page_and_headings_skip_no_level() -> None:
    found = page(letter(BODY).html)
    assert found.get("lang") == "sv"
    assert [each.tag for each in found.iter("h1", "h2", "h3", "h4", "h5", "h6")] == ["h1", "h2", "h3"]
    assert "".join(found.find(".//strong/em").itertext()) == "remiss"
    assert [cell.text for cell in found.iter("th")] == ["Dag", "Tid"]
    assert found.find(".//td").get("rowspan") == "2" and found.findtext(".//caption") == "Din vecka"
    assert [each.text for each in found.findall(".//ol/li")] == ["inre"]


def test_the_footer_and_its_control_code_stand_in_both() -> None:
    both = letter("<p>x</p>", footer="Region X, https://x.example/om\n\n[4US:LPAT]")
    assert "[4US:LPAT]" in both.html and "[4US:LPAT]" in said(both.pdf)
    assert page(both.html).findall("body/footer/p")[1].text == "[4US:LPAT]"


def test_only_addresses_written_in_full_are_links_and_nothing_else_is_fetched() -> None:
    both = letter(
        '<a href="https://ond.example">klicka</a><img src="https://ond.example/x.png"><style>p{}</style> https://god.example/väg.'
    )
    assert [each.get("href") for each in page(both.html).iter("a")] == ["https://god.example/väg"]
    assert "ond.example" not in both.html and not re.search("<(img|style|script|link|iframe)", both.html)
    addresses = [note.get_object()["/A"]["/URI"] for page_ in reader(both.pdf).pages for note in page_.get("/Annots", [])]
    assert addresses == ["https://god.example/v%C3%A4g"]


@pytest.mark.parametrize("place", ["body", "footer", "title", "unit_name"])
def test_typst_markup_is_text_wherever_it_stands(place: str) -> None:
    given_ = {"body": "<p>x</p>", "body_format": "text", place: MARKUP}
    assert bare(MARKUP) in bare(said(letter(**given_).pdf))  # type: ignore[arg-type]


def test_lines_and_paragraphs_of_plain_text_are_kept() -> None:
    found = page(letter("Hej <b>!\nrad två\r\n\r\nnytt stycke", "text").html)
    assert ["".join(each.itertext()) for each in found.findall("body/main/p")] == ["Hej <b>!rad två", "nytt stycke"]
    assert len(found.findall("body/main/p/br")) == 1


@pytest.mark.parametrize("body", ["", " ", "<p></p>", "<br><br>", "<table></table>", "<ul><li></ul>", "\u200b", "<h1></h1>"])
def test_a_letter_may_be_empty(body: str) -> None:
    both = letter(body, footer="", title=" ")
    assert "Kallelse" in said(both.pdf) and page(both.html).findtext("head/title") == "Kallelse"


def test_what_no_font_has_is_a_box_in_the_pdf_and_itself_in_the_page() -> None:
    both = letter("<p>平 ok 🙂 a\u0308</p>")
    assert "平 ok 🙂" in both.html
    assert "□ ok □ ä" in said(both.pdf)


def test_every_character_of_the_table_has_a_glyph_in_every_look() -> None:
    spans = [span.partition("-") for span in glyphs.RANGES.split()]
    every = escape("".join(chr(code) for first, _, last in spans for code in range(int(first, 16), int(last or first, 16) + 1)))
    assert letter(f"<p>{every}<b>{every}</b><i>{every}</i><b><i>{every}</i></b></p>").pdf.startswith(b"%PDF")


@pytest.mark.parametrize(
    "body",
    [
        "ordet är lagt. " * 5_000, "a" * 40_000, "." * 40_000, "<p>x</p>" * 21_000, "<br>x" * 21_000, "<b>a</b>b" * 11_000,
        "<table>" + ("<tr>" + "<td>ab cd" * 10) * 301, "<table><tr>" + "<td>bred" * 60, "<ul><li>djup" * 600,
        "<table><tr><td>" * 40 + "djup", "<table><tr><th>" + "rubrik " * 500 + "<tr><td>x" * 40, "<td>lös", "<li>lös",
        "<ul>lös<li>ett</ul>", "<table>x<tr><td colspan=999 rowspan=999>a<tr><td>b<td rowspan=3>c<tr><tr><td>d</table>",
    ],
)  # fmt: skip
def test_no_word_of_a_monstrous_body_is_lost(body: str) -> None:
    both = letter(body)
    words = bare(re.sub("<[^>]*>", "", body))
    text = bare(said(both.pdf)) if len(body) < 12_000 else None
    assert words == bare("".join(page(both.html).find("body/main").itertext())).removeprefix(bare(LETTER.title)) or "<table>x" in body
    if text is not None:
        for char in set(words):
            assert text.count(char) >= words.count(char)


def test_nesting_has_its_bounds() -> None:
    def depth(blocks: Any, kinds: tuple[type, ...]) -> int:
        inner = 0
        for block in blocks:
            rows = block.rows if isinstance(block, Table) else ()
            parts = block.items if isinstance(block, Items) else [cell.blocks for row in rows for cell in row]
            inner = max(inner, isinstance(block, kinds) + max((depth(part, kinds) for part in parts), default=0))
        return inner

    assert depth(read("<ul><li>x" * 50, "html"), (Items,)) == LEVELS_MAX
    assert depth(read("<table><tr><td>x" * 50, "html"), (Table,)) == TABLES_MAX
    (row,) = read("<table><tr>" + "<td>x" * (COLUMNS_MAX + 1) + "</table>", "html")[:1]
    assert isinstance(row, Paragraph)


def test_headings_are_stepwise() -> None:
    levels = [block.level for block in read("<h5>a</h5><h1>b</h1><h3>c</h3><h6>d</h6>", "html") if isinstance(block, Heading)]
    assert levels == [2, 2, 3, 4]


_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30) | st.sampled_from(
    [MARKUP, "https://x.example/a?b=c", "åäö", "\u200b", "\x00\x1f"]
)
_MARKUP = st.recursive(
    _TEXT.map(lambda text: escape(text)),
    lambda inner: st.builds(
        lambda tag, parts: f"<{tag}>" + "".join(parts) + f"</{tag}>",
        st.sampled_from(["p", "div", "b", "i", "em", "strong", "ul", "ol", "li", "h1", "h2", "h4", "h6", "table", "thead", "tr", "td", "th",
                         "td colspan=3", "td rowspan=2", "caption", "br", "a href='https://x.example'", "blockquote"]),
        st.lists(inner, max_size=4),
    ),
    max_leaves=25,
)  # fmt: skip


@settings(max_examples=40)
@given(body=st.lists(_MARKUP, max_size=6).map("".join), footer=_TEXT, title=_TEXT)
def test_whatever_is_written_can_be_read(body: str, footer: str, title: str) -> None:
    both = letter(body, footer=footer, title=title)
    found = page(both.html)
    for part in (title, "".join(found.find("body/main").itertext()), footer):
        words = bare(glyphs.printable(re.sub(r"[\s\x00-\x1f\x7f-\x9f\ufdd0-\ufdef\ufffe\uffff]", "", part)))
        text = bare(said(both.pdf))
        for char in set(words):  # letters of right-to-left scripts come in another order
            assert text.count(char) >= words.count(char), (char, hex(ord(char)))
