"""`python -m connectors.delivering --slot N`: requests from Kafka, rows in the ledger, lanes to the peers, answers back to Kafka.

The channels are here, so who has a mailbox is asked here, too (`connectors.reaching`)."""

import argparse
import asyncio
import logging
import random
import signal
import sys
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import CommitFailedError

from config.health import LOOPBACK, serve_health
from config.settings import PaceTable, Settings, SettingsError, load
from config.telemetry import PrometheusMeter, set_up_logging
from connectors.channels import MailboxChannel, Operator, TextChannel
from connectors.delivering.carriers import MailboxCarrier, TextCarrier
from connectors.delivering.lane import Lane
from connectors.delivering.pace import PeerLimits
from connectors.delivering.ports import Carrier, Content, Render, Rendered
from connectors.delivering.requests import TOPICS, Request, requests
from connectors.delivering.telling import Record, Telling
from connectors.delivering.words import filled
from connectors.kivra import wire as kivra_wire
from connectors.kivra.channel import Kivra
from connectors.mina_meddelanden.channel import MinaMeddelanden
from connectors.mina_meddelanden.options import Options
from connectors.peer import Limits
from connectors.reaching.asking import Reaching
from connectors.rendering import RenderContent, render
from connectors.sandbox import kivra as sandbox_kivra
from connectors.sandbox import signers
from connectors.sandbox import sms as sandbox_sms
from connectors.sms import wire as sms_wire
from connectors.sms.client import Elks46, LinkMobility
from pipelines.ledger import measures, reachings
from pipelines.ledger.invitations import Boxes
from pipelines.ledger.pool import connect
from pipelines.ledger.sends import NewSend, Sends
from pipelines.ledger.slots import Slot
from pipelines.outputs import OPERATOR_OF
from pipelines.points import arm, reach
from pipelines.rules.clearance import Quiet
from pipelines.transport.access import KafkaAccess
from pipelines.transport.outputs import Output, OutputProducer
from schemas import policy
from schemas.callback import callback_token
from schemas.clock import Clock
from schemas.fields import STOCKHOLM
from schemas.keys import PersonKeys

GROUP = "hub-delivery"
RECORDS_MAX = 500
FETCH_WAIT_MS = 500
ADOPT_EVERY_S = 5.0
MEASURE_EVERY_S = 5.0
log = structlog.get_logger()
logging.getLogger("aiokafka.consumer.group_coordinator").setLevel(logging.CRITICAL)
"""It calls an error what is a fresh broker's first second; what does last is seen by the lag and ends the process."""


@dataclass(frozen=True)
class Channels:
    """The peers there are. Without a renderer no letter can be made, so mailboxes need one."""

    mailboxes: Sequence[MailboxChannel] = ()
    texts: TextChannel | None = None
    render: Render | None = None
    named: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        names = {channel.name for channel in self.mailboxes} | ({"sms"} if self.texts is not None else set())
        if self.mailboxes and self.render is None:
            raise SettingsError("delivery: mailboxes are set and there is no renderer")
        object.__setattr__(self, "named", frozenset(names))


async def channels(settings: Settings, open_: AsyncExitStack) -> Channels:
    """The channels that the settings name, connected until `open_` closes. What is not here waits as `no_channel_configured`.

    Where the sandbox stands in, its own accounts and keys are used.
    """
    mailboxes: list[MailboxChannel] = []
    if (kivra := settings.peer("kivra")).url:
        channel = Kivra(
            kivra.url, _kivra_sender(settings), dedupes=settings.peers.kivra.recognises_repeats, tls=settings.peer_tls("kivra"),
            limits=connection_limits(settings.delivery.kivra),
        )  # fmt: skip
        mailboxes.append(await open_.enter_async_context(channel))
    if settings.peer("mm").url:
        options = await asyncio.to_thread(_mm_options, settings)
        mm = MinaMeddelanden(
            options, options.signatories(), tls=settings.peer_tls("mm"), deliveries=connection_limits(settings.delivery.mina_meddelanden)
        )
        mailboxes.append(await open_.enter_async_context(mm))
    return Channels(mailboxes, await _texts(settings, open_), _render)


async def _texts(settings: Settings, open_: AsyncExitStack) -> TextChannel | None:
    ours, there = settings.peers.sms, settings.peer("sms")
    if not there.url:
        return None
    account = (ours.username, _secret(ours.password_file)) if ours.url else (sandbox_sms.USERNAME, sandbox_sms.PASSWORD)
    sender = sms_wire.Sender(ours.sender, *account)
    tls, limits = settings.peer_tls("sms"), connection_limits(settings.delivery.sms)
    if ours.provider == "linkmobility":
        names = (ours.platform, ours.partner, ours.gate) if ours.url else (sandbox_sms.PLATFORM, sandbox_sms.PARTNER, sandbox_sms.GATE)
        platform, partner, gate = names
        link = LinkMobility(there.url, sender, platform=platform, partner=partner, gate=gate, tls=tls, limits=limits)
        return await open_.enter_async_context(link)
    return await open_.enter_async_context(Elks46(there.url, sender, tls=tls, limits=limits))


