"""The pages in a real browser with made-up devices, over the real forwarding plane: a visit with a guest, and what phones see."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Browser, Page, Route, async_playwright

from tests.connectors.sandbox_support import CHROMIUM_ARGUMENTS, chromium
from tests.video.bridge_support import NOWHERE, PAT, PER, TextedGuests, Turn, World, world
from tests.video.walk import one_time_code
from video.plane.plane import ForwardingPlane
from video.plane.port import VideoPaused

ARGUMENTS = [
    *CHROMIUM_ARGUMENTS, "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required", "--disable-background-timer-throttling", "--disable-renderer-backgrounding",
    "--disable-backgrounding-occluded-windows",
]  # fmt: skip
DESKTOP, PHONE = (1280, 800), (390, 844)
SEEN = """[...document.querySelectorAll('.tile:not(.empty):not(.off) video')].filter(v => v.videoWidth > 0 && v.currentTime > 0).length"""
EMPTY = "document.querySelector('#chat-text').value + document.querySelector('#chat-fault').textContent === ''"
BREAK = "(window.broken = meeting.line.ws).close()"
BACK = "meeting.line.ws !== window.broken && meeting.line.ready"
WAIT_S = 180.0


@asynccontextmanager
async def clinic(arguments: list[str] = ARGUMENTS, turn: Turn = NOWHERE) -> AsyncIterator[tuple[World, Browser]]:
    async with world(ForwardingPlane, turn=turn, guests=TextedGuests()) as w, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium(), headless=True, args=arguments)
        try:
            yield w, browser
        finally:
            await browser.close()


async def visitor(browser: Browser, size: tuple[int, int], faults: list[str]) -> Page:
    """A browser of their own: no cookie is shared."""
    context = await browser.new_context(
        viewport={"width": size[0], "height": size[1]}, permissions=["camera", "microphone"], locale="sv-SE", is_mobile=size == PHONE,
        has_touch=size == PHONE,
    )  # fmt: skip
    context.set_default_timeout(WAIT_S * 1000)
    page = await context.new_page()
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda said: faults.append(said.text) if "Content Security Policy" in said.text else None)
    return page


async def until(page: Page, expression: str) -> None:
    """Playwright's own waiting evaluates text in the page, which the page's policy forbids, rightly."""
    async with asyncio.timeout(WAIT_S):
        while not await page.evaluate(expression):
            await asyncio.sleep(0.1)


async def section(page: Page, name: str) -> None:
    await until(page, f"document.body.dataset.section === '{name}'")


async def fits(page: Page) -> None:
    assert await page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth + 1"), "nothing is cut off"


async def log_in(page: Page, w: World, path: str = "/") -> None:
    await page.goto(f"{w.url}/login?next={path}")
    await page.fill("#username", "lisa")
    await page.fill("#password", "sandbox")
    await page.click("button[type=submit]")


async def patient_at_the_door(page: Page, w: World, room: str, patient: str) -> None:
    _, link = await w.api("POST", f"/api/rooms/{room}/join", "app", {"patient": patient})
    await page.goto(link["url"])
    await page.click("#connect")


@pytest.mark.slow
async def test_staff_a_patient_and_a_guest_meet() -> None:
    faults: list[str] = []
    async with clinic() as (w, browser):
        room = w.room("room-1", PAT)
        pat = await visitor(browser, PHONE, faults)
        await patient_at_the_door(pat, w, "room-1", PAT)
        await section(pat, "wait")
        assert "#t=" not in pat.url, "the ticket does not stay in the address"
        await fits(pat)

        lisa = await visitor(browser, DESKTOP, faults)
        await log_in(lisa, w)
        await lisa.click("text=Starta video")
        await lisa.fill("#title", "Läkare")
        await lisa.click("#connect")
        for page in (lisa, pat):
            await section(page, "meet")
            await until(page, f"{SEEN} >= 2")
        assert "Läkare" in await pat.inner_text("#tiles")

        await lisa.click("#show-people")
        await lisa.click("#bring")
        code = await one_time_code(lisa)
        await lisa.keyboard.press("Escape")
        assert await lisa.evaluate("!document.querySelector('#invite').open && !document.querySelector('#side').hidden"), "one at a time"
        assert await pat.evaluate("document.querySelector('#bring, #invite') === null"), "patients invite nobody"

        gun = await visitor(browser, PHONE, faults)
        await gun.goto(f"{w.url}/m/{w.code(room)}")
        await fits(gun)
        await gun.fill("#name", "Gun Gäst")
        await gun.fill("#one-time", code)
        await gun.click("#code-form button")
        await gun.click("#connect")
        await until(gun, "document.querySelector('#wait-title').textContent === 'Du är i lobbyn'")
        assert "Läkare" not in await gun.inner_text("body") and "Pat" not in await gun.inner_text("body")
        await lisa.click("text=Släpp in")
        await section(gun, "meet")
        await until(lisa, f"{SEEN} >= 3")

        await pat.click("#hand")
        await until(lisa, "document.querySelector('.tile.hand .name')?.textContent.includes('Pat') === true")
        await gun.click("#show-chat")
        await gun.fill("#chat-text", "Hej!")
        await gun.keyboard.press("Enter")
        await until(lisa, "document.querySelector('#lines').textContent.includes('Hej!')")
        await gun.click("#side-close")
        assert await gun.evaluate("document.querySelector('#side').hidden && document.activeElement.id === 'show-chat'")
        await lisa.click("#people li:has-text('Pat') button")
        await lisa.click("text=Stäng av mikrofonen")
        await until(pat, "document.querySelector('#mute').textContent === 'Mikrofon av'")

        who = next(pid for pid, person in w.bridge.desk.meetings["room-1"].people.items() if person.role == "patient")
        for paused in (True, False):  # V13: a weak uplink stops the picture and not the sound
            w.bridge.desk.told(VideoPaused("room-1", who, None, paused))
            await until(pat, f"meeting.media.camera.getParameters().encodings.every(e => e.active === {str(not paused).lower()})")
            await until(lisa, f"document.querySelector('.tile.off') {'!=' if paused else '=='} null")

        await pat.click("#show-chat")
        await pat.fill("#chat-text", "Hallå?")
        await pat.evaluate(f"{BREAK}, document.querySelector('#chat-form').requestSubmit()")
        await until(pat, BACK)
        assert "skickades inte" in await pat.inner_text("#chat-fault"), "it is told until it is sent"
        await pat.evaluate("for (const each of [1, 2]) document.querySelector('#chat-form').requestSubmit()")
        await until(pat, EMPTY)
        await pat.fill("#chat-text", "Ett till")
        await pat.evaluate(f"document.querySelector('#chat-form').requestSubmit(), {BREAK}")
        await until(pat, BACK)
        await until(pat, EMPTY)  # it was kept, and only the answer was lost
        await until(lisa, "document.querySelector('#lines').textContent.includes('Ett till')")
        assert [line.text for line in w.bridge.desk.meetings["room-1"].chat] == ["Hej!", "Hallå?", "Ett till"], "each once"
        assert w.said("left") == [], "a line that broke came back by itself, to the same seat"
        await until(pat, f"{SEEN} >= 2")
        await lisa.click("#end")
        await lisa.click("#details-body button")
        for page in (lisa, pat, gun):
            await section(page, "over")
    assert faults == []


@pytest.mark.slow
async def test_no_click_is_lost_and_the_list_renews_itself_around_whoever_uses_it() -> None:
    faults: list[str] = []
    rows = "document.querySelectorAll('#list tbody tr').length"
    renew = "document.dispatchEvent(new Event('visibilitychange'))"
    async with clinic() as (w, browser):
        room = w.room("room-1", PAT)
        lisa = await visitor(browser, DESKTOP, faults)

        async def late(route: Route) -> None:
            await asyncio.sleep(2)
            await route.continue_()

        await lisa.route("**/static/day.js", late)
        await log_in(lisa, w)
        await lisa.click("button.invite")  # Playwright clicks what is enabled, as a person does
        await until(lisa, "document.querySelector('#invite-text').value.includes('/m/')")
        w.room("room-2", PER, starts=20)
        async with lisa.expect_response(f"{w.url}/"):
            await lisa.evaluate(renew)
        await asyncio.sleep(0.5)
        assert await lisa.evaluate(f"{rows} === 1 && document.querySelector('#invite').open"), "not under an open dialog"
        await lisa.click("#invite-close")
        await lisa.focus("button.who")
        await lisa.evaluate(renew)
        await until(lisa, f"{rows} === 2")
        assert await lisa.evaluate("document.activeElement.matches('#list button.who[data-room=room-1]:enabled')")
        await lisa.keyboard.press("Enter")
        await until(lisa, "document.querySelector('#who').open")
        await lisa.keyboard.press("Escape")

        await lisa.focus("#list a")
        await (await w.line("gun", "staff", room)).say("hello")
        await lisa.evaluate(renew)
        await until(lisa, "document.activeElement.matches('#list a') && document.activeElement.textContent === 'Anslut'")
        await lisa.evaluate("window.same = document.querySelector('#list'), document.querySelector('#date').value = '2020-01-01'")
        await lisa.evaluate(renew)
        await until(lisa, "document.querySelector('#date').value > '2020-01-01'")
        assert await lisa.evaluate("window.same === document.querySelector('#list')"), "what did not change is left alone"

        await lisa.route(f"{w.url}/", lambda route: route.abort())
        await lisa.evaluate(renew)
        await until(lisa, "document.querySelector('#stale').textContent !== ''")
        await lisa.unroute(f"{w.url}/")
        await lisa.context.clear_cookies()
        await lisa.evaluate(renew)
        await lisa.wait_for_selector("#username")
    assert faults == []


@pytest.mark.slow
async def test_staff_make_a_conference_invite_to_it_and_find_it_in_the_list() -> None:
    """V11."""
    faults: list[str] = []
    async with clinic() as (w, browser):
        lisa = await visitor(browser, DESKTOP, faults)
        await log_in(lisa, w)
        await lisa.click("summary")
        await lisa.fill("#subject", "Planering")
        await lisa.click("#conference button")
        await until(lisa, "document.querySelector('#invite-text').value.includes('/m/')")
        (made,) = w.bridge.desk.meetings.values()
        assert made.room.resource == "Lisa Lindmyr"
        async with lisa.expect_navigation():
            await lisa.click("#invite-close")
        await lisa.click(f"button.who[data-room='{made.room.room_id}']")
        await until(lisa, "document.querySelector('#who-body').textContent.includes('Planering')")
    assert faults == []


@pytest.mark.slow
async def test_a_patient_is_told_when_the_meeting_opens_and_a_withdrawal_ends_it_without_a_reason() -> None:
    faults: list[str] = []
    async with clinic() as (w, browser):
        w.room("room-1", PAT, starts=90)
        pat = await visitor(browser, PHONE, faults)
        await patient_at_the_door(pat, w, "room-1", PAT)
        await section(pat, "wait")
        await until(pat, "document.querySelector('#wait-text').textContent.includes('Mötet öppnar')")
        w.room("room-1", PAT, starts=40 * 60, sequence=2)  # rebooked to another day
        await until(pat, r"/öppnar \S+dag \d+ \S+ kl\. \d\d:\d\d\./.test(document.querySelector('#wait-text').textContent)")
        w.room("room-1", PAT, starts=40 * 60, state="void", reason="withdrawn", sequence=3)
        await section(pat, "over")
        assert await pat.inner_text("#over-title") == "Mötet gäller inte"
        assert not await pat.is_visible("#again")
    assert faults == []


@pytest.mark.slow
async def test_staff_read_and_write_the_chat_from_the_days_list_after_the_meeting() -> None:
    faults: list[str] = []
    async with clinic() as (w, browser):
        room = w.room("room-1", PAT)
        lisa = await visitor(browser, PHONE, faults)
        await log_in(lisa, w)
        await lisa.click("text=Starta video")
        await lisa.click("#connect")
        await section(lisa, "meet")
        await lisa.click("#show-chat")
        await lisa.fill("#chat-text", "Under mötet <b>")
        await lisa.keyboard.press("Enter")
        await until(lisa, "document.querySelector('#lines').textContent.includes('Under mötet <b>')")
        await lisa.click("#leave")
        w.room("room-1", PAT, state="closed", reason="ended", sequence=room.sequence + 1)
        await lisa.goto(w.url)
        await lisa.click("button.who")
        assert not [record for record in w.records if b"video.chat_read" in record.value]
        await lisa.click("#show-lines")
        await until(lisa, "document.querySelector('#who #lines')?.textContent.includes('Under mötet <b>') === true")
        await lisa.fill("#late-text", "Efter mötet")
        await lisa.click("#who form button")
        await until(lisa, "document.querySelector('#who #lines')?.textContent.includes('Efter mötet') === true")
        await fits(lisa)
    assert faults == []


@pytest.mark.slow
async def test_every_page_names_its_fields_and_fits_a_phone() -> None:
    faults: list[str] = []
    async with clinic() as (w, browser):
        w.room("room-1", PAT)
        w.room("room-2", PER, kind="group", starts=60)
        lisa = await visitor(browser, PHONE, faults)
        await log_in(lisa, w)
        await lisa.wait_for_selector("text=Dagens möten >> nth=0")
        for path in ("/", "/meet/room-1", "/m", "/m/ABCDEFGHJK"):
            await lisa.goto(w.url + path)
            await lisa.wait_for_selector("h1")
            await fits(lisa)
            unnamed = await lisa.evaluate(
                """[...document.querySelectorAll('input, select, textarea, button, a')].filter(e => e.checkVisibility() &&
                !(e.labels?.length || e.getAttribute('aria-label') || e.textContent.trim())).map(e => e.outerHTML)"""
            )
            assert unnamed == [], path
            assert await lisa.evaluate("document.documentElement.lang === 'sv' && document.querySelectorAll('h1').length >= 1")
            small = await lisa.evaluate(
                """[...document.querySelectorAll('button, select, input, a.button')].filter(e => e.checkVisibility() &&
                e.getBoundingClientRect().height < 43).map(e => e.outerHTML)"""
            )
            assert small == [], "a finger can hit it"
    assert faults == []
