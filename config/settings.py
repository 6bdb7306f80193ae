"""The only reader of the environment: `hub.toml`, then HUB__SECTION__KEY, then the few HUB_ variables below.

Checked once, here; inside, settings are frozen. An unknown key is an error that names it: a misspelt limit must not
silently be the default. Everything a part needs is on `Settings`; nobody else asks where a file or a port is.
"""

from __future__ import annotations

import os
import ssl
import tomllib
from collections.abc import Mapping
from datetime import time
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field, ValidationError

from config import certificates, plans
from config.policy import LimitKeys, SourceTable, Table, UnitsFile, build
from config.ports import BRIDGES_MAX, PEERS, WORKERS_MAX, Ports, ports
from config.secrets import password, secret
from schemas.policy import Policy

SECTION_PREFIX: Final = "HUB__"
VARIABLES: Final = {
    "HUB_KAFKA": "an existing Kafka: host:port, more divided by commas",
    "HUB_POSTGRES": "an existing PostgreSQL 18: postgresql://user:password@host:port/database",
    "HUB_DIR": "where the running hub keeps its data (var)",
    "HUB_PORT_BASE": "the first port; the others follow from it",
    "HUB_CLOCK_SPEED": "sandbox only: hub seconds in a second",
    "HUB_CONFIG": "the directory of hub.toml and units.toml",
}

PeerName = Literal["spar", "mm", "kivra", "sms", "takecare"]
PortBase = Annotated[int, Field(ge=1024, le=65_000)]
Positive = Annotated[int, Field(gt=0)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]


class SettingsError(Exception):
    """The settings do not stand. The text names each key and what is wrong with it, one a line."""


class HubTable(Table):
    sender: Annotated[str, Field(pattern=r"^\d{10}(\d{2})?$")] = "162321000016"
    key_version: Positive = 1
    log_level: Literal["debug", "info", "warning", "error"] = "info"


class WorkersTable(Table):
    count: Annotated[int, Field(ge=1, le=WORKERS_MAX)] = 2
    lanes: Annotated[int, Field(ge=1, le=12)] = 2
    batch_records: Annotated[int, Field(ge=1, le=5_000)] = 500
    session_seconds: Annotated[int, Field(ge=6, le=300)] = 10
    timer_rows: Annotated[int, Field(ge=1, le=5_000)] = 500
    outbox_rows: Annotated[int, Field(ge=1, le=5_000)] = 500


class IntakeTable(Table):
    body_bytes_max: Positive = 8 * 1024 * 1024
    batch_events_max: Annotated[int, Field(ge=1, le=10_000)] = 1_000
    attachment_bytes_max: Positive = 5 * 1024 * 1024
    attachments_max: Positive = 20
    bytes_in_flight_max: Positive = 64 * 1024 * 1024
    requests_in_flight_max: Positive = 256
    kafka_timeout_seconds: Seconds = 20
    read_timeout_seconds: Seconds = 30


class KafkaTable(Table):
    username: str = ""
    password_file: str = ""
    ca_file: str = ""
    principals: bool = False
    durable: bool = True
    heap_mib: Annotated[int, Field(ge=192, le=65_536)] = 256


class PostgresTable(Table):
    pool_max: Annotated[int, Field(ge=1, le=100)] = 8
    statement_timeout_seconds: Seconds = 60


class AuthTable(Table):
    issuer: str = ""
    jwks_url: str = ""
    audience: str = "hub"
    certificates: dict[str, str] = Field(default_factory=dict)


class TlsTable(Table):
    certificate_file: str = ""
    key_file: str = ""
    client_ca_file: str = ""


class RivtaSource(Table):
    url: str


class RivtaTable(Table):
    sources: dict[str, RivtaSource] = Field(default_factory=dict)


class PeerTable(Table):
    """How an outside system is reached: HTTPS, and the certificate that says who we are."""

    url: Annotated[str, Field(pattern=r"^(https://.+)?$")] = ""
    ca_file: str = ""
    certificate_file: str = ""
    key_file: str = ""