def _kivra_sender(settings: Settings) -> kivra_wire.Sender:
    ours = settings.peers.kivra
    if not ours.url:
        return kivra_wire.Sender(sandbox_kivra.TENANT, sandbox_kivra.CLIENT_ID, sandbox_kivra.CLIENT_SECRET)
    return kivra_wire.Sender(ours.tenant, ours.client_id, _secret(ours.client_secret_file))


def _mm_options(settings: Settings) -> Options:
    ours, sender = settings.peers.mm, settings.hub.sender
    if not ours.url:
        kept = signers.kept(settings.secrets_dir, sender)
        return Options(
            f"{settings.peer('mm').url}/far", [LOOPBACK], sender, "Region Exempel", kept.sender_key_file, kept.sender_certificate_file,
            kept.mediator_key_file, kept.mediator_certificate_file,
        )  # fmt: skip
    return Options(
        ours.url, ours.allowed_hosts, sender, ours.sender_name, Path(ours.sender_key_file), Path(ours.sender_certificate_file),
        Path(ours.mediator_key_file), Path(ours.mediator_certificate_file),
    )  # fmt: skip


def _secret(file: str) -> str:
    return Path(file).read_text().strip()


def _render(content: Content) -> Rendered:
    day = content.sent.astimezone(STOCKHOLM).date()
    return render(RenderContent(content.kind, content.title, content.body, content.body_format, content.footer, content.unit_name, day))


class PooledReachings:
    """`pipelines.ledger.reachings` with its pool and the rules' limits: the port of the reaching loop (R9)."""

    def __init__(self, pool: "asyncpg.Pool[Any]", sender: str, limits: policy.Limits) -> None:
        self._pool = pool
        self.take = partial(reachings.take, pool, sender, limits)
        self.failed = partial(reachings.failed, pool)

    async def heard(self, person: UUID, asked_at: datetime, operators: Collection[Operator], complete: bool) -> None:
        numbers = [int(OPERATOR_OF[operator]) for operator in operators]
        await reachings.heard(self._pool, person, asked_at, numbers, complete=complete)


def connection_limits(peer: PaceTable) -> Limits:
    """Time-outs and connections of a peer's own client."""
    return Limits(peer.connect_seconds, peer.silence_seconds, peer.total_seconds, connections_max=peer.concurrent_max)


def lane_limits(settings: Settings, name: str) -> PeerLimits:
    """How a peer is fed."""
    table: PaceTable = getattr(settings.delivery, name)
    return PeerLimits(
        table.per_second, table.concurrent_max, table.pause_seconds_min, table.pause_seconds_max, settings.repeats_max(name),
        timedelta(days=settings.delivery.gives_up_days),
    )  # fmt: skip


def carriers(settings: Settings, found: Channels) -> list[Carrier]:
    """One for each channel."""
    made: list[Carrier] = []
    for channel in found.mailboxes:
        assert found.render is not None
        made.append(MailboxCarrier(channel, found.render))
    if found.texts is not None:
        secret, base = settings.callback_secret(), settings.callback_url
        made.append(TextCarrier(found.texts, filled, lambda ident: f"{base}/callbacks/sms/{callback_token(ident, secret)}"))
    return made


async def consume(
    consumer: AIOKafkaConsumer, put: Callable[[list[Request]], Awaitable[int]], wake: Callable[[], None], stop: asyncio.Event
) -> None:
    """Rows first, offsets after: what is read twice is there already."""
    while not stop.is_set():
        found = await consumer.getmany(timeout_ms=FETCH_WAIT_MS, max_records=RECORDS_MAX)
        if not found:
            continue
        if await put(requests(record for records in found.values() for record in records)):
            wake()
        try:
            await consumer.commit({place: records[-1].offset + 1 for place, records in found.items()})
        except CommitFailedError:  # another process has the partitions now: it reads these again and finds the rows there
            log.info("commit_left_to_others", records=sum(map(len, found.values())))


