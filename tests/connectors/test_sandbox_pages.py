"""The sandbox's pages in a real browser: what they show, that they keep themselves current, that anybody can use them."""

import re
from collections.abc import AsyncIterator
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlencode

import aiohttp
import orjson
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright, expect

from connectors.sandbox.oidc.codes import challenge_of
from schemas import persons
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
    arrived,
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

expect.set_options(timeout=25_000)  # a busy machine is no fault of the page
FILE = {"name": "Information.pdf", "content_type": "application/pdf; name=i.pdf", "sha256": "0" * 64, "size": 5300}
FUTURE = NOW + timedelta(days=3_000)
NEW = persons.fictitious(date(1990, 4, 21), 985)
"""An adult without an account."""
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
SMALL_TARGETS = """() => [...document.querySelectorAll("a, button, input:not([type=hidden]), select")]
  .filter((e) => e.checkVisibility() && !e.closest(".letter, p:not(:has(> a:only-child)), dd, footer, .skip"))
  .filter((e) => { const b = e.getBoundingClientRect(); return b.width > 1 && (b.height < 44 || b.width < 44); })
  .map((e) => e.outerHTML.slice(0, 80))"""
MOVING = "[...document.querySelectorAll('*')].filter((e) => parseFloat(getComputedStyle(e).transitionDuration) > 0).length"
LONG_BODY = "<h1>Kallelse</h1><p>" + "x" * 80 + "</p><table><tr>" + "<td>Provtagning</td>" * 8 + "</tr></table>"
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
        for pid, name in ((ADULT, "Alva Almdalsson"), (PARENT, "Nils Ekbacke"), (CHILD, "Tuva Ekbacke"), (NEW, "Ebba Ny")):
            tell(world, "person.changed.v1", person(pid, name))
        for pid in (ADULT, PARENT):
            tell(world, "account.changed.v1", account(pid))
        link = {"patient": CHILD, "agent": PARENT, "relation": "guardian", "state": "active", "as_of": NOW}
        tell(world, "agent.changed.v1", link)
        tell(world, "document.delivered.v1", delivered("doc-1", ADULT, attachments=[FILE]))
        tell(world, "document.delivered.v1", delivered("doc-2", CHILD, PARENT, title="Vaccination"))
        tell(world, "decision.made.v1", decision("doc-1"))
        tell(world, "decision.made.v1", decision("doc-3", "R5", outcome="print", channels=["print"], reason="control_code_missing"))
        tell(world, "print.entered.v1", printed("doc-3"))
        relay = printed("doc-4", "protected_identity", manual_handling=True, urgent=True, **{"class": "relay"})
        del relay["title"]
        tell(world, "print.entered.v1", relay)
        tell(world, "booking.shown.v1", booking("b-1", ADULT, start=FUTURE))
        tell(world, "booking.shown.v1", booking("b-2", CHILD, start=FUTURE, video=False))
        tell(world, "delivery.requested.v1", requested("doc-1", ADULT))
        arrived(world, "kivra", ADULT, "doc-1")
        tell(world, "notification.requested.v1", notified("doc-1", ADULT))
        window = {"opens_at": NOW + timedelta(days=2_999), "closes_at": NOW + timedelta(days=3_001)}
        tell(world, "room.changed.v1", room("r-1", "b-1") | window)
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


async def _go(page: Page, name: str) -> None:
    await page.get_by_role("navigation").get_by_role("link", name=name).click()
    await expect(page.get_by_role("navigation").get_by_role("link", name=name)).to_have_attribute("aria-current", "page")


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
    await expect(page.get_by_text("attachment_not_pdf")).to_be_visible()
    assert await page.evaluate("document.activeElement.value") == "half typed"
    assert await page.evaluate("window.here === document.querySelector('[data-live=rooms]').firstChild"), "an unchanged part moved"


async def test_updates_can_be_paused_and_resumed(page: Page, it: Running) -> None:
    await page.goto(it.url)
    await page.get_by_role("button", name="Pause updates").click()
    tell(it.world, "print.entered.v1", printed("doc-9", "attachment_not_pdf"))
    await page.wait_for_timeout(3_000)
    await expect(page.get_by_text("attachment_not_pdf")).to_have_count(0)
    await page.get_by_role("button", name="Resume updates").click()
    await expect(page.get_by_text("attachment_not_pdf")).to_be_visible()


async def test_an_unchanged_page_is_not_sent_again(it: Running) -> None:
    async with aiohttp.ClientSession() as session:
        async with session.get(it.url) as answer:
            etag = answer.headers["ETag"]
        async with session.get(it.url, headers={"If-None-Match": etag}) as answer:
            assert (answer.status, await answer.read()) == (304, b"")
        tell(it.world, "print.entered.v1", printed("doc-9"))
        async with session.get(it.url, headers={"If-None-Match": etag}) as answer:
            assert answer.status == 200


