"""What one document costs in pure code, step by step, without any server: microseconds alone on one core."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from statistics import median
from typing import Any
from uuid import UUID

from aiokafka.structs import ConsumerRecord

from bench.report import Report
from bench.world import PHONE, World, has_account, has_mailbox
from config.settings import load
from pipelines.__main__ import collect_seldom
from pipelines.commands import Decoder, DocumentIn
from pipelines.context import Context
from pipelines.documents import Documents
from pipelines.ledger import outbox
from pipelines.outputs import Outbox
from pipelines.rules import progress, replay, routing
from pipelines.rules.model import AccountState, Document, Mailbox, Operator, Person, Protection
from schemas.keys import PersonKeys
from schemas.persons import born

BATCH = 500


def run(report: Report, batches: int) -> None:
    """Each step over the same documents, median of the batches, the first fifth thrown away."""
    collect_seldom()  # as the workers do
    keys = PersonKeys({1: b"bench-person-key-secret-32-bytes"}, 1)
    world = World(keys)
    policy = load({}).policy
    now = datetime.now(UTC)
    decoder = Decoder(keys, policy, lambda: lambda at: datetime.fromtimestamp(at, UTC))
    people = {decoder.person(pid): _person(decoder.person(pid), pid, number, now) for number, pid in enumerate(world.people)}
    limits = policy.unit("SE2321000016-A1").limits
    took: dict[str, list[float]] = {}

    def timed(name: str, step: Callable[[], Any]) -> Any:
        began = time.thread_time()  # what others take of the machine meanwhile does not count
        found = step()
        took.setdefault(name, []).append((time.thread_time() - began) / BATCH * 1e6)
        return found

    for number in range(batches):
        records = [_record(output, place) for place, output in enumerate(world.documents("-", f"rules{number}", 0, BATCH))]
        commands: list[DocumentIn] = timed("decode", lambda records=records: decoder.decode("ehr.letters.v1", records))
        documents = [_document(command) for command in commands]
        facts = [people[command.person] for command in commands]
        pairs = list(zip(facts, documents, strict=True))
        timed("route and act", lambda pairs=pairs: [progress.act(d, p, routing.route(p, d, limits, now), now) for p, d in pairs])
        timed("freeze", lambda pairs=pairs: [replay.freeze(p, d, limits, now) for p, d in pairs])
        context = Context(None, now, policy, keys, decoder.person, Outbox(now, policy.version), "162321000016")  # type: ignore[arg-type]
        context.people |= people
        made = Documents(context)
        timed("decide and say: rows, outputs, all of the above but decode", lambda c=commands, m=made: _decide(m, c))
        timed("pack the outbox", lambda c=context: outbox.pack(c.out.items))
    part = report.part("pure code")
    for name, values in took.items():
        part.figure(name, median(values[len(values) // 5 :]), "µs a document")


def _decide(documents: Documents, commands: list[DocumentIn]) -> None:
    digests: dict[UUID, UUID] = {}
    for command in commands:
        documents.submit(command, digests)
    coroutine = documents.publish()  # awaits nothing while all bodies are at hand
    try:
        coroutine.send(None)
    except StopIteration:
        return
    raise AssertionError("publishing asked the ledger")


def _person(uid: UUID, pid: str, number: int, now: datetime) -> Person:
    boxes = (Mailbox(Operator.KIVRA, True, now),) if has_mailbox(number) else ()
    account = AccountState.ACTIVE if has_account(number) else AccountState.NONE
    return Person(uid, pid, born(pid), False, Protection.NONE, False, now, False, account, bool(PHONE), boxes, ())


def _document(command: DocumentIn) -> Document:
    sent = command.origin.sent
    return Document(command.kind, command.e_brev, command.code, command.attachments, command.size, sent, sent)


def _record(output: Any, place: int) -> ConsumerRecord[Any, Any]:
    return ConsumerRecord(
        "ehr.letters.v1", 0, place, int(time.time() * 1000), 1, output.key, output.value, None, 3, len(output.value), tuple(output.headers)
    )
