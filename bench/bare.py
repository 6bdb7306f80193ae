"""The bare loop: the fastest straightforward code that gives the same rows and records as the hub for the bench's documents.

    python -m bench.bare --number N          reads KAFKA, POSTGRES and the hub's keys from the environment

It dedupes events, looks for conflicts, reads the facts, writes inbox, bodies, documents, deliveries, decisions and the outbox row by
COPY in one transaction, publishes by `send_batch`, forgets the outbox row, and then commits its offsets. It knows one rule (R9 with
an adult) with its trace as constant text, one sort of event and no generality: no Faust, no models, no locks, no refusals, no agents,
no metrics. What the hub costs beyond it is the price of all that.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

import asyncpg
import orjson
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.partitioner import murmur2
from asyncpg.pgproto.pgproto import UUID as FastUUID

from bench.servers import BARE_TOPIC
from bench.world import SENDER
from config.settings import load
from pipelines import ids
from pipelines.ledger import kept, outbox
from pipelines.ledger.rows import DOCUMENTS
from pipelines.transport.outputs import Output
from schemas.keys import PersonKeys, event_key, uid_text
from schemas.topics import PARTITIONS

LANES: Final = 2
BATCH: Final = 500
KINDS: Final = {"kallelse": 1, "brev": 2}
DOCUMENT_COLUMNS: Final = DOCUMENTS.table.columns
WAIT: Final = timedelta(hours=48)
TRACE: Final = orjson.Fragment(
    orjson.dumps(
        [
            {"rule": rule, "applied": rule == "R9", "because": "This rule was asked and answered, in a sentence so long.",
             "facts": {"verdict": "right"} if rule != "R9" else {"age": 60, "account": "active", "mailbox": "kivra"}}
            for rule in ("R1", "P8", "R2", "R3", "R4", "R5", "R6", "C10", "R7", "R8", "R9")
        ]
    )
)  # fmt: skip


class Lane:
    """A consumer and a ledger connection; one batch after the other, the delivery of one beside the transaction of the next."""

    def __init__(self, consumer: AIOKafkaConsumer, producer: AIOKafkaProducer, pool: asyncpg.Pool[Any], keys: PersonKeys) -> None:
        self.consumer, self.producer, self.pool, self.keys = consumer, producer, pool, keys
        self.hashes: dict[str, int] = {}
        self.sending: asyncio.Task[None] | None = None

    async def run(self) -> None:
        while True:
            fetched = await self.consumer.getmany(timeout_ms=200, max_records=BATCH)
            records = [record for part in fetched.values() for record in part]
            if not records:
                continue
            offsets = {partition: part[-1].offset + 1 for partition, part in fetched.items()}
            batch, outputs = await self.decide(records)
            if self.sending is not None:
                await self.sending
            self.sending = asyncio.create_task(self.send(batch, outputs, offsets))

    async def decide(self, records: list[Any]) -> tuple[int, list[Any]]:
        now = datetime.now(UTC)
        text = now.isoformat().replace("+00:00", "Z")
        events: dict[UUID, Any] = {}
        for record in records:
            found = dict(record.headers)
            key = FastUUID(event_key(found["ce_source"].decode(), found["ce_id"].decode()))
            data = orjson.loads(record.value)
            if data["kind"] not in KINDS or data["source_system"] != "TakeCare":
                raise ValueError("not of this bench")
            events[key] = (record, data, ids.document(data["document_id"]), ids.fast(self.keys.uuid(data["patient"]).bytes))
        async with self.pool.acquire() as connection, connection.transaction():
            seen = {row[0] for row in await connection.fetch("SELECT event FROM inbox WHERE event = ANY($1)", list(events))}
            fresh = {key: value for key, value in events.items() if key not in seen}
            if not fresh:
                return 0, []
            known = await connection.fetch("SELECT doc, digest FROM documents WHERE doc = ANY($1)", [v[2] for v in fresh.values()])
            if known:
                raise ValueError("a conflict")
            facts = {
                row[0]: row
                for row in await connection.fetch(
                    "SELECT p.person, p.confirmed_at, coalesce(a.state, 0), a.phone IS NOT NULL, m.operator, m.as_of FROM persons p"
                    " LEFT JOIN accounts a USING (person) LEFT JOIN mailboxes m ON m.person = p.person AND m.sender = $2"
                    " WHERE p.person = ANY($1) AND p.protection = 0 AND p.deceased IS NULL",
                    list({v[3] for v in fresh.values()}),
                    SENDER,
                )
            }
            contents, documents, deliveries, decisions = [], [], [], []
            outputs: list[Any] = []
            for record, data, doc, person in fresh.values():
                _, confirmed, account, phone, operator, as_of = facts[person]
                pid, ident, unit = data["patient"], data["document_id"], data["unit"]
                key = self.keys.key(pid)
                if data["kind"] == "brev" and "[4US:LPAT]" not in data["footer"]:
                    raise ValueError("not of this bench")
                sent = datetime.fromtimestamp(record.timestamp / 1000, UTC)
                deadline = sent + WAIT
                body = orjson.dumps(
                    {
                        "title": data["title"], "unit_name": data["unit_name"], "body": data["body"],
                        "body_format": data["body_format"], "footer": data["footer"], "booking_id": None,
                        "template": data["template"]["id"], "attachments": [],
                    }
                )  # fmt: skip
                sha = sha256(body).digest()
                contents.append((sha, body, now))
                app = account == 1
                documents.append(
                    (doc, ident, person, unit, ids.digest(record.value), sha, None, sent, sent, deadline, deadline,
                     now if app else None, None, 1, len(data["body"]), KINDS[data["kind"]], 1, True, 0, 0, 0, int(app),
                     0 if operator is None else 1, operator, 0, 0, False, False, True, None, "R9")
                )  # fmt: skip
                if app:
                    delivered = {
                        "document_id": ident, "kind": data["kind"], "patient": pid, "unit": unit, "unit_name": data["unit_name"],
                        "title": data["title"], "body": data["body"], "body_format": "text", "footer": data["footer"],
                        "links": [], "attachments": [], "sent": sent, "recipients": [{"id": pid, "role": "resident"}],
                    }  # fmt: skip
                    self.say(outputs, "app.documents.v1", "document.delivered.v1", key, ident, text, delivered)
                if operator is not None:
                    delivery = ids.uid("delivery", ident, str(operator))
                    deliveries.append((delivery, doc, 1, operator, 1, now, None, None))
                    asked = {
                        "delivery_id": str(delivery), "document_id": ident, "patient": pid, "channel": "kivra", "operator": "kivra",
                        "kind": data["kind"], "title": data["title"], "unit": unit, "unit_name": data["unit_name"],
                    }  # fmt: skip
                    self.say(outputs, "mailbox.deliveries.v1", "delivery.requested.v1", key, ident, text, asked)
                if app and phone:
                    told = {
                        "notification_id": uid_text("notification", ident, pid), "recipient": pid, "channel": "sms",
                        "kind": "document", "template": "document", "about": ident, "not_after": deadline,
                    }  # fmt: skip
                    self.say(outputs, "notifications.v1", "notification.requested.v1", key, ident, text, told)
                channels = ["app"] * app + ["mailbox"] * (operator is not None)
                made = ids.uid("decision", "document", ident, "1")
                event = {
                    "decision_id": str(made), "subject": "document", "subject_id": ident, "unit": unit, "trigger": "arrival",
                    "rule": "R9", "channels": channels, "outcome": "deliver", "trace": TRACE, "config_version": "0123456789abcdef",
                    "kind": data["kind"], "deadline": deadline,
                }  # fmt: skip
                value = self.say(outputs, "decisions.v1", "decision.made.v1", key, ident, text, event)
                frozen = orjson.dumps(
                    ("d1", (None, 7000, False, 0, False, confirmed.timestamp(), False, account, phone,
                            [(operator, True, as_of.timestamp())] if operator else 0, 0),
                     (1, True, 0, 0, len(data["body"]), sent.timestamp(), 0, 0), 0, now.timestamp())
                )  # fmt: skip
                decisions.append((made, doc, now, 1, frozen, kept.keep(value)))
            copy = connection.copy_records_to_table
            await copy("contents", records=sorted(contents), columns=["sha", "data", "at"])
            await copy("documents", records=sorted(documents), columns=DOCUMENT_COLUMNS)
            if deliveries:
                await copy("deliveries", records=sorted(deliveries))
            await copy("decisions", records=decisions, columns=["decision", "subject", "at", "kind", "facts", "event"])
            await copy("inbox", records=sorted((key, now) for key in fresh), columns=["event", "at"])
            blob = await asyncio.to_thread(outbox.pack, [Output(*output) for output in outputs])
            batch = await connection.fetchval("INSERT INTO outbox (slot, data) VALUES ('bare', $1) RETURNING batch", blob)
        return batch, outputs

    def say(self, outputs: list[Any], topic: str, kind: str, key: str, subject: str, at: str, data: dict[str, Any]) -> bytes:
        value = orjson.dumps(data, option=orjson.OPT_UTC_Z)
        headers = [
            ("ce_id", uid_text(kind, subject, "1").encode()), ("ce_time", at.encode()), ("ce_specversion", b"1.0"),
            ("ce_type", kind.encode()), ("ce_source", b"urn:care-hub:pipelines"),
            ("ce_dataschema", b"urn:care-hub:schema:" + kind.encode()),
            ("content-type", b"application/json"), ("ce_subject", subject.encode()), ("ce_sequence", b"00000000000000000001"),
        ]  # fmt: skip
        outputs.append((topic, key.encode(), value, headers))
        return value

    async def send(self, batch: int, outputs: list[Any], offsets: dict[TopicPartition, int]) -> None:
        parts: dict[tuple[str, int], list[Any]] = {}
        for output in outputs:
            place = self.hashes.get(output[1])
            if place is None:
                place = self.hashes[output[1]] = (murmur2(output[1]) & 0x7FFFFFFF) % PARTITIONS
            parts.setdefault((output[0], place), []).append(output)
        futures = []
        for (topic, partition), mine in parts.items():
            builder = self.producer.create_batch()
            for _, key, value, headers in mine:
                while builder.append(timestamp=None, key=key, value=value, headers=headers) is None:
                    futures.append(await self.producer.send_batch(builder, topic, partition=partition))
                    builder = self.producer.create_batch()
            futures.append(await self.producer.send_batch(builder, topic, partition=partition))
        for future in futures:
            await future
        if batch:
            async with self.pool.acquire() as connection, connection.transaction():
                await connection.execute("SET LOCAL synchronous_commit = off")
                await connection.execute("DELETE FROM outbox WHERE batch = $1", batch)
        await self.consumer.commit(offsets)


async def main(number: int) -> None:
    bootstrap, dsn = os.environ["HUB_KAFKA"], os.environ["HUB_POSTGRES"]
    keys = PersonKeys(load().person_key_secrets(), 1)
    pool = await asyncpg.create_pool(dsn, min_size=1, max_size=4, server_settings={"jit": "off", "timezone": "UTC"})
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, acks="all", enable_idempotence=True, linger_ms=0, max_batch_size=262_144,
        max_request_size=8 << 20, client_id=f"bare-{number}",
    )  # fmt: skip
    await producer.start()
    consumers = [
        AIOKafkaConsumer(
            BARE_TOPIC,
            bootstrap_servers=bootstrap,
            group_id="bench-bare",
            group_instance_id=f"bare-{number}-{lane}",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=20_000,
            client_id=f"bare-{number}-{lane}",
        )
        for lane in range(LANES)
    ]
    await asyncio.gather(*(consumer.start() for consumer in consumers))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.gather(*(Lane(consumer, producer, pool, keys).run() for consumer in consumers))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--number", type=int, default=0)
    uvloop.run(main(parser.parse_args().number))