async def test_a_resident_opens_a_letter_a_receipt_is_published_and_it_shows_settled(page: Page, it: Running) -> None:
    await _log_in(page, it, ADULT)
    await _go(page, "Dokument")
    await expect(page).to_have_title("Dokument – Invånarappen (test)")
    await page.get_by_role("button", name="Oläst").filter(has_text="Provsvar").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Provsvar")
    await expect(page.get_by_role("link", name="https://www.example.org/prov")).to_have_attribute("href", "https://www.example.org/prov")
    await expect(page.locator(".letter b")).to_have_text("bra")
    await expect(page.get_by_text("[4US:LPAT]")).to_be_visible()
    await expect(page.get_by_role("link", name="Öppna Information.pdf")).to_have_attribute("href", f"/app/attachments/{'0' * 64}/open")
    await expect(page.get_by_text("Läskvittot är skickat till vården.")).to_be_visible()
    (sent,) = it.kafka.sent
    envelope, data = decode_record(sent[3], sent[2])
    decode(envelope.type, data)
    plain = orjson.loads(data)
    assert (sent[0], plain["document_id"], plain["read_by"]) == ("receipts.v1", "doc-1", ADULT)
    tell(it.world, "document.settled.v1", {"document_id": "doc-1", "outcome": "read", "at": NOW})
    await expect(page.get_by_text("Klart: vården ser att dokumentet är läst.").first).to_be_visible()
    await expect(page.locator("#news")).to_have_text("Klart: vården ser att dokumentet är läst.")
    await page.get_by_role("link", name="Alla dokument").click()
    await expect(page.locator("section").filter(has_text="Lästa")).to_contain_text("Provsvar")


async def test_without_scripts_a_resident_reads_and_blocks_all_the_same(browser: Browser, it: Running) -> None:
    context = await browser.new_context(java_script_enabled=False)
    page = await context.new_page()
    await _log_in(page, it, ADULT)
    await page.get_by_role("button", name="Provsvar").click()
    await expect(page.locator(".letter b")).to_have_text("bra")
    await _go(page, "Konto")
    await page.get_by_role("link", name="Spärra kontot").click()
    await page.get_by_role("button", name="Spärra kontot").click()
    await expect(page.get_by_text("Kontot är spärrat.")).to_be_visible()
    assert [record[0] for record in it.kafka.sent] == ["receipts.v1", "accounts.v1"]
    await context.close()


async def test_a_guardian_changes_to_the_child_and_sees_its_letter_and_booking_and_nobody_elses(page: Page, it: Running) -> None:
    await _log_in(page, it, PARENT)
    await expect(page.get_by_text("Provsvar")).to_have_count(0)
    await _go(page, "Personer")
    await page.get_by_role("button", name="Tuva Ekbacke").click()
    await expect(page.get_by_text("Du visar Tuva Ekbacke.")).to_be_visible()
    await _go(page, "Tider")
    await expect(page.locator(".booking")).to_have_count(1)
    await _go(page, "Dokument")
    await page.get_by_role("button", name="Vaccination").click()
    await expect(page.locator(".facts")).to_contain_text("Tuva Ekbacke")
    assert orjson.loads(it.kafka.sent[0][2])["patient"] == CHILD
    await page.get_by_role("button", name="Visa mina egna").click()
    await expect(page.get_by_text("Här är det tomt.")).to_be_visible()


async def test_a_resident_is_told_what_a_block_means_blocks_and_cannot_undo_it(page: Page, it: Running) -> None:
    await _log_in(page, it, ADULT)
    await _go(page, "Konto")
    await page.get_by_role("link", name="Spärra kontot").click()
    await expect(page.get_by_role("listitem").filter(has_text="Du kan inte ångra det själv.")).to_be_visible()
    assert it.kafka.sent == []
    await page.get_by_role("button", name="Spärra kontot").click()
    await expect(page.get_by_text(re.compile(r"spärrades \d{4}-\d\d-\d\d \d\d:\d\d av dig"))).to_be_visible()
    await expect(page.get_by_text("Bara vården kan låsa upp det")).to_be_visible()
    await expect(page.get_by_role("link", name="Dokument")).to_have_count(0)
    (sent,) = it.kafka.sent
    assert orjson.loads(sent[2])["account"] == "blocked"


async def test_a_resident_without_an_account_opens_one_knowing_the_terms(page: Page, it: Running) -> None:
    await _log_in(page, it, NEW)
    await expect(page.get_by_text("Det går inte att tacka nej till elektroniska kallelser")).to_be_visible()
    await page.get_by_role("button", name="Öppna konto").click()
    await expect(page.get_by_role("status").filter(has_text="Kontot är öppet.")).to_be_visible()
    told = orjson.loads(it.kafka.sent[0][2])
    assert (told["account"], told["by"]["role"]) == ("active", "resident")
    assert NEW not in told["by"]["id"]


