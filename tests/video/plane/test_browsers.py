"""Real Chromium through the plane: what no table of bytes can promise."""

from pathlib import Path

from playwright.async_api import Page

from tests.video.plane.browser_support import Signals, browser, enter, received, signals, total, until
from tests.video.plane.net import Net, every, is_media, nothing
from video.plane.plane import Settings, tracks_of
from video.plane.port import Slot, SlotsChanged, Want


async def frames(page: Page) -> int:
    return await total(page, "video", "framesDecoded")


async def sounds(page: Page) -> int:
    return await total(page, "audio", "packetsReceived")


async def goes_on(page: Page, frames_more: int = 15, sounds_more: int = 15, timeout_s: float = 40.0) -> None:
    seen, heard = await frames(page), await sounds(page)

    async def more() -> bool:
        return await frames(page) >= seen + frames_more and await sounds(page) >= heard + sounds_more

    await until(more, "sound and picture", timeout_s)


def held(at: Signals, peer: str) -> list[Slot]:
    slots = [each for each in at.told_of(SlotsChanged) if each.peer == peer]
    return [slot for slot in slots[-1].slots if slot.peer] if slots else []


async def test_two_pages_hear_and_see_each_other_through_loss_a_restart_and_a_change_of_layers(tmp_path: Path) -> None:
    """One test, as starting a browser and its encoders is most of the cost."""
    net = Net()
    async with signals(bind=net.bind) as at, browser(tmp_path) as context:
        for peer in ("a", "b"):
            at.plane.join("room", peer, video_slots=2)
        one = await enter(context, at, "a", width=960, height=540, fps=8, layers=3)
        two = await enter(context, at, "b")
        for page in (one, two):
            await goes_on(page)
        assert {(slot.mid, slot.peer, slot.source) for slot in held(at, "b")} == {("a0", "a", "audio"), ("v0", "a", "camera")}

        camera = tracks_of(at.plane, "a")["camera"]

        async def three_layers() -> bool:
            return all(layer is not None and layer.hot.received > 10 for layer in camera.layers)

        await until(three_layers, "three layers", 40)

        async def width(page: Page) -> int:
            return max((each.get("frameWidth", 0) for each in await received(page) if each["kind"] == "video"), default=0)

        async def narrow() -> bool:
            return await width(two) == 240

        async def wide() -> bool:
            return await width(two) >= 480

        async def lost() -> int:
            return sum(each["packetsLost"] for each in await received(two) if each["kind"] == "video")

        async def lost_by_a_round() -> int:
            before = await lost()
            at.plane.want("b", [Want("a", "camera", "low")])
            await until(narrow, "the low layer")
            at.plane.want("b", [Want("a", "camera", "high")])
            await until(wide, "a higher layer")
            return await lost() - before

        losses = [await lost_by_a_round()]
        while losses[-1] > 2 and len(losses) < 3:  # a browser without a core for a second loses packets itself
            losses.append(await lost_by_a_round())
        assert min(losses) <= 2, f"a switch of layers looks like loss to the viewer: {losses}"

        net.lose_out = every(100, is_media)  # a hole of two seconds in all media to viewers
        await two.wait_for_timeout(2_000)

        async def a_hole() -> bool:
            return net.lost > 20

        await until(a_hole, "what is lost")
        net.lose_out = nothing
        for page in (one, two):
            await goes_on(page)

        await one.evaluate("offerAgain(true)")
        await goes_on(two)
        assert at.plane.door.refused.total() == 0, at.plane.door.refused

        at.plane.leave("a")

        async def alone() -> bool:
            return held(at, "b") == []

        await until(alone, "empty slots")
        assert tracks_of(at.plane, "b")["camera"].layers[0] is not None


async def test_a_network_that_lets_only_tcp_through_carries_sound_and_picture(tmp_path: Path) -> None:
    async with signals(Settings(udp=False)) as at, browser(tmp_path) as context:
        for peer in ("a", "b"):
            at.plane.join("room", peer, video_slots=1)
        pages = [await enter(context, at, peer) for peer in ("a", "b")]
        for page in pages:
            await goes_on(page)
        for page in pages:
            pairs = await page.evaluate("stats('sub')")
            used = [each for each in pairs.values() if each["type"] == "local-candidate" and each["protocol"] == "tcp"]
            assert used
            await page.close()

        async def gone() -> bool:
            return not at.plane.door.members

        await until(gone, "closed paths")


def test_the_rule_of_loss_loses_the_share_it_names() -> None:
    rule = every(30, lambda data: True)
    assert 28 <= sum(rule(b"") for _ in range(101)) <= 32