async def run(settings: Settings, slot: int) -> None:
    """Until SIGTERM or SIGINT. Whatever fails of ours ends the process; the supervisor starts it again."""
    name = f"delivery-{slot}"
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    meter, clock = PrometheusMeter(name), Clock(settings.clock_file)
    keys = PersonKeys(settings.person_key_secrets(), settings.hub.key_version)
    access = KafkaAccess(settings.kafka_bootstrap, settings.kafka.username or None, settings.kafka_password(), tls=settings.kafka_tls())
    failures: asyncio.Queue[BaseException] = asyncio.Queue()
    ready = False
    async with AsyncExitStack() as open_:
        health = await serve_health(settings.ports.delivery, meter, name, lambda: ready)
        open_.push_async_callback(health.cleanup)
        held = Slot(name, failures.put_nowait)
        await held.hold(settings.postgres_dsn())
        open_.push_async_callback(held.release)
        pool = await connect(settings.postgres_dsn(), size=settings.postgres.pool_max, part=name)
        open_.push_async_callback(pool.close)
        sms = settings.delivery.sms
        quiet = Quiet(sms.quiet_from, sms.quiet_until, frozenset(sms.quiet_exempt))
        guests = Boxes(settings.guests_key())
        ledger = Sends(pool, settings.policy, slot=name, sender=settings.hub.sender, quiet=quiet, guests=guests)
        there = await channels(settings, open_)
        over, unknown = await ledger.adopt(clock.now(), with_own=True)
        parked = await ledger.park(there.named, clock.now())
        log.info("delivery_ready", channels=sorted(there.named), started_over=over, unknown=unknown, parked=parked)

        producer = await open_.enter_async_context(OutputProducer.connected_to(access, client_id=name))
        telling = Telling(ledger, partial(_publish, producer), keys)
        lanes = [
            Lane(
                ledger, carrier, lane_limits(settings, carrier.name), clock.now, meter, telling.wake,
                monotonic=loop.time, chance=random.random, reach=reach,
            )
            for carrier in carriers(settings, there)
        ]  # fmt: skip

        async def put(found: list[Request]) -> int:
            new = [NewSend(r.send, keys.uuid(r.recipient), r.about, r.channel, r.operator, r.kind, r.template, r.not_after) for r in found]
            return await ledger.put(new, there.named, clock.now())

        def wake() -> None:
            for lane in lanes:
                lane.wake()

        asked = PooledReachings(pool, settings.hub.sender, settings.policy.limits)
        reaching = Reaching(asked, there.mailboxes, partial(_publish, producer), keys, settings.hub.sender, clock.now, meter)
        ear = await asyncpg.connect(settings.postgres_dsn())
        open_.push_async_callback(ear.close)
        ear.add_termination_listener(lambda _: failures.put_nowait(ConnectionError("the ledger's notifications have stopped")))
        await ear.add_listener(reachings.CHANNEL, reaching.wake)

        consumer = AIOKafkaConsumer(
            *TOPICS, **access.client_arguments(), client_id=name, group_id=GROUP, group_instance_id=name, enable_auto_commit=False,
            auto_offset_reset="earliest", session_timeout_ms=settings.workers.session_seconds * 1000,
        )  # fmt: skip
        await consumer.start()
        open_.push_async_callback(consumer.stop)
        ready = True
        jobs = [
            consume(consumer, put, wake, stop),
            *(lane.run(stop) for lane in lanes),
            telling.run(stop),
            reaching.run(stop),
            _repeat(ADOPT_EVERY_S, stop, partial(_adopt, ledger, clock.now)),
            _repeat(MEASURE_EVERY_S, stop, partial(_measure, pool, meter, lanes, clock.now)),
            _watch(failures, stop),
        ]
        try:
            async with asyncio.TaskGroup() as group:
                for job in jobs:
                    group.create_task(job)
        finally:
            ready = False


async def _publish(producer: OutputProducer, records: list[Record]) -> None:
    await producer.send_many([Output(*made) for made in records])


async def _watch(failures: "asyncio.Queue[BaseException]", stop: asyncio.Event) -> None:
    """The slot's end is ours: we can no longer say that we live."""
    ends, failed = asyncio.create_task(stop.wait()), asyncio.create_task(failures.get())
    try:
        await asyncio.wait({ends, failed}, return_when=asyncio.FIRST_COMPLETED)
        if failed.done():
            raise failed.result()
    finally:
        ends.cancel()
        failed.cancel()


async def _repeat(seconds: float, stop: asyncio.Event, job: Callable[[], Awaitable[None]]) -> None:
    while not stop.is_set():
        await job()
        try:
            async with asyncio.timeout(seconds):
                await stop.wait()
        except TimeoutError:
            pass


async def _adopt(ledger: Sends, now: Callable[[], datetime]) -> None:
    over, unknown = await ledger.adopt(now())
    if over or unknown:
        log.warning("sends_adopted", started_over=over, unknown=unknown)


async def _measure(pool: Any, meter: PrometheusMeter, lanes: Sequence[Lane], now: Callable[[], datetime]) -> None:
    await measures.sends(pool, meter, now())
    for lane in lanes:
        meter.gauge("breaker_open", float(lane.is_open), channel=lane.name)


def main() -> int:
    """The part's entry."""
    parser = argparse.ArgumentParser(prog="python -m connectors.delivering")
    parser.add_argument("--slot", type=int, default=0)
    parser.add_argument("--die-at", metavar="POINT[:N]", help="fault tests, sandbox only: SIGKILL at a named point")
    options = parser.parse_args()
    try:
        settings = load()
    except SettingsError as wrong:
        sys.stderr.write(f"{wrong}\n")
        return 2
    set_up_logging(f"delivery-{options.slot}", settings.hub.log_level)
    if options.die_at:
        if not settings.sandbox.enabled:
            parser.error("--die-at is for the sandbox")
        point, _, times = options.die_at.partition(":")
        arm(point, int(times or 1))
    asyncio.run(run(settings, options.slot))
    return 0


if __name__ == "__main__":
    sys.exit(main())
