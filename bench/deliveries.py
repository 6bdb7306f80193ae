"""Deliveries a second by channel, through the real delivery part to the sandbox's peers over TLS; and how far a slow peer holds up others.

Two RSA-SHA256 signatures a letter at Mina meddelanden, a PDF at Kivra, a form at the SMS provider. The stand-ins run on the same cores, so
a rate here is a floor. The backlog is decided by a worker first; then the part starts, and the ledger's own times of its tries count.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from statistics import median
from typing import Any, Final
from uuid import UUID, uuid4

import aiohttp
import asyncpg
import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from bench.meters import cpu_seconds
from bench.report import Report, told
from bench.servers import Ground
from bench.sides import ROOT
from bench.world import SENDER, UNIT, headers
from config.settings import load
from connectors.channels import Letter
from connectors.delivering.__main__ import GROUP, channels
from connectors.delivering.requests import TOPICS as REQUESTS
from connectors.rendering import RenderContent, render
from hub.process import spawn
from pipelines.ledger.sends import CHANNELS
from pipelines.rules.sending import State
from pipelines.transport.outputs import Output
from schemas.topics import PARTITIONS

LEDGER: Final = "deliveries"
TOPIC: Final = "ehr.letters.v1"
SETTINGS: Final = {
    "HUB__REACHING__ENABLED": "false",  # the mailboxes are known
    "HUB__DELIVERY__SMS__QUIET_FROM": "00:00",  # equal ends: no quiet hours
    "HUB__DELIVERY__SMS__QUIET_UNTIL": "00:00",
} | {f"HUB__DELIVERY__{name.upper()}__PER_SECOND": "10000" for name in CHANNELS}
WHOSE: Final = {"kivra": (7,), "mina_meddelanden": (8, 9), "sms": (0, 1, 2, 3, 4, 5)}
"""Last digits of the residents' numbers, who have this channel and no other but the app."""
OPERATORS: Final = {7: (1, "kivra"), 8: (2, "billo"), 9: (3, "minmyndighetspost")}
SLOW_S: Final = 2.0
READY_S: Final = 90.0
DONE_S_MAX: Final = 300.0
DAY: Final = date(2026, 11, 1)


@dataclass(frozen=True, slots=True)
class Round:
    """What one run of the part did: rates by channel, its CPU, and the means of its steps by channel and step."""

    rates: dict[str, float]
    cpu_s: float
    steps: dict[tuple[str, str], float]