async def test_a_number_for_notifications_is_saved_and_a_wrong_one_is_told_at_the_field(page: Page, it: Running) -> None:
    await _log_in(page, it, ADULT)
    await _go(page, "Konto")
    await page.get_by_label("Mobilnummer").fill("12")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("alert")).to_contain_text("Skriv ett telefonnummer med siffror")
    await expect(page.get_by_label("Mobilnummer")).to_have_attribute("aria-invalid", "true")
    await page.get_by_label("Mobilnummer").fill("070-174 06 40")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("status").filter(has_text="Numret är sparat.")).to_be_visible()
    await expect(page.get_by_label("Mobilnummer")).to_have_value("070-174 06 40")
    (sent,) = it.kafka.sent
    assert orjson.loads(sent[2])["phone"] == "+46701740640"


async def test_a_withdrawn_letter_goes_while_it_is_read_and_nothing_tells_why(page: Page, it: Running) -> None:
    await _log_in(page, it, ADULT)
    await page.get_by_role("button", name="Provsvar").click()
    await expect(page.locator(".letter b")).to_be_visible()
    tell(it.world, "document.withdrawn.v1", {"document_id": "doc-1", "at": NOW})
    await expect(page.get_by_role("heading", name="Dokumentet visas inte")).to_be_visible()
    await expect(page.locator(".letter")).to_have_count(0)


async def test_the_door_of_a_video_room_opens_in_time(page: Page, it: Running) -> None:
    await _log_in(page, it, ADULT)
    await _go(page, "Tider")
    booked = page.locator(".booking").filter(has_text="Videobesök")
    await expect(booked).to_contain_text(re.compile(r"Mötet öppnar .* \d\d:\d\d\."))
    await expect(booked.get_by_role("link")).to_have_count(0)
    now = it.sandbox.clock.now()
    tell(it.world, "room.changed.v1", room("r-1", "b-1") | {"state": "active", "opens_at": now, "closes_at": now + timedelta(hours=1)})
    await expect(booked.get_by_role("link", name="Anslut")).to_have_attribute("href", "/app/meet/r-1")
    await expect(page.locator("#news")).to_contain_text("Mötet är öppet.")


async def test_a_new_document_is_told_politely_and_takes_no_focus(page: Page, it: Running) -> None:
    await _log_in(page, it, ADULT)
    await _go(page, "Dokument")
    await page.get_by_role("link", name="Konto").focus()
    tell(it.world, "document.delivered.v1", delivered("doc-7", ADULT, title="Väntetid"))
    await expect(page.get_by_role("button", name="Väntetid")).to_be_visible()
    await expect(page.locator("#news[role=status]")).to_contain_text("Nytt dokument: Väntetid")
    await expect(page.get_by_role("button", name="Väntetid")).not_to_be_focused()


async def test_a_page_that_has_lost_contact_says_so_until_it_has_it_again(page: Page, it: Running) -> None:
    await _log_in(page, it, ADULT)
    notice = page.get_by_text("Ingen kontakt just nu.")
    await expect(notice).to_be_hidden()
    await page.route("**/app", lambda route: route.abort())
    await expect(notice).to_be_visible()
    await page.unroute("**/app")
    await expect(notice).to_be_hidden()


async def test_what_holds_the_focus_is_not_changed_under_the_reader(page: Page, it: Running) -> None:
    await _log_in(page, it, ADULT)
    await _go(page, "Dokument")
    await page.get_by_role("button", name="Provsvar").focus()
    tell(it.world, "document.delivered.v1", delivered("doc-7", ADULT, title="Väntetid"))
    await expect(page.locator("nav .badge")).to_have_text(re.compile("2"))
    await expect(page.get_by_role("button", name="Provsvar")).to_be_focused()
    await page.evaluate("document.activeElement.blur()")
    await expect(page.get_by_role("button", name="Väntetid")).to_be_visible()


async def test_a_person_of_the_list_is_a_click_away_and_marked_as_a_test(page: Page, it: Running) -> None:
    await page.goto(f"{it.url}/app")
    await expect(page.get_by_text("Alla personer är påhittade.")).to_be_visible()
    await expect(page.get_by_text("Här finns varken BankID eller Freja.")).to_be_visible()
    await page.get_by_role("button", name="Alva Almdalsson").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Hej Alva!")
    await page.get_by_role("button", name="Logga ut").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Logga in")


async def test_a_number_that_is_wrong_is_told_at_the_field(page: Page, it: Running) -> None:
    await page.goto(f"{it.url}/app")
    await page.get_by_label("personnummer").fill("198005179811")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("alert")).to_contain_text("Det numret stämmer inte.")
    await expect(page.get_by_label("personnummer")).to_be_focused()


