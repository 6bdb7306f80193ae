"""Real Chromium through the plane: what no table of bytes can promise."""

from pathlib import Path

from tests.video.plane.browser_support import browser, enter, received, signals, total, until


async def test_two_pages_hear_and_see_each_other(tmp_path: Path) -> None:
    async with signals() as at, browser(tmp_path) as context:
        for peer in ("a", "b"):
            at.plane.join("room", peer, video_slots=2)
        pages = [await enter(context, at, peer) for peer in ("a", "b")]
        for page in pages:
            async def sees(page=page) -> bool:
                return await total(page, "video", "framesDecoded") > 20 and await total(page, "audio", "packetsReceived") > 20
            try:
                await until(sees, "sound and picture", 15)
            finally:
                print([{k: e.get(k) for k in ("kind", "packetsReceived", "packetsLost", "framesDecoded", "pliCount", "nackCount", "keyFramesDecoded", "framesReceived")} for e in await received(page)])
                print(dict(at.plane.figures()), dict(at.plane.door.refused), at.told)
