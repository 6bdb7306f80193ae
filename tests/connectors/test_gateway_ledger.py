"""What the gateway asks the ledger, on a real PostgreSQL: is an account blocked, who may read an attachment now."""

from base64 import b64encode
from collections.abc import AsyncIterator
from hashlib import sha256
from uuid import UUID

import pytest_asyncio

from pipelines.ledger import gateway
from schemas.cloudevents import PersonKeys
from tests.pipelines.desk import ANNA, BERTIL, CHILD, MOTHER, UNIT, Desk, account, agent, desk, letter, person

KEYS = PersonKeys({1: b"k" * 32}, 1)
PDF = b"%PDF-1.4\n% an attachment\n"
SHA = sha256(PDF).digest()
FILES = [
    {
        "name": "a.pdf",
        "content_type": "application/pdf",
        "data": b64encode(PDF).decode(),
        "shared": True,
        "e_brev": True,
    }
]


@pytest_asyncio.fixture
async def hub(postgres: str) -> AsyncIterator[Desk]:
    async with desk(postgres) as made:
        yield made


def uuid(pid: str) -> UUID:
    return KEYS.uuid(pid)


async def test_an_account_is_blocked_when_somebody_blocked_it_or_it_was_deregistered(hub: Desk) -> None:
    """P5."""
    await hub.take(person(ANNA), person(BERTIL), account(ANNA), account(BERTIL))
    assert not await gateway.is_blocked(hub.pool, uuid(ANNA))
    await hub.take(account(ANNA, "blocked"), account(BERTIL, "none"))
    assert await gateway.is_blocked(hub.pool, uuid(ANNA))
    assert await gateway.is_blocked(hub.pool, uuid(BERTIL))
    assert not await gateway.is_blocked(hub.pool, uuid(MOTHER))


async def test_the_resident_reads_an_attachment_while_the_copy_is_open(hub: Desk) -> None:
    await hub.take(person(ANNA), account(ANNA), person(BERTIL), account(BERTIL))
    await hub.take(letter(ANNA, attachments=FILES))
    found = await gateway.attachment_for(hub.pool, uuid(ANNA), SHA, hub.decoder.policy, hub.time)
    assert found == (PDF, UNIT, ANNA, "d1")
    assert await gateway.attachment_for(hub.pool, uuid(BERTIL), SHA, hub.decoder.policy, hub.time) is None
    assert await gateway.attachment_for(hub.pool, uuid(ANNA), bytes(32), hub.decoder.policy, hub.time) is None
    await hub.take(account(ANNA, "blocked"))
    assert await gateway.attachment_for(hub.pool, uuid(ANNA), SHA, hub.decoder.policy, hub.time) is None


async def test_a_document_withdrawn_by_a_protection_is_read_by_nobody(hub: Desk) -> None:
    """P10."""
    await hub.take(person(ANNA), account(ANNA))
    await hub.take(letter(ANNA, attachments=FILES))
    await hub.take(person(ANNA, protection="sekretessmarkering"))
    assert await gateway.attachment_for(hub.pool, uuid(ANNA), SHA, hub.decoder.policy, hub.time) is None


async def test_a_childs_document_is_read_by_the_active_guardian(hub: Desk) -> None:
    """R7: the same attachment in another's document opens nothing."""
    await hub.take(person(CHILD), person(MOTHER), person(BERTIL), account(MOTHER), account(BERTIL))
    await hub.take(agent(CHILD, MOTHER))
    await hub.take(letter(CHILD, attachments=FILES))
    found = await gateway.attachment_for(hub.pool, uuid(MOTHER), SHA, hub.decoder.policy, hub.time)
    assert found is not None
    assert found.patient == CHILD
    assert await gateway.attachment_for(hub.pool, uuid(BERTIL), SHA, hub.decoder.policy, hub.time) is None
    await hub.take(agent(CHILD, MOTHER, state="blocked"))
    assert await gateway.attachment_for(hub.pool, uuid(MOTHER), SHA, hub.decoder.policy, hub.time) is None
