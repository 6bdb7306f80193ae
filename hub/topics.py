"""Bring a Kafka to what the tables of `schemas` say: topics with their settings, users, and who may do what.

    python -m hub.topics

Idempotent: what is right is left alone, so a second start costs a few requests. It ends when every partition has a
leader, so that whoever comes after it finds the topics' metadata. At the embedded Kafka it also sets the principals'
passwords and removes rights that the table no longer gives; at an existing Kafka (HUB_KAFKA) users are its operator's
business, and ACLs are only added, unless `[kafka] principals` says that it is ours all the same.
"""

from __future__ import annotations

import asyncio
import hashlib
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaConnectionError, for_code

from config.settings import Settings, SettingsError, load
from hub.principals_wire import AlterScram, CreateAcls, DeleteAcls, DescribeAcls, DescribeScram, bindings
from schemas.principals import PRINCIPALS, all_acls
from schemas.topics import TOPICS

CONNECT_TIMEOUT_S: Final = 60.0
LEADERS_TIMEOUT_S: Final = 30.0
TOPIC_EXISTS: Final = 36
SECURITY_DISABLED: Final = 54  # a Kafka without an authorizer


class ProvisionFailure(Exception):
    """Kafka cannot be brought to what the tables say."""


async def provision(settings: Settings) -> None:
    """Topics, settings, users, ACLs; back when every partition has a leader.

    Raises:
        ProvisionFailure: in words for an operator.
    """
    admin = await connect(settings)
    try:
        await _make_topics(admin)
        ours = settings.external_kafka is None or settings.kafka.principals
        await asyncio.gather(_set_configs(admin), _set_acls(admin, remove=ours))
        if ours:
            await _set_passwords(admin, settings)
        await _wait_for_leaders(admin)
    finally:
        await admin.close()


def client_arguments(settings: Settings) -> dict[str, Any]:
    """How the hub's own clients reach Kafka."""
    tls, user = settings.kafka_tls(), settings.kafka.username
    arguments: dict[str, Any] = {
        "bootstrap_servers": settings.kafka_bootstrap.split(","),
        "security_protocol": ("SASL_" if user else "") + ("SSL" if tls else "PLAINTEXT"),
    }
    if tls is not None:
        arguments["ssl_context"] = tls
    if user:
        arguments |= {
            "sasl_mechanism": "SCRAM-SHA-512",
            "sasl_plain_username": user,
            "sasl_plain_password": settings.kafka_password(),
        }
    return arguments


async def connect(settings: Settings) -> AIOKafkaAdminClient:
    """An admin client, once Kafka is there."""
    until = time.monotonic() + CONNECT_TIMEOUT_S
    while True:
        admin = AIOKafkaAdminClient(**client_arguments(settings), client_id="hub-topics")
        try:
            await admin.start()
        except KafkaConnectionError:
            await admin.close()
            if time.monotonic() > until:
                raise ProvisionFailure(f"there is no Kafka at {settings.kafka_bootstrap}") from None
            await asyncio.sleep(0.05)
        else:
            return admin


async def _make_topics(admin: AIOKafkaAdminClient) -> None:
    present = set(await admin.list_topics())
    missing = [t for t in TOPICS.values() if t.name not in present]
    if not missing:
        return
    new = [NewTopic(t.name, t.partitions, -1, {}, t.config) for t in missing]  # -1: as many replicas as it has by default
    answer = await admin.create_topics(new)
    for name, code, *message in answer.topic_errors:
        if code not in (0, TOPIC_EXISTS):
            raise ProvisionFailure(f"topic {name} cannot be made: {for_code(code).__name__} {message}")


async def _set_configs(admin: AIOKafkaAdminClient) -> None:
    resources = [ConfigResource(ConfigResourceType.TOPIC, name, dict.fromkeys(t.config)) for name, t in TOPICS.items()]
    differ: list[ConfigResource] = []
    for answer in await admin.describe_configs(resources):
        for _code, _message, _kind, name, entries in answer.resources:
            wanted = TOPICS[name].config
            if any(wanted[key] != value for key, value, *_ in entries if key in wanted):
                differ.append(ConfigResource(ConfigResourceType.TOPIC, name, wanted))
    if differ:
        for answer in await admin.alter_configs(differ):
            for code, message, _kind, name in answer.resources:
                if code:
                    raise ProvisionFailure(f"topic {name} cannot be set: {message}")


async def _set_acls(admin: AIOKafkaAdminClient, *, remove: bool) -> None:
    described = await admin._send_request(DescribeAcls())
    if described.error_code == SECURITY_DISABLED:
        return
    present, wanted = set(bindings(described)), set(all_acls())
    if missing := sorted(wanted - present):
        answer = await admin._send_to_controller(CreateAcls(missing))
        for code, message in answer.creation_responses:
            if code:
                raise ProvisionFailure(f"rights cannot be given: {message}")
    extra = present - wanted if remove else set()
    if extra:
        await admin._send_to_controller(DeleteAcls(sorted(extra)))

    async def in_force() -> bool:
        now = set(bindings(await admin._send_request(DescribeAcls())))
        return wanted <= now and not extra & now

    await _until(in_force, "the rights are not in force")


async def _set_passwords(admin: AIOKafkaAdminClient, settings: Settings) -> None:
    """The SCRAM users of the embedded Kafka. A stamp beside its data tells that they are set already."""
    users = {name: settings.principal_password(name) for name in PRINCIPALS}
    wanted = hashlib.sha256("".join(f"{n}:{p}\n" for n, p in sorted(users.items())).encode()).hexdigest()
    stamp = settings.dir / "kafka" / "users.sha256"
    if settings.external_kafka is None and stamp.exists() and stamp.read_text() == wanted:
        return
    salts = {n: hashlib.sha256(f"salt:{p}".encode()).digest() for n, p in users.items()}
    answer = await admin._send_to_controller(AlterScram({n: (salts[n], p) for n, p in users.items()}))
    for user, code, message, _tags in answer.results:
        if code:
            raise ProvisionFailure(f"the password of {user} cannot be set: {message}")

    async def known() -> bool:
        about = await admin._send_request(DescribeScram())
        return users.keys() <= {user for user, code, *_ in about.results if code == 0}

    await _until(known, "the users are not known to the broker")
    _write(stamp, wanted)


async def _until(holds: Callable[[], Awaitable[bool]], otherwise: str) -> None:
    """What the controller has accepted reaches the broker a moment later."""
    until = time.monotonic() + LEADERS_TIMEOUT_S
    while not await holds():
        if time.monotonic() > until:
            raise ProvisionFailure(otherwise)
        await asyncio.sleep(0.02)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


async def _wait_for_leaders(admin: AIOKafkaAdminClient) -> None:
    about: dict[str, Any] = {}

    async def led() -> bool:
        about.update((t["topic"], t) for t in await admin.describe_topics(list(TOPICS)))
        return not any(t["error_code"] or any(p["leader"] < 0 for p in t["partitions"]) for t in about.values())

    await _until(led, "some partitions have no leader")
    for name, t in TOPICS.items():
        if len(about[name]["partitions"]) != t.partitions:
            raise ProvisionFailure(f"topic {name} has {len(about[name]['partitions'])} partitions, not {t.partitions}")


def main() -> int:
    try:
        asyncio.run(provision(load()))
    except (ProvisionFailure, SettingsError) as failure:
        sys.stderr.write(f"hub: {failure}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