class MmTable(PeerTable):
    """`url`: DIGG's Recipient service. Letters go only to the hosts named here, whatever it answers."""

    sender_name: str = ""
    allowed_hosts: tuple[str, ...] = ()
    sender_key_file: str = ""
    sender_certificate_file: str = ""
    mediator_key_file: str = ""
    mediator_certificate_file: str = ""


class KivraTable(PeerTable):
    tenant: str = ""
    client_id: str = ""
    client_secret_file: str = ""
    recognises_repeats: bool = True


class SmsPeerTable(PeerTable):
    provider: Literal["46elks", "linkmobility"] = "46elks"
    sender: str = "AlltidOppet"
    username: str = ""
    password_file: str = ""
    platform: str = ""
    partner: str = ""
    gate: str = ""


class PeersTable(Table):
    spar: PeerTable = PeerTable()
    mm: MmTable = MmTable()
    kivra: KivraTable = KivraTable()
    sms: SmsPeerTable = SmsPeerTable()
    takecare: PeerTable = PeerTable()


CustomerNumber = Annotated[int, Field(ge=500_001, le=599_999)]


class RegisterTable(Table):
    customer: CustomerNumber = 500_243
    end_customer: CustomerNumber = 500_243
    assignment: Positive = 637
    user: Annotated[str, Field(min_length=1, max_length=256)] = "care-hub register look-up"
    timeout_seconds: Seconds = 10
    concurrent_max: Annotated[int, Field(ge=1, le=1_000)] = 32


class Hl7Table(Table):
    port: Annotated[int, Field(ge=0, le=65_535)] = 0
    tls: bool = False
    connections_max: Annotated[int, Field(ge=1, le=10_000)] = 64
    idle_seconds: Seconds = 600


_STAND_INS: Final[Mapping[PeerName, str]] = {"takecare": "takecare/exchange/booking.asmx"}
"""Where a stand-in's own address is deeper than its name."""


class ExchangeTable(Table):
    user: str = ""
    password_file: str = ""
    external_user: str = "care-hub"
    polled_units: tuple[str, ...] = ()
    poll_seconds: Seconds = 300


class ReachingTable(Table):
    enabled: bool = True


class PaceTable(Table):
    """What one outside system may be asked, and how long it may take (per phase). A slow one holds up only itself."""

    per_second: Annotated[float, Field(gt=0, le=10_000)] = 50
    concurrent_max: Annotated[int, Field(ge=1, le=1_000)] = 8
    connect_seconds: Seconds = 3
    silence_seconds: Seconds = 20
    total_seconds: Seconds = 60
    pause_seconds_min: Seconds = 5
    pause_seconds_max: Seconds = 900
    repeats_max: Annotated[int, Field(ge=0, le=100)] | None = None
    """None: by what the channel can (`repeats_max` of the settings)."""


class SmsTable(PaceTable):
    quiet_from: time = time(21)
    quiet_until: time = time(7)
    quiet_exempt: tuple[str, ...] = ("reminder", "invitation")
    callback_url: str = ""


class DeliveryTable(Table):
    """The delivery part: by peer, and what they share."""

    gives_up_days: Positive = 30
    kivra: PaceTable = PaceTable()
    mina_meddelanden: PaceTable = PaceTable()
    sms: SmsTable = SmsTable()


class VideoTable(Table):
    bridges: Annotated[int, Field(ge=1, le=BRIDGES_MAX)] = 1
    drain_seconds: Annotated[float, Field(ge=0, le=14_400)] = 0
    unread_minutes: Positive = 15
    public_url: str = ""
    client_id: str = "portal"
    client_secret_file: str = ""
    advertise_ip: str = ""
    turn_urls: tuple[str, ...] = ()
    turn_secret_file: str = ""


class SandboxTable(Table):
    enabled: bool = True
    clock_speed: Annotated[float, Field(gt=0, le=100_000)] = 1.0


class SampleTable(Table):
    documents: Annotated[int, Field(ge=0, le=10_000_000)] = 1_000
    seed: int = 1


class DeadLettersTable(Table):
    per_minute_max: Positive = 500


