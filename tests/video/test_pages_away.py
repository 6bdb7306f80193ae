"""A room's bridge that is being started again: pages wait for it, and nobody is told that a right link or code is wrong."""

import pytest
from playwright.async_api import async_playwright

from tests.connectors.sandbox_support import chromium
from tests.video.bridge_support import PAT, worlds
from tests.video.test_pages_browser import ARGUMENTS, DESKTOP, section, visitor
from tests.video.test_several_bridges import named


@pytest.mark.slow
async def test_a_link_and_a_code_that_come_while_the_bridge_is_away_let_people_in_when_it_is_back() -> None:
    faults: list[str] = []
    async with worlds(2) as (door, other), async_playwright() as playwright:
        room = door.room(named(1), PAT)
        _, link = await door.api("POST", f"/api/rooms/{room.room_id}/join", "app", {"patient": PAT})
        _, invited = await door.api("POST", f"/api/rooms/{room.room_id}/invite", "lisa", {"one_time_code": True})
        browser = await playwright.chromium.launch(executable_path=chromium(), headless=True, args=ARGUMENTS)
        try:
            patient, guest = await visitor(browser, DESKTOP, faults), await visitor(browser, DESKTOP, faults)
            other.ready = False
            async with patient.expect_response("**/ticket") as answer:
                await patient.goto(link["url"])
            assert (await answer.value).status == 503
            await guest.goto(invited["url"])
            await guest.fill("#name", "Gun Gäst")
            await guest.fill("#one-time", invited["one_time_code"])
            async with guest.expect_response("**/login") as answer:
                await guest.click("#code-form button")
            assert (await answer.value).status == 503
            assert await guest.inner_text("#fault") == "" and await patient.inner_text("#gate") == "Ett ögonblick …"
            other.ready = True
            for page in (patient, guest):
                await page.click("#connect")
            await section(patient, "wait")
            await section(guest, "wait")
        finally:
            await browser.close()
    assert faults == []