async def test_the_operators_see_what_arrived_at_every_stand_in(page: Page, it: Running) -> None:
    await page.goto(f"{it.url}/inboxes")
    row = page.get_by_role("region", name="Kivra").first.get_by_role("row").filter(has_text="doc-1")
    await expect(row).to_contain_text("Alva Almdalsson")
    await expect(row).to_contain_text("once")
    arrived(it.world, "kivra", ADULT, "doc-1")
    await expect(row).to_contain_text("2 times")
    assert not re.search(r"[0-9]{8}-?9[89][0-9]{2}", await page.content()), "a person's number is on the page"


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


OPERATORS = ["/", "/why?document=doc-3", "/inboxes"]
LOGIN = f"/oidc/authorize?{urlencode({'client_id': 'portal', 'redirect_uri': 'http://127.0.0.1:9/', 'response_type': 'code', 'scope': 'openid', 'code_challenge': 'x', 'code_challenge_method': 'S256'})}"  # noqa: E501
OF_A_RESIDENT = ["/app", "/app/documents", "/app/documents/doc-1", "/app/documents/doc-5", "/app/documents/nothing", "/app/bookings",
                 "/app/people", "/app/account", "/app/account/block"]  # fmt: skip


async def test_every_page_is_readable_named_ordered_and_fits_a_phone(browser: Browser, it: Running) -> None:
    """WCAG 2.2: 1.3.1, 1.4.3, 1.4.10 (and so 1.4.4: 640 px at 200 %), 2.4.2, 2.4.7, 2.5.8, 3.1.1, 3.3.2, as far as a script can tell."""
    context = await browser.new_context(viewport={"width": 320, "height": 700}, reduced_motion="reduce")
    page = await context.new_page()
    tell(it.world, "agent.changed.v1", {"patient": CHILD, "agent": ADULT, "relation": "guardian", "state": "active", "as_of": NOW})
    tell(it.world, "document.delivered.v1", delivered("doc-5", ADULT, title="Kallelse till röntgenundersökning", body=LONG_BODY))
    now = it.sandbox.clock.now()
    tell(it.world, "room.changed.v1", room("r-1", "b-1") | {"state": "active", "opens_at": now, "closes_at": now + timedelta(hours=1)})
    titles = {}
    for path in [*OPERATORS, LOGIN, "/app"]:
        await page.goto(it.url + path)
        titles[path] = await _assert_accessible(page, path, "en" if path in OPERATORS else "sv")
    await _log_in(page, it, ADULT)
    await page.get_by_role("button", name="Provsvar").click()
    for path in OF_A_RESIDENT:
        await page.goto(it.url + path)
        titles[f"{path} as a resident"] = await _assert_accessible(page, path, "sv")
        assert await page.evaluate(SMALL_TARGETS) == [], path
        assert await page.locator("main, nav, header, footer").count() >= 4, path
    assert len(set(titles.values())) == len(titles), "two pages have the same title"
    await context.close()


async def _assert_accessible(page: Page, path: str, language: str) -> str:
    """All that a script can tell of one page, in both colour schemes; its title."""
    for scheme in ("light", "dark"):
        await page.emulate_media(color_scheme=scheme)
        assert await page.evaluate(CONTRAST) == [], (path, scheme)
    assert await page.evaluate(MOVING) == 0, path
    assert await page.evaluate(UNNAMED) == [], path
    levels = await page.evaluate(HEADINGS)
    assert (levels[0], levels.count(1)) == (1, 1), path
    assert all(after <= before + 1 for before, after in pairwise(levels)), path
    assert await page.evaluate("document.documentElement.scrollWidth") <= 320, path
    assert await page.evaluate("document.documentElement.lang") == language, path
    assert await page.evaluate("document.querySelectorAll('main').length") == 1, path
    return await page.title()


async def test_every_control_can_be_reached_by_tab_and_shows_that_it_is(page: Page, it: Running) -> None:
    await _log_in(page, it, ADULT)
    await _go(page, "Konto")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Konto")
    wanted = await page.evaluate("document.querySelectorAll('a[href], button:not([hidden]), input:not([type=hidden]), select').length")
    reached = []
    for _ in range(wanted):
        await page.keyboard.press("Tab")
        outline, name = await page.evaluate(
            "(() => { const e = document.activeElement, s = getComputedStyle(e);"
            " return [s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2, e.outerHTML.slice(0, 90)]; })()"
        )
        assert outline, name
        reached.append(name)
    assert len(set(reached)) == wanted, reached


async def test_the_first_tab_stop_skips_to_the_content(page: Page, it: Running) -> None:
    await page.goto(it.url)
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")
    await expect(page.get_by_label("Document, booking or room id")).to_be_focused()