class RetentionTable(Table):
    """Days that rows are kept, by table of the ledger.

    `requests` are the bytes of what was sent, after its outcome is known; `sends` what is known of them, with all attempts: kept longer
    than the topics of requests, or an old request that is read again would be made again.
    """

    inbox_days: Positive = 30
    contents_days: Positive = 400
    documents_days: Positive = 400
    print_entries_days: Positive = 400
    requests_days: Positive = 30
    sends_days: Annotated[int, Field(ge=31)] = 400
    bookings_days: Positive = 400
    rooms_days: Positive = 60
    meeting_texts_days: Positive = 60
    unread_chats_days: Positive = 60
    decisions_days: Positive = 400
    dead_letters_days: Positive = 90


class Settings(Table):
    """Everything an operator may set, checked. `load()` makes one from the files and the environment."""

    hub: HubTable = HubTable()
    rules: LimitKeys = LimitKeys()
    sources: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$")], SourceTable] = Field(default_factory=dict)
    workers: WorkersTable = WorkersTable()
    intake: IntakeTable = IntakeTable()
    kafka: KafkaTable = KafkaTable()
    postgres: PostgresTable = PostgresTable()
    auth: AuthTable = AuthTable()
    tls: TlsTable = TlsTable()
    rivta: RivtaTable = RivtaTable()
    register_: RegisterTable = Field(default=RegisterTable(), alias="register")
    peers: PeersTable = PeersTable()
    reaching: ReachingTable = ReachingTable()
    hl7: Hl7Table = Hl7Table()
    exchange: ExchangeTable = ExchangeTable()
    delivery: DeliveryTable = DeliveryTable()
    video: VideoTable = VideoTable()
    sandbox: SandboxTable = SandboxTable()
    sample: SampleTable = SampleTable()
    dead_letters: DeadLettersTable = DeadLettersTable()
    retention: RetentionTable = RetentionTable()

    units_file: UnitsFile = Field(default=UnitsFile(), exclude=True)
    dir: Path = Field(default=Path("var"), exclude=True)
    port_base: PortBase | None = Field(default=None, exclude=True)
    external_kafka: str | None = Field(default=None, exclude=True)
    external_postgres: str | None = Field(default=None, exclude=True, repr=False)
    cache_dir: Path = Field(default=Path.home() / ".cache" / "nordic-care-hub", exclude=True)

    @cached_property
    def policy(self) -> Policy:
        """What the rules read."""
        return build(self.rules, self.sources, self.units_file, asks_mailboxes=self.reaching.enabled)

    @cached_property
    def ports(self) -> Ports:
        return ports(self.port_base)

    @property
    def clock_file(self) -> Path | None:
        """Where the moved clock stands; None in production, where hub time is wall time."""
        return self.dir / "clock.json" if self.sandbox.enabled else None

    @property
    def secrets_dir(self) -> Path:
        return self.dir / "secrets"

    @property
    def log_dir(self) -> Path:
        return self.dir / "log"

    @property
    def kafka_bootstrap(self) -> str:
        """Where the parts find Kafka: HUB_KAFKA, else the embedded one."""
        return self.external_kafka or f"127.0.0.1:{self.ports.kafka}"

    def kafka_password(self) -> str | None:
        return Path(self.kafka.password_file).read_text().strip() if self.kafka.password_file else None

    def kafka_tls(self) -> ssl.SSLContext | None:
        return ssl.create_default_context(cafile=self.kafka.ca_file) if self.kafka.ca_file else None

    def postgres_dsn(self) -> str:
        """Where the parts find the ledger: HUB_POSTGRES, else the embedded one with the password made for it."""
        if self.external_postgres:
            return self.external_postgres
        return f"postgresql://hub:{password(self.secrets_dir, 'postgres')}@127.0.0.1:{self.ports.postgres}/hub"

    def person_key_secrets(self) -> dict[int, bytes]:
        """The secrets of the opaque person keys, by version: every one up to the current."""
        return {v: secret(self.secrets_dir, f"person-key-{v}") for v in range(1, self.hub.key_version + 1)}

    def dead_letter_key(self) -> bytes:
        return secret(self.secrets_dir, "dead-letters")

    def callback_secret(self) -> bytes:
        """What the addresses of delivery reports are made with (`schemas.callback`)."""
        return secret(self.secrets_dir, "callback")

    def guests_key(self) -> bytes:
        """What opens the numbers of guests in the ledger: shared by the parts that invite them and that send (V9)."""
        return secret(self.secrets_dir, "guests")

    def principal_password(self, principal: str) -> str:
        """The SASL password of a principal at the embedded Kafka."""
        return password(self.secrets_dir, f"kafka-{principal}")

    @property
    def oidc_issuer(self) -> str:
        return self.auth.issuer or self._stand_in("oidc")

    @property
    def oidc_jwks_url(self) -> str:
        return self.auth.jwks_url or self._stand_in("oidc/jwks")

    def peer(self, name: PeerName) -> PeerTable:
        """How a part reaches an outside system: as set, else the sandbox's stand-in (its certificates are made on first
        use, whichever part comes first); with an empty `url`, not at all."""
        given: PeerTable = getattr(self.peers, name)
        if given.url or not self.sandbox.enabled:
            return given
        made = certificates.kept(self.secrets_dir)
        return PeerTable(
            url=f"https://127.0.0.1:{self.ports.peer(name)}/{_STAND_INS.get(name, name)}",
            ca_file=str(made.authority),
            certificate_file=str(made.client),
            key_file=str(made.client_key),
        )

    def peer_tls(self, name: PeerName) -> ssl.SSLContext:
        """The TLS of that: whom we believe, and who we are."""
        peer = self.peer(name)
        context = ssl.create_default_context(cafile=peer.ca_file or None)
        if peer.certificate_file:
            context.load_cert_chain(peer.certificate_file, peer.key_file or None)
        return context

    def repeats_max(self, channel: str) -> int:
        """How often the delivery part may repeat by itself what is in doubt at a channel's peer."""
        return plans.repeats_max(self, channel)

    @property
    def hl7_port(self) -> int:
        """Where HL7 v2 over MLLP is taken in; 0: nowhere. The sandbox has it on without being told."""
        return self.hl7.port or (self.ports.hl7 if self.sandbox.enabled else 0)

    def exchange_password(self) -> str:
        return Path(self.exchange.password_file).read_text().strip() if self.exchange.password_file else ""

    @property
    def callback_url(self) -> str:
        """Where an SMS provider reaches the gateway: `/callbacks/sms/{token}` follows. On loopback where nothing is set."""
        return (self.delivery.sms.callback_url or f"http://127.0.0.1:{self.ports.gateway}").rstrip("/")

    @property
    def video_url(self) -> str:
        """Where people's browsers find the video bridge."""
        return self.video.public_url or f"http://127.0.0.1:{self.ports.video}"

    def _stand_in(self, path: str) -> str:
        """Where the sandbox stands in; nowhere without it, as anybody may listen on a port of loopback."""
        return f"http://127.0.0.1:{self.ports.sandbox}/{path}" if self.sandbox.enabled else ""

    @property
    def real_peers(self) -> tuple[str, ...]:
        """The settings that point at real outside systems; the sandbox refuses to run beside any."""
        set_ = {"auth.issuer": self.auth.issuer, "auth.jwks_url": self.auth.jwks_url}
        set_ |= {f"peers.{name}.url": getattr(self.peers, name).url for name in PEERS}
        return tuple(key for key, value in set_.items() if value)


