"""The sandbox's pages in a real browser: what they show, that they keep themselves current, that anybody can use them."""

import re
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlencode

import aiohttp
import orjson
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright, expect

from connectors.sandbox.oidc.codes import challenge_of
from schemas.cloudevents import decode_record
from schemas.events import decode
from tests.connectors.sandbox_support import (
    ADULT,
    CHILD,
    CHROMIUM_ARGUMENTS,
    NOW,
    PARENT,
    Running,
    account,
    booking,
    chromium,
    decision,
    delivered,
    notified,
    person,
    printed,
    requested,
    room,
    running,
    tell,
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),  # the browser may have to be installed first
    pytest.mark.asyncio(loop_scope="module"),  # one browser for all, each test with a fresh profile
]

CONTRAST = """() => {
  const lum = (c) => c.map((v) => v / 255).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
  const paper = (e) => {
    for (; e; e = e.parentElement) {
      const c = rgb(getComputedStyle(e).backgroundColor);
      if (c.length < 4 || c[3]) return c.slice(0, 3);
    }
    return [255, 255, 255];
  };
  const bad = [];
  for (const e of document.querySelectorAll("body *")) {
    if (![...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim()) || !e.checkVisibility()) continue;
    const [a, b] = [lum(rgb(getComputedStyle(e).color).slice(0, 3)), lum(paper(e))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) bad.push(e.outerHTML.slice(0, 80));
  }
  return bad;
}"""
UNNAMED = """() => [...document.querySelectorAll("input:not([type=hidden]), select, textarea")]
  .filter((e) => !e.labels?.length).map((e) => e.outerHTML)"""
