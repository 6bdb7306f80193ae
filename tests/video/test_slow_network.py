"""V13 in a real browser behind a slow link: a smaller picture, then none, and the sound all the time; and back."""

import asyncio
from typing import Final

import pytest
from playwright.async_api import Page

from tests.video.bridge_support import PAT
from tests.video.shaped import UNLIMITED, shaped
from tests.video.test_pages_browser import ARGUMENTS, DESKTOP, SEEN, clinic, log_in, patient_at_the_door, section, until, visitor

CALM: Final = [*ARGUMENTS, "--use-fake-device-for-media-stream=fps=8"]
OTHER: Final = "document.querySelector('.tile:not(:has(.own))')"
WIDTH: Final = f"({OTHER}.classList.contains('off') ? 0 : {OTHER}.querySelector('video').videoWidth)"
WEAK: Final = f"{OTHER}.querySelector('.veil').textContent.includes('svagt nät')"
TOLD: Final = "document.querySelector('#line-state').textContent.includes('din bild är avstängd')"
SOUND: Final = """(async () => {
  const found = [...(await meeting.media.in.getStats()).values()];
  return found.filter((each) => each.type === "inbound-rtp" && each.kind === "audio").reduce((sum, each) => sum + each.packetsReceived, 0);
})()"""


async def hears(page: Page, more: int = 60) -> None:
    """So many more packets of sound."""
    heard = await page.evaluate(SOUND)
    await until(page, f"{SOUND}.then((now) => now > {heard + more})")


@pytest.mark.slow
async def test_behind_a_slow_link_the_picture_shrinks_and_goes_the_sound_goes_on_and_all_of_it_comes_back() -> None:
    faults: list[str] = []
    async with clinic(CALM) as (w, browser), shaped(w.plane.port) as link:
        w.room("room-1", PAT)
        pat, lisa = await visitor(browser, DESKTOP, faults), await visitor(browser, DESKTOP, faults)
        await pat.add_init_script(link.script)
        await patient_at_the_door(pat, w, "room-1", PAT)
        await log_in(lisa, w, "/meet/room-1")
        await lisa.click("#connect")
        for page in (lisa, pat):
            await section(page, "meet")
            await until(page, f"{SEEN} >= 2")
        await until(pat, f"{WIDTH} > 320")

        link.down.bps = 300_000
        await until(pat, f"{WIDTH} === 320")
        await hears(pat)

        link.down.bps = 60_000  # what sound alone takes
        await until(pat, WEAK)
        await hears(pat)

        link.down.bps = UNLIMITED
        await until(pat, f"{WIDTH} > 0")
        assert not await pat.evaluate(TOLD), "the patient's own way up was good all the time"

        link.up.bps = 60_000
        await until(pat, TOLD)
        await until(lisa, WEAK)
        await hears(lisa)

        link.up.bps = UNLIMITED
        await until(lisa, f"{WIDTH} > 0 && !{WEAK}")
        await until(pat, f"!{TOLD}")
        await asyncio.gather(hears(lisa), hears(pat))
    assert faults == []
