"""Topics, users and rights at a real Kafka are what the tables say: a portal reads its topics and nothing else."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaConnectionError, TopicAuthorizationFailedError

from config.ports import Ports
from config.settings import Settings, load
from hub.embedded.running import KafkaServer
from hub.principals_wire import CreateAcls, DescribeAcls, bindings
from hub.topics import provision
from schemas.principals import HUB_ONLY, PRINCIPALS, Acl, all_acls
from schemas.topics import TOPICS


@pytest.fixture(scope="module")
def settings(own_kafka_server: KafkaServer, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Those of a hub whose embedded Kafka is the test's."""
    made = load({"HUB_DIR": str(tmp_path_factory.mktemp("hub"))})
    plan = own_kafka_server.plan
    made.__dict__["ports"] = Ports(1024, plan.port, plan.controller, plan.sasl, 1)  # a cached property
    return made


@pytest.fixture(autouse=True)
async def provisioned(settings: Settings) -> AsyncIterator[None]:
    await provision(settings)
    yield


def _as(settings: Settings, server: KafkaServer, principal: str, password: str | None = None) -> dict[str, str]:
    return {
        "bootstrap_servers": server.sasl_bootstrap,
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": principal,
        "sasl_plain_password": password or settings.principal_password(principal),
    }


async def test_every_topic_is_there_with_its_partitions_and_a_second_run_changes_nothing(
    settings: Settings, own_kafka_server: KafkaServer
) -> None:
    await provision(settings)
    admin = AIOKafkaAdminClient(bootstrap_servers=own_kafka_server.bootstrap)
    await admin.start()
    about = {t["topic"]: len(t["partitions"]) for t in await admin.describe_topics(list(TOPICS))}
    await admin.close()
    assert about == {name: topic.partitions for name, topic in TOPICS.items()}


async def _describe(settings: Settings, server: KafkaServer, principal: str, topic: str) -> int:
    """The error code of a topic's metadata. Kafka's Read includes Describe: who may not describe may not read."""
    admin = AIOKafkaAdminClient(**_as(settings, server, principal))
    await admin.start()
    try:
        (about,) = await admin.describe_topics([topic])
    finally:
        await admin.close()
    return int(about["error_code"])


@pytest.mark.parametrize("topic", PRINCIPALS["portal"].reads)
async def test_a_portal_reads_its_topics(settings: Settings, own_kafka_server: KafkaServer, topic: str) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=own_kafka_server.bootstrap)
    await producer.start()
    await producer.send_and_wait(topic, b"{}", key=b"k", partition=0)
    await producer.stop()
    consumer = AIOKafkaConsumer(**_as(settings, own_kafka_server, "portal"), group_id="portal.test", auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, 0)])
        async with asyncio.timeout(20):
            assert (await consumer.getone()).value == b"{}"
    finally:
        await consumer.stop()


@pytest.mark.parametrize("topic", sorted(HUB_ONLY))
async def test_a_portal_is_refused_what_is_the_hubs_own(settings: Settings, own_kafka_server: KafkaServer, topic: str) -> None:
    assert await _describe(settings, own_kafka_server, "portal", topic) == TopicAuthorizationFailedError.errno
    assert await _describe(settings, own_kafka_server, "operator", topic) == 0


async def test_a_portal_may_write_nowhere(settings: Settings, own_kafka_server: KafkaServer) -> None:
    producer = AIOKafkaProducer(**_as(settings, own_kafka_server, "portal"))
    await producer.start()
    with pytest.raises(TopicAuthorizationFailedError):
        await producer.send_and_wait("portal.bookings.v1", b"{}", partition=0)
    await producer.stop()


async def test_the_app_writes_receipts(settings: Settings, own_kafka_server: KafkaServer) -> None:
    producer = AIOKafkaProducer(**_as(settings, own_kafka_server, "app"))
    await producer.start()
    sent = await producer.send_and_wait("receipts.v1", b"{}", partition=0)
    await producer.stop()
    assert sent.offset >= 0


async def test_a_wrong_password_is_refused(settings: Settings, own_kafka_server: KafkaServer) -> None:
    admin = AIOKafkaAdminClient(**_as(settings, own_kafka_server, "portal", "wrong"))
    with pytest.raises(KafkaConnectionError):
        await admin.start()
    await admin.close()


async def test_a_right_that_the_table_no_longer_gives_is_taken_away(settings: Settings, own_kafka_server: KafkaServer) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=own_kafka_server.bootstrap)
    await admin.start()
    await admin._send_to_controller(CreateAcls([Acl("User:portal", "Read", "Topic", "persons.v1", "Literal")]))
    await provision(settings)
    left = bindings(await admin._send_request(DescribeAcls()))
    await admin.close()
    assert sorted(left) == sorted(all_acls())


def test_secrets_are_for_their_owner_only(settings: Settings) -> None:
    files = list(settings.secrets_dir.iterdir())
    assert {p.stat().st_mode & 0o777 for p in files} == {0o600}
    assert Path(settings.secrets_dir).stat().st_mode & 0o777 == 0o700