HEADINGS = """() => [...document.querySelectorAll("h1, h2, h3, h4")]
  .filter((e) => !e.closest(".letter")).map((e) => Number(e.tagName[1]))"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as player:
        started = await player.chromium.launch(executable_path=chromium(), args=CHROMIUM_ARGUMENTS)
        yield started
        await started.close()


@pytest_asyncio.fixture(loop_scope="module")
async def it(tmp_path: Path) -> AsyncIterator[Running]:
    async with running(tmp_path) as sandbox:
        world = sandbox.world
        for pid, name in ((ADULT, "Alva Almdalsson"), (PARENT, "Nils Ekbacke"), (CHILD, "Tuva Ekbacke")):
            tell(world, "person.changed.v1", person(pid, name))
        for pid in (ADULT, PARENT):
            tell(world, "account.changed.v1", account(pid))
        link = {"patient": CHILD, "agent": PARENT, "relation": "guardian", "state": "active", "as_of": NOW}
        tell(world, "agent.changed.v1", link)
        tell(world, "document.delivered.v1", delivered("doc-1", ADULT))
        tell(world, "document.delivered.v1", delivered("doc-2", CHILD, PARENT, title="Vaccination"))
        tell(world, "decision.made.v1", decision("doc-1"))
        tell(world, "decision.made.v1", decision("doc-3", "R5", outcome="print", channels=["print"], reason="control_code_missing"))
        tell(world, "print.entered.v1", printed("doc-3"))
        relay = printed("doc-4", "protected_identity", manual_handling=True, urgent=True, **{"class": "relay"})
        del relay["title"]
        tell(world, "print.entered.v1", relay)
        tell(world, "booking.shown.v1", booking("b-1", ADULT))
        tell(world, "booking.shown.v1", booking("b-2", CHILD, video=False))
        tell(world, "delivery.requested.v1", requested("doc-1", ADULT))
        tell(world, "notification.requested.v1", notified("doc-1", ADULT))
        tell(world, "room.changed.v1", room("r-1", "b-1"))
        yield sandbox


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser: Browser) -> AsyncIterator[Page]:
    """A page of a fresh profile that fails the test on any error of its own."""
    context = await browser.new_context(locale="sv-SE")
    opened = await context.new_page()
    errors: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.on("console", lambda said: errors.append(said.text) if "Content Security Policy" in said.text else None)
    yield opened
    await context.close()
    assert errors == []


async def _log_in(page: Page, it: Running, pid: str) -> None:
    await page.goto(f"{it.url}/app")
    await page.get_by_label("personnummer").fill(pid)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_have_text(re.compile("^Hej"))
    assert pid not in page.url


async def test_the_front_page_shows_every_outside_systems_view(page: Page, it: Running) -> None:
    await page.goto(it.url)
    for name in ("app", "bookings", "mailboxes", "notifications", "rooms", "print", "decisions"):
        assert await page.locator(f'[data-live="{name}"] tbody tr').count() > 0, name
    queue = page.get_by_role("region", name="Print queue")
    await expect(queue.get_by_role("row").filter(has_text="protected_identity")).to_contain_text("Dold uppgift")
    await expect(queue.get_by_role("row").filter(has_text="control_code_missing")).to_contain_text("Väntetid")
    text = await page.content()
    assert not re.search(r"[0-9]{8}-?9[89][0-9]{2}", text), "a person's number is on the page"


async def test_why_is_answered_in_words(page: Page, it: Running) -> None:
    await page.goto(it.url)
    await page.get_by_label("Document, booking or room id").fill("doc-3")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Decision 1: print")).to_be_visible()
    await expect(page.get_by_text("R5 applied:")).to_be_visible()
    await expect(page.get_by_text("In the print queue since")).to_be_visible()
    await page.goto(it.url)
    await page.get_by_role("region", name="Documents in the app").get_by_role("link").last.click()
    await expect(page.get_by_role("heading", name="Decision 1: deliver")).to_be_visible()


async def test_an_id_that_nobody_knows_is_told_and_is_no_markup(page: Page, it: Running) -> None:
    await page.goto(f"{it.url}/why?{urlencode({'document': '<img src=x onerror=alert(1)>'})}")
    await expect(page.get_by_text("No decision about this id is known here.")).to_be_visible()
    assert await page.locator("img").count() == 0


async def test_news_appears_by_itself_and_the_page_keeps_focus_and_scroll(page: Page, it: Running) -> None:
    await page.goto(it.url)
    await page.get_by_label("Document, booking or room id").fill("half typed")
    await page.evaluate("window.here = document.querySelector('[data-live=rooms]').firstChild")
    tell(it.world, "print.entered.v1", printed("doc-9", "attachment_not_pdf"))
    await expect(page.get_by_text("attachment_not_pdf")).to_be_visible(timeout=8_000)
    assert await page.evaluate("document.activeElement.value") == "half typed"
    assert await page.evaluate("window.here === document.querySelector('[data-live=rooms]').firstChild"), "an unchanged part moved"


async def test_updates_can_be_paused_and_resumed(page: Page, it: Running) -> None:
    await page.goto(it.url)
    await page.get_by_role("button", name="Pause updates").click()
    tell(it.world, "print.entered.v1", printed("doc-9", "attachment_not_pdf"))
    await page.wait_for_timeout(3_000)
    await expect(page.get_by_text("attachment_not_pdf")).to_have_count(0)
    await page.get_by_role("button", name="Resume updates").click()
    await expect(page.get_by_text("attachment_not_pdf")).to_be_visible(timeout=8_000)


async def test_an_unchanged_page_is_not_sent_again(it: Running) -> None:
    async with aiohttp.ClientSession() as session:
        async with session.get(it.url) as answer:
            etag = answer.headers["ETag"]
        async with session.get(it.url, headers={"If-None-Match": etag}) as answer:
            assert (answer.status, await answer.read()) == (304, b"")
        tell(it.world, "print.entered.v1", printed("doc-9"))
        async with session.get(it.url, headers={"If-None-Match": etag}) as answer:
            assert answer.status == 200


async def test_a_resident_reads_a_letter_and_a_receipt_is_published(page: Page, it: Running) -> None:
    await _log_in(page, it, ADULT)
    await expect(page.get_by_role("article")).to_have_count(1)
    await page.get_by_text("Visa Provsvar").click()
    await expect(page.get_by_role("link", name="https://www.example.org/prov")).to_be_visible()
    await expect(page.locator(".letter b")).to_have_text("bra")
    await page.get_by_role("button", name="Markera som läst Provsvar").click()
    await expect(page.get_by_text("Läst", exact=True)).to_be_visible()
    await expect(page.get_by_role("button", name="Markera som läst Provsvar")).to_have_count(0)
    (sent,) = it.kafka.sent
    envelope, data = decode_record(sent[3], sent[2])
    decode(envelope.type, data)
    plain = orjson.loads(data)
    assert (sent[0], plain["document_id"], plain["read_by"]) == ("receipts.v1", "doc-1", ADULT)


async def test_a_guardian_sees_the_childs_letter_and_booking_and_nobody_elses(page: Page, it: Running) -> None:
    await _log_in(page, it, PARENT)
    await expect(page.get_by_role("article")).to_have_count(1)
    await expect(page.get_by_text("Gäller Tuva Ekbacke", exact=True)).to_be_visible()
    await expect(page.get_by_role("listitem").filter(has_text="Gäller Tuva Ekbacke.")).to_have_count(1)
    await expect(page.get_by_text("Provsvar")).to_have_count(0)


async def test_a_resident_blocks_the_account_and_cannot_undo_it(page: Page, it: Running) -> None:
    await _log_in(page, it, ADULT)
    await page.get_by_role("button", name="Spärra kontot").click()
    await expect(page.get_by_text("Bara vården kan låsa upp det")).to_be_visible()
    await expect(page.get_by_role("article")).to_have_count(0)
    await expect(page.get_by_role("button", name="Öppna konto")).to_have_count(0)
    (sent,) = it.kafka.sent
    assert orjson.loads(sent[2])["account"] == "blocked"
    form = {"account": "active"}
    cookies = {each["name"]: each["value"] for each in await page.context.cookies()}
    async with aiohttp.ClientSession(cookies=cookies) as session:
        await session.post(f"{it.url}/app/account", data=form)
    assert len(it.kafka.sent) == 1


async def test_a_resident_without_an_account_opens_one(page: Page, it: Running) -> None:
    await _log_in(page, it, CHILD)
    await page.get_by_role("button", name="Öppna konto").click()
    await expect(page.get_by_text("Kontot är aktivt.")).to_be_visible()
    assert orjson.loads(it.kafka.sent[0][2])["by"]["role"] == "resident"
    assert CHILD not in orjson.loads(it.kafka.sent[0][2])["by"]["id"]


async def test_a_letter_that_is_open_is_not_closed_by_an_update(page: Page, it: Running) -> None:
    await _log_in(page, it, ADULT)
    await page.get_by_text("Visa Provsvar").click()
    tell(it.world, "document.delivered.v1", delivered("doc-7", ADULT, title="Väntetid"))
    await page.wait_for_timeout(3_000)
    await expect(page.locator(".letter b")).to_be_visible()
    await page.get_by_text("Visa Provsvar").click()
    await page.get_by_role("heading", level=1).click()
    await expect(page.get_by_role("heading", name="Väntetid")).to_be_visible(timeout=8_000)


async def test_a_number_that_is_wrong_is_told_at_the_field(page: Page, it: Running) -> None:
    await page.goto(f"{it.url}/app")
    await page.get_by_label("personnummer").fill("198005179811")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("alert")).to_have_text("Det numret stämmer inte.")


async def test_the_login_page_works_by_keyboard_and_ends_at_the_client(page: Page, it: Running) -> None:
    back = f"{it.url}/why"
    asked = {"client_id": "portal", "redirect_uri": back, "response_type": "code", "scope": "openid", "state": "s1",
             "code_challenge": challenge_of("v" * 43), "code_challenge_method": "S256"}  # fmt: skip
    await page.goto(f"{it.url}/oidc/authorize?{urlencode(asked)}")
    await expect(page.get_by_label("Användarnamn")).to_be_focused()
    await page.keyboard.type("petra")
    await page.keyboard.press("Tab")
    await page.keyboard.type("wrong")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("alert")).to_be_visible()
    await page.get_by_label("Lösenord").fill("sandbox")
    await page.keyboard.press("Enter")
    await page.wait_for_url(re.compile("/why"))
    assert re.search(r"code=[\w-]{20,}&state=s1", page.url)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/", "/why?document=doc-3", "/app", "/app as a resident", "/oidc/authorize"])
async def test_every_page_is_readable_named_ordered_and_fits_a_phone(
    browser: Browser, it: Running, path: str, scheme: str
) -> None:
    """WCAG 2.2: 1.3.1, 1.4.3, 1.4.10, 2.4.2, 3.1.1, 3.3.2, as far as a script can tell."""
    context = await browser.new_context(viewport={"width": 320, "height": 700}, color_scheme=scheme)  # type: ignore[arg-type]
    page = await context.new_page()
    if path == "/app as a resident":
        await _log_in(page, it, ADULT)
        await page.get_by_text("Visa Provsvar").click()
    else:
        asked = {"client_id": "portal", "redirect_uri": "http://127.0.0.1:9/", "response_type": "code", "scope": "openid",
                 "code_challenge": "x", "code_challenge_method": "S256"}  # fmt: skip
        await page.goto(f"{it.url}{path}" + (f"?{urlencode(asked)}" if path.startswith("/oidc") else ""))
    assert await page.evaluate(CONTRAST) == []
    assert await page.evaluate(UNNAMED) == []
    levels = await page.evaluate(HEADINGS)
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert await page.evaluate("document.documentElement.scrollWidth") <= 320
    assert await page.title()
    assert await page.evaluate("document.documentElement.lang") == ("en" if path in ("/", "/why?document=doc-3") else "sv")
    await context.close()


async def test_the_first_tab_stop_skips_to_the_content(page: Page, it: Running) -> None:
    await page.goto(it.url)
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")
    await expect(page.get_by_label("Document, booking or room id")).to_be_focused()
