"""No page that people see breaks a rule of WCAG 2.2 A or AA that axe-core can judge, on a phone or a desk."""

from pathlib import Path
from typing import Final

import pytest
from playwright.async_api import Browser, Page

from tests import axe
from tests.video.test_pages_browser import ARGUMENTS, DESKTOP, PHONE, clinic, visitor
from tests.video.walk import every_page

pytestmark = pytest.mark.slow
STILLS: Final = [*ARGUMENTS, "--use-fake-device-for-media-stream=fps=2"]
"""Here pictures need not move."""
STATES_MIN: Final = 48
FAULTY: Final = """<!doctype html><html><title>x</title><img src="x.png"><p style="color: #999; background: #fff">Svagt</p>
<input><button></button></html>"""


async def test_no_page_breaks_a_rule_of_accessibility_that_a_script_can_judge(cache_dir: Path) -> None:
    source, faults, seen, broken = axe.script(cache_dir), list[str](), list[str](), list[str]()

    async def look(name: str, page: Page) -> None:
        seen.append(name)
        for width, height in (PHONE, DESKTOP):
            await page.set_viewport_size({"width": width, "height": height})
            for each in await axe.violations(page, source):
                broken.extend(f"{name} at {width} px, {each['id']}: {node}" for node in each["nodes"])

    async def fresh(browser: Browser) -> Page:
        return await visitor(browser, DESKTOP, faults)

    async with clinic(STILLS) as (w, browser):
        page = await fresh(browser)
        await page.set_content(FAULTY)
        found = {each["id"] for each in await axe.violations(page, source)}
        assert {"image-alt", "color-contrast", "label", "button-name", "html-has-lang"} <= found, "what is wrong is found"
        await page.close()
        await every_page(w, browser, fresh, look)
    assert broken == [], "\n".join(broken)
    assert faults == []
    assert len(seen) == len(set(seen)) >= STATES_MIN
