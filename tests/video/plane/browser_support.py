"""Two pages that meet through the plane, with signalling as small as can be: three POSTs, and no events to the page."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from playwright.async_api import BrowserContext, Page, async_playwright

from tests.connectors.sandbox_support import CHROMIUM_ARGUMENTS, chromium
from video.plane.plane import ForwardingPlane, Settings
from video.plane.port import Told
from video.plane.shell import Bind, bound

ARGUMENTS = [
    *CHROMIUM_ARGUMENTS, "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required", "--disable-background-timer-throttling", "--disable-renderer-backgrounding",
    "--disable-backgrounding-occluded-windows",
]  # fmt: skip

PAGE = """<!doctype html><meta charset="utf-8"><title>plane</title><script>
const post = (path, sdp) => fetch(path + location.search, {method: 'POST', body: sdp}).then(async r => {
  const text = await r.text(); if (!r.ok) throw new Error(text); return text; });
async function publish({width, height, fps, layers}) {
  const stream = await navigator.mediaDevices.getUserMedia({audio: true, video: {width, height, frameRate: fps}});
  const pc = window.pub = new RTCPeerConnection({bundlePolicy: 'max-bundle'});
  pc.addTransceiver(stream.getAudioTracks()[0], {direction: 'sendonly'});
  const sendEncodings = layers === 1 ? [{}] : [
    {rid: 'q', scaleResolutionDownBy: 4, maxBitrate: 150000}, {rid: 'h', scaleResolutionDownBy: 2, maxBitrate: 500000},
    {rid: 'f', maxBitrate: 1500000}];
  pc.addTransceiver(stream.getVideoTracks()[0], {direction: 'sendonly', sendEncodings});
  pc.addTransceiver('video', {direction: 'sendonly'});
  pc.addTransceiver('audio', {direction: 'sendonly'});
  return offerAgain(false);
}
async function offerAgain(iceRestart) {
  const pc = window.pub;
  await pc.setLocalDescription(await pc.createOffer({iceRestart}));
  window.offer = pc.localDescription.sdp;
  await pc.setRemoteDescription({type: 'answer', sdp: await post('/publish', pc.localDescription.sdp)});
}
async function subscribe() {
  const pc = window.sub = new RTCPeerConnection({bundlePolicy: 'max-bundle'});
  pc.ontrack = event => {
    const element = document.createElement(event.track.kind);
    element.autoplay = true; element.id = event.transceiver.mid; element.srcObject = new MediaStream([event.track]);
    document.body.append(element);
  };
  await pc.setRemoteDescription({type: 'offer', sdp: await post('/subscribe', '')});
  await pc.setLocalDescription(await pc.createAnswer());
  window.answer = pc.localDescription.sdp;
  await post('/subscribed', pc.localDescription.sdp);
}
async function stats(name) {
  const found = {};
  for (const each of (await window[name].getStats()).values()) found[each.id] = each;
  return found;
}
</script>"""


@dataclass
class Signals:
    """The plane behind its signalling; what it told, in order."""

    plane: ForwardingPlane
    url: str
    told: list[Told] = field(default_factory=list)

    def told_of(self, kind: type[Any]) -> list[Any]:
        return [each for each in self.told if isinstance(each, kind)]


@asynccontextmanager
async def signals(settings: Settings | None = None, bind: Bind = bound) -> AsyncIterator[Signals]:
    told: list[Told] = []
    plane = ForwardingPlane(told.append, settings or Settings(), bind=bind)
    await plane.start()

    async def page(request: web.Request) -> web.Response:
        return web.Response(text=PAGE, content_type="text/html")

    async def post(request: web.Request) -> web.Response:
        peer = request.query["peer"]
        text = await request.text()
        match request.path:
            case "/publish":
                return web.Response(text=await plane.publish(peer, text))
            case "/subscribe":
                return web.Response(text=await plane.subscribe(peer))
            case _:
                await plane.subscribed(peer, text)
                return web.Response(text="")

    app = web.Application()
    app.router.add_get("/", page)
    for path in ("/publish", "/subscribe", "/subscribed"):
        app.router.add_post(path, post)
    server = TestServer(app)
    await server.start_server(access_log=None)
    try:
        yield Signals(plane, str(server.make_url("/")), told)
    finally:
        await server.close()
        await plane.close()


@asynccontextmanager
async def browser(directory: Path) -> AsyncIterator[BrowserContext]:
    async with async_playwright() as playwright:
        context = await playwright.chromium.launch_persistent_context(
            directory / "profile", executable_path=chromium(), headless=True, args=ARGUMENTS, permissions=["camera", "microphone"]
        )
        try:
            yield context
        finally:
            await context.close()


async def enter(context: BrowserContext, at: Signals, peer: str, **media: Any) -> Page:
    """A page that publishes and subscribes."""
    page = await context.new_page()
    await page.goto(f"{at.url}?peer={peer}")
    wanted = {"width": 640, "height": 360, "fps": 15, "layers": 1} | media
    await page.evaluate("media => publish(media)", wanted)
    await page.evaluate("subscribe()")
    return page


async def received(page: Page) -> list[dict[str, Any]]:
    """The page's inbound streams."""
    found: dict[str, dict[str, Any]] = await page.evaluate("stats('sub')")
    return [each for each in found.values() if each["type"] == "inbound-rtp"]


async def total(page: Page, kind: str, what: str) -> int:
    return sum(each.get(what, 0) for each in await received(page) if each["kind"] == kind)


async def until(condition: Any, what: str, timeout_s: float = 30.0) -> None:
    """Wait for an awaitable condition to be true."""
    try:
        async with asyncio.timeout(timeout_s):
            while not await condition():
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise AssertionError(f"waited {timeout_s:g} s for {what}") from None
