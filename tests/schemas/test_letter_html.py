"""C6: a letter keeps its formatting and nothing else; addresses written in full become links."""

import re
from html.parser import HTMLParser

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schemas import html

pieces = st.one_of(
    st.sampled_from(
        [
            "<p>", "</p>", "<b>", "</b>", "<script>alert(1)</script>", "<script>", "<style>p{}", "<svg>",
            "<math><mtext>", "<img src=x onerror=alert(1)>", "<svg><script>1</script></svg>", "<table>", "<title>",
            "<tr><td colspan=2>", "<td colspan='x\">'>", "<a href='javascript:alert(1)'>", "</a>", "<!--", "-->",
            "<![CDATA[", "]]>", "&lt;", "<div onclick=x>", "</div>", "<li>", "<noscript>", "<textarea>", "<template>",
            "https://x.example/.)", "&nbsp;", "https://vard.example/a?b=1&c=2", "&amp;lt;script&gt;", "\xa0",
            "<plaintext>", "<iframe srcdoc='<script>'>", "\"", "'", ">", "<",
        ]
    ),
    st.text(max_size=8),
)  # fmt: skip
tags = st.sampled_from([f"<{bar}{tag}>" for tag in sorted(html.TAGS) for bar in ("", "/")])
misnested = st.lists(tags | pieces, max_size=14).map("".join)
hostile = st.lists(pieces, max_size=12).map("".join)


class _Seen(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def seen(markup: str) -> list[tuple[str, dict[str, str | None]]]:
    parser = _Seen()
    parser.feed(markup)
    parser.close()
    return parser.tags


@given(hostile)
def test_only_allowed_tags_and_attributes_come_out(body: str) -> None:
    for tag, attributes in seen(html.sanitise(body)):
        if tag == "a":
            assert set(attributes) == {"href", "rel"}
            assert re.match(r"https?://", attributes["href"] or "", re.IGNORECASE)
        else:
            assert tag in html.TAGS
            assert set(attributes) <= {"colspan", "rowspan"}
            assert all((value or "").isdigit() for value in attributes.values())


@given(hostile | misnested)
@example("<li><table><li>")
@example("<h4><span><h1>x</li><h2>y</td>")
def test_sanitising_twice_changes_nothing(body: str) -> None:
    once = html.sanitise(body)
    assert html.sanitise(once) == once


@given(st.text(max_size=60))
def test_plain_text_becomes_markup_that_shows_the_same_characters(body: str) -> None:
    made = html.from_text(body)
    assert {tag for tag, _ in seen(made)} <= {"p", "br", "a"}
    assert "<script" not in html.from_text(f"<script>{body}")


@pytest.mark.parametrize(
    ("body", "clean"),
    [
        ("<p>Du är <b>kallad</b> <i>nu</i></p>", "<p>Du är <b>kallad</b> <i>nu</i></p>"),
        ("<h2>Rubrik</h2><ul><li>ett</li></ul>", "<h2>Rubrik</h2><ul><li>ett</li></ul>"),
        ("<p style='color:red' onclick='x()'>a</p>", "<p>a</p>"),
        ("<p>a<script>alert(1)</script>b<style>p{}</style></p>", "<p>ab</p>"),
        ("<p>bild <img src='x.png'> här</p>", "<p>bild  här</p>"),
        ("<o:p>Word</o:p><font color=red>röd</font>", "Wordröd"),
        ("<a href='https://ond.example'>Läs mer</a>", "Läs mer"),
        (
            "<table><tbody><tr><td colspan=2 width=9>a</td></tr></tbody></table>",
            '<table><tbody><tr><td colspan="2">a</td></tr></tbody></table>',
        ),
    ],
)
def test_formatting_is_kept_and_the_rest_removed(body: str, clean: str) -> None:
    assert html.sanitise(body) == clean


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("Se https://vard.example/a.", "https://vard.example/a"),
        ("(https://vard.example/a)", "https://vard.example/a"),
        ("https://vard.example/?a=1&b=2!?", "https://vard.example/?a=1&b=2"),
        ("“https://vard.example”", "https://vard.example"),
        ("http://vard.example:8080/x;", "http://vard.example:8080/x"),
        ("HTTPS://VARD.EXAMPLE/å:", "HTTPS://VARD.EXAMPLE/å"),
    ],
)
def test_an_address_ends_before_the_punctuation_after_it(text: str, address: str) -> None:
    assert html.links(text, "") == [address]


@pytest.mark.parametrize(
    "text", ["vard.example", "www.vard.example", "https://", "https://.", "ftp://a.example", "xhttps://a.example", "://a", "https:// a"]
)
def test_an_address_not_written_in_full_is_no_link(text: str) -> None:
    assert html.links(text, "") == []


def test_links_of_body_and_footer_come_in_order_and_once() -> None:
    body = "<p>https://a.example och https://b.example</p><script>https://c.example</script>"
    assert html.links(body, "https://a.example https://d.example", "html") == [
        "https://a.example", "https://b.example", "https://d.example",
    ]  # fmt: skip


def test_an_address_in_html_becomes_clickable_with_its_ampersand_whole() -> None:
    assert html.sanitise("<p>https://a.example/?b=1&amp;c=2.</p>") == (
        '<p><a href="https://a.example/?b=1&amp;c=2" rel="noopener noreferrer">https://a.example/?b=1&amp;c=2</a>.</p>'
    )


@given(hostile, st.text(max_size=20))
def test_what_is_delivered_is_the_sanitised_body_with_its_links(body: str, footer: str) -> None:
    assert html.deliverable(body, footer, "html") == (html.sanitise(body), html.links(body, footer, "html"))
    assert html.deliverable(body, footer, "text") == (body, html.links(body, footer))


def test_addresses_may_stand_close_together() -> None:
    text = "https://a.example,https://b.example https://c.example/?u=https://d.example http://https://e.example"
    assert html.links(text, "") == [
        "https://a.example,https://b.example",
        "https://c.example/?u=https://d.example",
        "http://https://e.example",
    ]


def test_the_plain_text_of_a_body_has_its_control_code_though_markup_stands_between() -> None:
    assert html.plain("<p>[4US:<b>LPAT</b>]</p>") == "[4US:LPAT]"
