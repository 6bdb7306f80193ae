"""`python -m connectors.sandbox`: the stand-ins on their port, beside a hub that has no real peers."""

import asyncio
import signal
import sys

import structlog
from aiohttp import web
from aiokafka import AIOKafkaProducer

from config import certificates
from config.health import LOOPBACK, add_health
from config.ports import PEERS
from config.settings import Settings, SettingsError, load
from config.telemetry import PrometheusMeter, set_up_logging
from connectors.sandbox import secured, signers
from connectors.sandbox.faults import Faults
from connectors.sandbox.learning import Learning
from connectors.sandbox.oidc.tokens import Signer, kept_key
from connectors.sandbox.publishing import Publishing
from connectors.sandbox.server import application
from connectors.sandbox.state import Sandbox
from connectors.sandbox.world import World
from pipelines.transport.access import KafkaAccess
from schemas.clock import Clock
from schemas.keys import PersonKeys

PART = "sandbox"
EXIT_WRONG_USE = 2
log = structlog.get_logger()


def refusal(settings: Settings) -> str | None:
    """Why the sandbox must not run with these settings; None if it may."""
    if settings.real_peers:
        named = ", ".join(settings.real_peers)
        return f"the sandbox does not run beside real peers; the settings name some: {named}"
    if not settings.sandbox.enabled:
        return "the sandbox is turned off in the settings (sandbox.enabled)"
    return None


async def run(settings: Settings) -> None:
    """Until SIGTERM or SIGINT, or until a part of it fails."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    access = KafkaAccess(
        settings.kafka_bootstrap, settings.kafka.username or None, settings.kafka_password(), tls=settings.kafka_tls()
    ).client_arguments()
    clock = Clock(settings.clock_file)
    world = World(settings.hub.sender)
    learning = Learning(world, access, clock.at)
    meter = PrometheusMeter(PART)
    async with AIOKafkaProducer(**access, client_id=PART, acks="all", enable_idempotence=True) as producer:
        publishing = Publishing(producer, PersonKeys(settings.person_key_secrets(), settings.hub.key_version))
        gateway = f"http://{LOOPBACK}:{settings.ports.gateway}"
        video = f"http://{LOOPBACK}:{settings.ports.video}"
        sandbox = Sandbox(
            world, publishing, clock, settings.hub.sender, Faults(), learning.ready.is_set, gateway, video, caught_up=learning.caught_up
        )
        signer = Signer(kept_key(settings.secrets_dir), settings.oidc_issuer, settings.auth.audience)
        trust = signers.trust(signers.kept(settings.secrets_dir, settings.hub.sender))
        systems = {settings.ports.peer(name): name for name in PEERS}
        app = application(sandbox, signer, systems, trust=trust)
        add_health(app, meter, PART, learning.ready.is_set)
        runner = web.AppRunner(app, access_log=None, handle_signals=False)  # paths hold test persons' numbers
        await runner.setup()
        await web.TCPSite(runner, LOOPBACK, settings.ports.sandbox, reuse_address=True).start()
        await secured.listen(runner, LOOPBACK, systems, certificates.server_tls(certificates.kept(settings.secrets_dir)))
        reading = asyncio.create_task(learning.run())
        ends = asyncio.create_task(stop.wait())
        try:
            log.info("sandbox_listens", port=settings.ports.sandbox)
            await asyncio.wait({reading, ends}, return_when=asyncio.FIRST_COMPLETED)
            if reading.done():
                await reading
        finally:
            reading.cancel()
            ends.cancel()
            await runner.cleanup()
            await asyncio.gather(reading, return_exceptions=True)


def main() -> int:
    """The part's entry; the exit code."""
    try:
        settings = load()
    except SettingsError as wrong:
        sys.stderr.write(f"{wrong}\n")
        return EXIT_WRONG_USE
    if (why := refusal(settings)) is not None:
        sys.stderr.write(f"{why}\n")
        return EXIT_WRONG_USE
    set_up_logging(PART, settings.hub.log_level)
    asyncio.run(run(settings))
    return 0


if __name__ == "__main__":
    sys.exit(main())