async def run(ground: Ground, report: Report, deliveries: int) -> None:
    ledger = await ground.ledger(LEDGER)
    await _prepare(ground, ledger)
    env = ground.environment(LEDGER) | SETTINGS
    ports = ground.settings.ports
    part = report.part("deliveries")
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(_process(ground, "sandbox", ["connectors.sandbox"], ports.sandbox, env))
        await stack.enter_async_context(_process(ground, "worker", ["pipelines", "worker", "--slot", "0"], ports.worker(0), env))
        for channel in CHANNELS:
            done = await _round(ground, ledger, env, channel, {channel: deliveries})
            what = "texts" if channel == "sms" else "letters"
            part.figure(f"{channel}: {what} delivered", done.rates[channel], "/s")
            part.figure(f"{channel}: CPU of the part a delivery", done.cpu_s / deliveries * 1e3, "ms")
            part.figure(f"{channel}: made (rendered, encoded), mean", done.steps[channel, "make"] * 1e3, "ms")
            part.figure(f"{channel}: sent, mean", done.steps[channel, "send"] * 1e3, "ms")
        for name, took_ms in (await _encoding(env)).items():
            part.figure(f"{name}: encoding a letter", took_ms, "ms CPU")
        mixed = dict.fromkeys(CHANNELS, deliveries // 3)
        calm = await _round(ground, ledger, env, "calm", mixed)
        slow = await _round(ground, ledger, env, "slow", mixed, slow="mm")
        for channel in ("kivra", "sms"):
            ratio = slow.rates[channel] / calm.rates[channel]
            part.figure(
                f"{channel} while Mina meddelanden takes {SLOW_S:.0f} s a request, over {channel} while it does not", ratio, "times"
            )
    part.notes.append(
        f"{deliveries:,} deliveries a channel, one channel after the other, then a third of that in all three at once. The stand-ins check"
        " signatures and answer on the same cores; `per_second` of the settings is out of the way, eight requests at once are as they come."
    )


async def _round(
    ground: Ground, ledger: asyncpg.Connection[Any], env: dict[str, str], name: str, counts: dict[str, int], slow: str | None = None
) -> Round:
    """A backlog for these channels, then the part; it ends when all is delivered but what a slow peer holds."""
    idents = [f"{name}-{channel}-{number}" for channel, count in counts.items() for number in range(count)]
    for channel, count in counts.items():
        await ground.publish_all(_documents(ground, f"{name}-{channel}", channel, count))
    await _until(lambda: _count(ledger, "SELECT count(*) FROM documents WHERE document_id = ANY($1)", idents), len(idents))
    await _until(lambda: _count(ledger, "SELECT (SELECT count(*) FROM outbox) = 0"), True)
    port = ground.settings.ports
    awaited = [channel for channel in counts if slow is None or channel != "mina_meddelanden"]
    numbers, wanted = [CHANNELS[channel] for channel in awaited], sum(counts[channel] for channel in awaited)
    async with aiohttp.ClientSession() as session:
        if slow is not None:
            fault = {"system": slow, "mode": "slow", "delay_seconds": SLOW_S}
            async with session.post(f"http://127.0.0.1:{port.sandbox}/faults", json=fault) as answer:
                answer.raise_for_status()
        async with _process(ground, f"delivery-{name}", ["connectors.delivering"], port.delivery, env) as process:
            started = cpu_seconds(process.pid)
            done = "SELECT count(*) FROM sends WHERE about = ANY($1) AND channel = ANY($2) AND state = ANY($3)"
            states = [int(State.ACCEPTED), int(State.READ)]
            await _until(lambda: _count(ledger, done, idents, numbers, states), wanted)
            cpu = cpu_seconds(process.pid) - started
            async with session.get(f"http://127.0.0.1:{port.delivery}/metrics") as page:
                steps = _means(await page.text())
            if slow is not None:
                async with session.delete(f"http://127.0.0.1:{port.sandbox}/faults") as answer:
                    answer.raise_for_status()
    return Round({channel: await _rate(ledger, idents, channel) for channel in awaited}, cpu, steps)


async def _rate(ledger: asyncpg.Connection[Any], idents: Sequence[str], channel: str) -> float:
    row = await ledger.fetchrow(
        "SELECT count(*) AS tries, extract(epoch FROM max(a.ended) - min(a.began))::float8 AS seconds"
        " FROM attempts a JOIN sends s USING (send) WHERE s.about = ANY($1) AND s.channel = $2 AND a.outcome = 'sent'",
        idents, CHANNELS[channel],
    )  # fmt: skip
    assert row is not None
    return float(row["tries"] / row["seconds"])


def _means(text: str) -> dict[tuple[str, str], float]:
    """Seconds a step, by channel and step."""
    sums: dict[tuple[str, str], float] = {}
    counts: dict[tuple[str, str], float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples if family.name == "hub_send_seconds" else ():
            place = sample.labels.get("channel", ""), sample.labels.get("step", "")
            if sample.name.endswith("_sum"):
                sums[place] = sample.value
            elif sample.name.endswith("_count"):
                counts[place] = sample.value
    return {place: sums[place] / count for place, count in counts.items() if count}


async def _encoding(env: dict[str, str]) -> dict[str, float]:
    """CPU milliseconds of the pure step, each letter another one: at Mina meddelanden two signatures and the seal."""
    page = render(RenderContent("brev", "Provsvar", "<p>Hej!</p>" * 20, "html", "Region Exempel\n[4US:LPAT]", "Mottagningen", DAY))
    found: dict[str, float] = {}
    async with AsyncExitStack() as stack:
        made = await channels(load(env), stack)
        for channel in made.mailboxes:
            took = []
            for _ in range(30):
                letter = _letter("kivra" if channel.name == "kivra" else "billo", page.html, page.pdf, uuid4())
                began = time.process_time()
                channel.encode(letter)
                took.append((time.process_time() - began) * 1e3)
            found[channel.name] = median(took)
    return found


def _letter(operator: Any, html: str, pdf: bytes, ident: UUID) -> Letter:
    return Letter(
        ident, "195001019802", operator, "brev", "Provsvar", html, pdf, (), UNIT, "Mottagningen", datetime(2026, 11, 1, 9, tzinfo=UTC)
    )


def _documents(ground: Ground, name: str, channel: str, count: int) -> list[Output]:
    people = [pid for number, pid in enumerate(ground.world.people) if number % 10 in WHOSE[channel]]
    made = []
    for number, output in enumerate(ground.world.documents(TOPIC, name, 0, count)):
        pid, ident = people[number % len(people)], f"{name}-{number}"
        data = orjson.loads(output.value or b"") | {"document_id": ident, "patient": pid}
        key = ground.world.keys.key(pid).encode()
        made.append(Output(TOPIC, key, orjson.dumps(data), headers("document.submitted.v1", ident.encode())))
    return made


async def _prepare(ground: Ground, ledger: asyncpg.Connection[Any]) -> None:
    """Mailboxes at three operators, in the ledger and for the stand-ins; and no requests of others."""
    now = datetime.now(UTC)
    rows, news = [], []
    for number, pid in enumerate(ground.world.people):
        if number % 10 in OPERATORS:
            code, operator = OPERATORS[number % 10]
            rows.append((ground.world.keys.uuid(pid), code))
            data = {"patient": pid, "sender": SENDER, "operator": operator, "accepts": True, "as_of": now.isoformat()}
            key, ident = ground.world.keys.key(pid).encode(), f"mailbox-{number}".encode()
            news.append(Output("mailboxes.v1", key, orjson.dumps(data), headers("mailbox.changed.v1", ident)))
    await ledger.executemany("UPDATE mailboxes SET operator = $2 WHERE person = $1", rows)
    await ground.publish_all(news)
    consumer = AIOKafkaConsumer(bootstrap_servers=ground.kafka.bootstrap, group_id=GROUP, enable_auto_commit=False)
    await consumer.start()
    try:
        places = [TopicPartition(topic, number) for topic in REQUESTS for number in range(PARTITIONS)]
        consumer.assign(places)
        await consumer.commit(await consumer.end_offsets(places))
    finally:
        await consumer.stop()


@asynccontextmanager
async def _process(ground: Ground, name: str, words: list[str], port: int, env: dict[str, str]) -> AsyncIterator[subprocess.Popen[bytes]]:
    log = ground.dir / f"deliveries-{name}.log"
    with log.open("wb") as output:
        process = spawn([sys.executable, "-m", *words], output=output, env=env, cwd=ROOT)
    try:
        async with aiohttp.ClientSession() as session, asyncio.timeout(READY_S):
            while not await _ready(session, port):
                if process.poll() is not None:
                    raise RuntimeError(f"{name} ended: {log.read_text(errors='replace')[-2000:]}")
                await asyncio.sleep(0.05)
        told(f"deliveries: {name} is ready")
        yield process
        if process.poll() is not None:
            raise RuntimeError(f"{name} ended: {log.read_text(errors='replace')[-2000:]}")
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait)


async def _ready(session: aiohttp.ClientSession, port: int) -> bool:
    try:
        async with session.get(f"http://127.0.0.1:{port}/readyz") as answer:
            return answer.status == 200
    except aiohttp.ClientError:
        return False


async def _count(ledger: asyncpg.Connection[Any], statement: str, *given: Any) -> Any:
    return await ledger.fetchval(statement, *given)


async def _until(look: Any, wanted: Any) -> None:
    began = time.monotonic()
    while (found := await look()) != wanted:
        if time.monotonic() - began > DONE_S_MAX:
            raise RuntimeError(f"{found} of {wanted} after {DONE_S_MAX:.0f} s")
        await asyncio.sleep(0.1)
