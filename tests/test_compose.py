"""docker-compose.yml is well formed and starts the same servers with the same settings as `hub up`.

No container engine runs here, so the file is held to the structure of the Compose specification (the keys it uses, their
types, and that what is named is there) and to the embedded servers' own settings.
"""

import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from config.ports import BRIDGES_MAX
from config.settings import load
from hub.embedded.jars import ROOTS
from hub.embedded.kafka import CLUSTER_ID, KafkaPlan, properties
from hub.embedded.postgres import SETTINGS

ROOT = Path(__file__).resolve().parent.parent
FILE = ROOT / "docker-compose.yml"

TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}
DURATION = {"type": "string", "pattern": "^([0-9]+(us|ms|s|m|h))+$"}
PUBLISHED = {"type": "string", "pattern": r"^127\.0\.0\.1:[0-9]+:[0-9]+$"}
SERVICE = {
    "type": "object",
    "additionalProperties": False,
    "required": ["restart"],
    "anyOf": [{"required": ["image"]}, {"required": ["build"]}],
    "properties": {
        "image": {"type": "string", "pattern": r"^[a-z0-9][a-z0-9./-]*(:[A-Za-z0-9._-]+)?$"},
        "build": {"type": "string"},
        "init": {"type": "boolean"},
        "restart": {"enum": ["no", "always", "on-failure", "unless-stopped"]},
        "network_mode": {"type": "string"},
        "command": {"type": "array", "items": {"type": "string"}},
        "environment": TEXTS,
        "volumes": {"type": "array", "items": {"type": "string", "pattern": "^[a-z-]+:/[a-z/]+$"}},
        "ports": {"type": "array", "items": PUBLISHED},
        "healthcheck": {
            "type": "object",
            "additionalProperties": False,
            "required": ["test"],
            "properties": {
                "test": {"type": "array", "items": {"type": "string"}, "minItems": 2},
                "interval": DURATION,
                "timeout": DURATION,
                "retries": {"type": "integer", "minimum": 1},
            },
        },
        "depends_on": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "additionalProperties": False,
                "properties": {"condition": {"enum": ["service_started", "service_healthy"]}},
            },
        },
    },
}
COMPOSE = {
    "type": "object",
    "additionalProperties": False,
    "required": ["services"],
    "properties": {
        "name": {"type": "string", "pattern": "^[a-z0-9][a-z0-9_-]*$"},
        "services": {"type": "object", "additionalProperties": SERVICE, "minProperties": 1},
        "volumes": {"type": "object", "additionalProperties": {"type": ["object", "null"]}},
    },
}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(FILE.read_text())
    return content


def test_the_file_has_the_structure_of_the_compose_specification(compose: dict[str, Any]) -> None:
    jsonschema.validate(compose, COMPOSE, jsonschema.Draft202012Validator)


def test_what_is_named_is_there(compose: dict[str, Any]) -> None:
    services = compose["services"]
    for service in services.values():
        assert set(service.get("depends_on", {})) <= services.keys()
        for needed, how in service.get("depends_on", {}).items():
            assert how["condition"] != "service_healthy" or "healthcheck" in services[needed]
        for volume in service.get("volumes", ()):
            assert volume.split(":")[0] in compose["volumes"]
    assert (ROOT / compose["services"]["hub"]["build"] / "Dockerfile").is_file()


def _variable(key: str) -> str:
    """The name the Kafka image reads a setting from: `.` is `_`, `_` is `__`, `-` is `___`."""
    return "KAFKA_" + key.replace("_", "__").replace("-", "___").replace(".", "_").upper()


def test_kafka_has_the_settings_of_the_embedded_one(compose: dict[str, Any]) -> None:
    ports = load({}).ports
    plan = KafkaPlan(Path("/var/lib/kafka"), ports.kafka, ports.controller, ports.sasl, Path("c"))
    wanted = {_variable(k): v for k, v in properties(plan).items()} | {"CLUSTER_ID": CLUSTER_ID}
    wanted["KAFKA_LISTENERS"] = wanted["KAFKA_LISTENERS"].replace("127.0.0.1", "")  # in a container: all interfaces
    assert compose["services"]["kafka"]["environment"] == wanted
    assert compose["services"]["kafka"]["image"] == f"apache/kafka:{ROOTS[0][2]}"


def test_postgres_has_the_settings_of_the_embedded_one(compose: dict[str, Any]) -> None:
    service = compose["services"]["postgres"]
    assert service["command"][0] == "postgres"
    given = dict(option.removeprefix("-c").split("=", 1) for option in service["command"][1:])
    assert given == {k: v for k, v in SETTINGS.items() if k not in ("listen_addresses", "unix_socket_directories")}
    assert service["image"] == "postgres:18"
    assert "data-checksums" in service["environment"]["POSTGRES_INITDB_ARGS"]


def test_the_hub_finds_both_and_its_settings_stand(compose: dict[str, Any], tmp_path: Path) -> None:
    env = dict(compose["services"]["hub"]["environment"]) | {"HUB_DIR": str(tmp_path)}
    settings = load(env)
    published = {port.split(":")[1] for name in ("kafka", "postgres") for port in compose["services"][name]["ports"]}
    assert settings.kafka_bootstrap.split(":")[1] in published
    assert settings.postgres_dsn().split("@")[1] == f"127.0.0.1:{settings.ports.postgres}/hub"
    assert str(settings.ports.postgres) in published
    assert settings.kafka.principals


def test_the_image_names_the_ports_of_every_bridge_that_there_may_be() -> None:
    ports = load({}).ports
    line = next(line for line in (ROOT / "Dockerfile").read_text().splitlines() if line.startswith("EXPOSE "))
    exposed = set()
    for word in line.split()[1:]:
        numbers, _, kind = word.partition("/")
        first, _, last = numbers.partition("-")
        exposed |= {(number, kind or "tcp") for number in range(int(first), int(last or first) + 1)}
    bridges = range(BRIDGES_MAX)
    media = {(ports.media_of(slot), kind) for slot in bridges for kind in ("tcp", "udp")}
    assert exposed == {(ports.gateway, "tcp"), (ports.sandbox, "tcp")} | {(ports.bridge(slot), "tcp") for slot in bridges} | media


def test_no_password_stands_in_the_file() -> None:
    for line in FILE.read_text().splitlines():
        if re.search("PASSWORD", line):
            assert "${HUB_POSTGRES_PASSWORD:?" in line


def test_the_turn_server_takes_short_lived_credentials_alone_and_relays_to_the_bridge_alone() -> None:
    coturn = yaml.safe_load((ROOT / "docker-compose.turn.yml").read_text())["services"]["coturn"]
    jsonschema.validate(coturn, SERVICE)
    words = dict(word.removeprefix("--").partition("=")[::2] for word in coturn["command"])
    assert "use-auth-secret" in words and words["static-auth-secret"].startswith("${HUB_TURN_SECRET:?")
    assert words["denied-peer-ip"] == "0.0.0.0-255.255.255.255" and words["allowed-peer-ip"].startswith("${HUB_BRIDGE_IP:?")
    assert "user" not in words, "no password that lasts"