def load(environ: Mapping[str, str] | None = None, **options: str) -> Settings:
    """The settings in force. `options` are variables given on a command line (`HUB_DIR="var2"`); they go first.

    Raises:
        SettingsError: naming every key that is unknown or wrong.
    """
    env = {**(os.environ if environ is None else environ), **options}
    if unknown := sorted(k for k in env if k.startswith("HUB_") and not k.startswith(SECTION_PREFIX) and k not in VARIABLES):
        raise SettingsError("\n".join(f"{name}: no such variable; known are {', '.join(VARIABLES)}" for name in unknown))
    directory = Path(env.get("HUB_CONFIG") or Path(__file__).parent)
    values = _read(directory / "hub.toml")
    for name in sorted(k for k in env if k.startswith(SECTION_PREFIX)):
        _put(values, name, env[name])
    if "HUB_CLOCK_SPEED" in env:
        values.setdefault("sandbox", {})["clock_speed"] = env["HUB_CLOCK_SPEED"]
    if outside := sorted(_NOT_IN_FILES & values.keys()):
        raise SettingsError("\n".join(f"{key}: no such setting" for key in outside))
    if impossible := list(plans.impossible_tables(values)):
        raise SettingsError("\n".join(impossible))
    values["units_file"] = _read(directory / "units.toml")
    values["dir"] = Path(env.get("HUB_DIR") or "var").absolute()
    values["cache_dir"] = Path(env.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nordic-care-hub"
    for key, variable in _PLAIN.items():
        if env.get(variable):
            values[key] = env[variable]
    try:
        settings = Settings.model_validate(values)
        settings.policy  # noqa: B018 - built here, so that units that do not fit are told at once
    except ValidationError as wrong:
        raise SettingsError("\n".join(_line(error) for error in wrong.errors())) from None
    except ValueError as wrong:
        raise SettingsError(str(wrong)) from None
    if impossible := list(plans.impossible(settings)):
        raise SettingsError("\n".join(impossible))
    return settings


_OF_ANY_PROGRAM: Final = ("PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "LD_LIBRARY_PATH")

_PLAIN: Final = {"port_base": "HUB_PORT_BASE", "external_kafka": "HUB_KAFKA", "external_postgres": "HUB_POSTGRES"}

_NOT_IN_FILES: Final = frozenset(name for name, field in Settings.model_fields.items() if field.exclude)


def part_environment(settings: Settings) -> dict[str, str]:
    """The environment of a part: ours, with what gives it the same settings wherever it runs."""
    given = {**os.environ, "HUB_DIR": str(settings.dir)}
    if settings.port_base is not None:
        given["HUB_PORT_BASE"] = str(settings.port_base)
    given["HUB__SANDBOX__ENABLED"] = "true" if settings.sandbox.enabled else "false"
    return given


def server_environment() -> dict[str, str]:
    """The environment of a server that is not ours: what a program needs to run, and none of what an operator's shell knows."""
    return {name: os.environ[name] for name in _OF_ANY_PROGRAM if name in os.environ} | {"TZ": "UTC"}


def take_environment(env: Mapping[str, str]) -> None:
    """Make `env` this process's environment: a forked part has the one that its supervisor chose."""
    os.environ.clear()
    os.environ.update(env)


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except FileNotFoundError:
        raise SettingsError(f"{path}: not there") from None
    except tomllib.TOMLDecodeError as wrong:
        raise SettingsError(f"{path.name}: {wrong}") from None


def _put(values: dict[str, Any], name: str, text: str) -> None:
    """HUB__RULES__UNREAD_HOURS=72 is `unread_hours = 72` in `[rules]`; a value that is no TOML is a text."""
    *sections, key = name.removeprefix(SECTION_PREFIX).lower().split("__")
    if not sections or not key or not all(sections):
        raise SettingsError(f"{name}: is not of the form HUB__SECTION__KEY")
    try:
        value: Any = tomllib.loads(f"v = {text}")["v"]
    except tomllib.TOMLDecodeError:
        value = text
    table = values
    for section in sections:
        table = table.setdefault(section, {})
        if not isinstance(table, dict):
            raise SettingsError(f"{name}: {section} is no section")
    table[key] = value


def _line(error: Any) -> str:
    """One error of pydantic as `rules.unread_hours: …`, without the value: it may be a secret."""
    place = ".".join(str(p) for p in error["loc"]).removeprefix("units_file.")
    if error["type"] == "extra_forbidden":
        return f"{place}: no such setting"
    return f"{place}: {error['msg']}"
