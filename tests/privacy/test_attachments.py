"""Who may read an attachment is judged when they ask: a document that was read is decided again by nothing (P5, P7, P10)."""

from __future__ import annotations

from base64 import b64encode
from datetime import datetime, timedelta
from hashlib import sha256
from uuid import UUID

import pytest

from pipelines.ledger import gateway
from tests.pipelines.desk import ANNA, BERTIL, CHILD, MOTHER, START, Event, account, agent, letter, person, read
from tests.rules_by_law.law_desk import KEYS, POLICY, LawDesk

PDF = b"%PDF-1.4\n% canary\n"
FILES = [
    {"name": "a.pdf", "content_type": "application/pdf", "data": b64encode(PDF).decode(), "shared": True, "e_brev": True},
]  # fmt: skip
MINUTE = timedelta(minutes=1)


async def _reads(hub: LawDesk, pid: str) -> bool:
    reader: UUID = KEYS.uuid(pid)
    return await gateway.attachment_for(hub.pool, reader, sha256(PDF).digest(), POLICY, hub.time) is not None


async def _read_by_mother(hub: LawDesk) -> None:
    await hub.take(person(CHILD), person(MOTHER), account(MOTHER), agent(CHILD, MOTHER))
    await hub.take(letter(CHILD, attachments=FILES))
    await hub.take(read(CHILD, by=MOTHER))
    assert await _reads(hub, MOTHER)


@pytest.mark.parametrize(
    "news",
    [
        agent(CHILD, MOTHER, state="blocked", as_of=START + MINUTE),
        agent(CHILD, MOTHER, until="2026-03-01", as_of=START + MINUTE),
        account(MOTHER, "blocked", as_of=START + MINUTE),
        account(CHILD, "blocked", as_of=START + MINUTE),
        person(MOTHER, protection="sekretessmarkering", as_of=START + MINUTE),
        person(MOTHER, deceased="2026-03-01", as_of=START + MINUTE),
        person(CHILD, protection="sekretessmarkering", as_of=START + MINUTE),
    ],
    ids=["link blocked", "link ended", "account blocked", "child's account blocked", "protected", "dead", "child protected"],
)
async def test_a_guardian_who_counts_no_more_reads_nothing_more(hub: LawDesk, news: Event) -> None:
    """P7; a protected child's documents are for no agent, as a guardian may be whom the child is protected from."""
    await _read_by_mother(hub)
    await hub.take(news)
    assert not await _reads(hub, MOTHER)


async def test_a_guardians_access_ends_on_the_13th_birthday(hub: LawDesk) -> None:
    """P7."""
    await _read_by_mother(hub)
    hub.time = datetime.fromisoformat("2030-12-31T22:59:00+00:00")
    assert await _reads(hub, MOTHER)
    hub.time += timedelta(minutes=2)
    assert not await _reads(hub, MOTHER)


async def test_a_blocked_account_reads_nothing_not_even_what_was_read(hub: LawDesk) -> None:
    """P5: the account counts as missing."""
    await hub.take(person(ANNA), account(ANNA), letter(ANNA, attachments=FILES))
    await hub.take(read(ANNA))
    assert await _reads(hub, ANNA)
    await hub.take(account(ANNA, "blocked", as_of=START + MINUTE))
    assert not await _reads(hub, ANNA)


@pytest.mark.parametrize("ended", [account(ANNA, "blocked", as_of=START + MINUTE), account(BERTIL, "blocked", as_of=START + MINUTE)])
async def test_a_fullmakt_reads_while_both_accounts_are_active(hub: LawDesk, ended: Event) -> None:
    await hub.take(person(ANNA), account(ANNA), person(BERTIL), account(BERTIL), agent(ANNA, BERTIL, relation="fullmakt"))
    await hub.take(letter(ANNA, attachments=FILES))
    await hub.take(read(ANNA))
    assert await _reads(hub, BERTIL)
    await hub.take(ended)
    assert not await _reads(hub, BERTIL)


async def test_what_was_read_under_an_old_number_is_still_the_persons(hub: LawDesk) -> None:
    """P4."""
    await hub.take(person(ANNA), account(ANNA), letter(ANNA, attachments=FILES))
    await hub.take(read(ANNA))
    await hub.take(person(BERTIL), person(ANNA, replaced_by=BERTIL, as_of=START + MINUTE))
    assert await _reads(hub, ANNA)
    assert await _reads(hub, BERTIL)
    assert not await _reads(hub, MOTHER)
