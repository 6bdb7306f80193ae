"""Settings: files, then environment; what is unknown or wrong is an error that names the key."""

import re
import ssl
from pathlib import Path

import pytest

from config.ports import PEERS, ports
from config.secrets import password, secret
from config.settings import SECTION_PREFIX, SettingsError, load, part_environment
from schemas.policy import FUNCTIONS, Limits

HUB = "[rules]\nunread_hours = 24\n"
UNITS = """
[providers.SE1-P1]
name = "P"
active = ["kallelse", "brev"]
unread_hours = 36
[units.SE1-A1]
provider = "SE1-P1"
name = "A"
[units.SE1-B2]
provider = "SE1-P1"
name = "B"
active = ["kallelse"]
unread_hours = 72
"""


def write(directory: Path, hub: str = HUB, units: str = UNITS) -> dict[str, str]:
    (directory / "hub.toml").write_text(hub)
    (directory / "units.toml").write_text(units)
    return {"HUB_CONFIG": str(directory)}


def test_the_shipped_settings_stand_and_are_the_laws_defaults() -> None:
    settings = load({})
    assert settings.policy.limits == Limits()
    assert settings.hub.sender == "162321000016"
    assert settings.policy.unit("SE2321000016-A1").name == "Ortopedmottagningen"
    assert settings.policy.unit("SE2321000016-B2").provider == "SE2321000016-P1"
    takecare, sectra = settings.policy.sources["takecare"], settings.policy.source("Sectra")
    assert takecare.control_codes
    assert takecare.may_send("brev", "SE2321000016-A1")
    assert not takecare.may_send("brev", "SE5560000001-G7")
    assert sectra is not None
    assert not sectra.control_codes
    assert sectra.kinds == {"kallelse"}


def test_the_environment_goes_before_the_file(tmp_path: Path) -> None:
    env = write(tmp_path)
    assert load(env).policy.limits.unread_hours == 24
    assert load({**env, "HUB__RULES__UNREAD_HOURS": "12"}).policy.limits.unread_hours == 12
    assert load({**env, "HUB__RULES__EARLY_PRINT": "true"}).policy.limits.early_print is True
    assert load({"HUB__SOURCES__SECTRA__KINDS": '["kallelse", "brev"]'}).policy.sources["sectra"].kinds == {
        "kallelse",
        "brev",
    }


def test_limits_go_from_hub_to_provider_to_unit(tmp_path: Path) -> None:
    policy = load(write(tmp_path)).policy
    assert [policy.unit(u).limits.unread_hours for u in ("SE1-A1", "SE1-B2", "SE1-X9")] == [36, 72, 24]
    assert policy.unit("SE1-A1").active == {"kallelse", "brev"}
    assert policy.unit("SE1-B2").active == {"kallelse"}
    assert policy.unit("SE1-X9").active == FUNCTIONS
    assert policy.unit("SE1-X9").provider == ""


def test_the_version_is_of_what_is_in_force_not_of_how_it_is_written(tmp_path: Path) -> None:
    env = write(tmp_path)
    before = load(env).policy.version
    write(tmp_path, hub="# a comment\n\n[rules]\nunread_hours=24\nchild_age = 13\n")
    assert load(env).policy.version == before
    assert load({**env, "HUB__RULES__CHILD_AGE": "12"}).policy.version != before


WRONG = [
    ({"HUB__RULES__UNRED_HOURS": "1"}, "rules.unred_hours: no such setting"),
    ({"HUB__RULES__UNREAD_HOURS": "soon"}, "rules.unread_hours: "),
    ({"HUB__RULES__UNREAD_HOURS": "-1"}, "rules.unread_hours: "),
    ({"HUB__RULES__CHILD_AGE": "19"}, "child_age 19 is above adult_age 18"),
    ({"HUB__NOWHERE__KEY": "1"}, "nowhere: no such setting"),
    ({"HUB__DIR": "x"}, "HUB__DIR: "),
    ({"HUB__RULES": "x"}, "HUB__RULES: "),
    ({"HUB_PORTBASE": "9000"}, "HUB_PORTBASE: no such variable"),
    ({"HUB_PORT_BASE": "80"}, "port_base: "),
    ({"HUB_CLOCK_SPEED": "0"}, "sandbox.clock_speed: "),
    ({"HUB__SOURCES__SECTRA__KINDS": '["post"]'}, "sources.sectra.kinds.0: "),
    ({"HUB__SOURCES__SECTRA__UNITS": '["*SE"]'}, "sources.sectra.units.0: "),
    ({"HUB_CONFIG": "/nowhere"}, "hub.toml: not there"),
]


IMPOSSIBLE = [
    ({"HUB__RULES__ADULT_AGE": "17"}, "rules.adult_age: 17 is below 18, the youngest that kivra is for"),
    ({"HUB__DELIVERY__SMS__REPEATS_MAX": "1"}, "delivery.sms.repeats_max: sms does not recognise repeats"),
    ({"HUB__DELIVERY__MINA_MEDDELANDEN__REPEATS_MAX": "3"}, "delivery.mina_meddelanden.repeats_max: mina_meddelanden does not"),
    (
        {"HUB__PEERS__KIVRA__RECOGNISES_REPEATS": "false", "HUB__DELIVERY__KIVRA__REPEATS_MAX": "2"},
        "delivery.kivra.repeats_max: peers.kivra.recognises_repeats is false",
    ),
    ({"HUB__DELIVERY__KIVRA__QUIET_FROM": "21:00"}, "delivery.kivra.quiet_from: kivra has no quiet hours"),
    ({"HUB__DELIVERY__MINA_MEDDELANDEN__QUIET_EXEMPT": "[]"}, "delivery.mina_meddelanden.quiet_exempt: mina_meddelanden has no"),
]


@pytest.mark.parametrize(("env", "says"), IMPOSSIBLE, ids=[says for _, says in IMPOSSIBLE])
def test_a_plan_that_needs_what_a_channel_cannot_give_is_refused_by_key_and_reason(env: dict[str, str], says: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(says)):
        load(env)


@pytest.mark.parametrize(
    ("units", "says"),
    [
        (UNITS.replace("unread_hours = 36", "adult_age = 16"), "providers.SE1-P1.adult_age: 16 is below 18"),
        (UNITS.replace("unread_hours = 72", "adult_age = 16"), "units.SE1-B2.adult_age: 16 is below 18"),
    ],
)
def test_also_a_provider_or_unit_makes_nobody_an_adult_whom_no_mailbox_takes(tmp_path: Path, units: str, says: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(says)):
        load(write(tmp_path, units=units))


@pytest.mark.parametrize(
    ("env", "channel", "repeats"),
    [
        ({}, "kivra", 3),
        ({}, "mina_meddelanden", 0),
        ({}, "sms", 0),
        ({"HUB__DELIVERY__KIVRA__REPEATS_MAX": "7"}, "kivra", 7),
        ({"HUB__DELIVERY__SMS__REPEATS_MAX": "0"}, "sms", 0),
        ({"HUB__PEERS__KIVRA__RECOGNISES_REPEATS": "false"}, "kivra", 0),
        ({"HUB__PEERS__KIVRA__RECOGNISES_REPEATS": "false", "HUB__DELIVERY__KIVRA__REPEATS_MAX": "0"}, "kivra", 0),
    ],
)
def test_what_is_in_doubt_is_repeated_only_where_the_channel_recognises_it(env: dict[str, str], channel: str, repeats: int) -> None:
    assert load(env).repeats_max(channel) == repeats


def test_all_that_is_impossible_is_told_at_once() -> None:
    with pytest.raises(SettingsError) as error:
        load({"HUB__RULES__ADULT_AGE": "15", "HUB__DELIVERY__SMS__REPEATS_MAX": "1"})
    assert len(str(error.value).splitlines()) == 2


def test_an_older_age_and_the_quiet_hours_of_texts_are_fine() -> None:
    settings = load({"HUB__RULES__ADULT_AGE": "20", "HUB__DELIVERY__SMS__QUIET_FROM": "20:00"})
    assert (settings.policy.limits.adult_age, settings.delivery.sms.quiet_from.hour) == (20, 20)


@pytest.mark.parametrize(("env", "says"), WRONG, ids=[says for _, says in WRONG])
def test_what_is_wrong_is_named(env: dict[str, str], says: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(says)):
        load(env)


WRONG_UNITS = [
    ('[units.SE1-A1]\nprovider = "SE1-P1"\nname = "A"\n', "units.SE1-A1.provider: SE1-P1 is not among [providers]"),
    (UNITS.replace('["kallelse"]', '["video"]'), "units.SE1-B2.active: video is not active at its provider"),
    (UNITS + "paper_lead_dys = 3\n", "units.SE1-B2.paper_lead_dys: no such setting"),
    (UNITS + "child_age = 40\n", "units.SE1-B2: child_age 40 is above adult_age 18"),
    ("[units.x]\n", "units.x.[key]: "),
    ("[units", "units.toml: "),
]


@pytest.mark.parametrize(("units", "says"), WRONG_UNITS, ids=[says for _, says in WRONG_UNITS])
def test_units_that_do_not_fit_are_named(tmp_path: Path, units: str, says: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(says)):
        load(write(tmp_path, units=units))


def test_an_error_does_not_show_the_value() -> None:
    with pytest.raises(SettingsError) as error:
        load({"HUB__KAFKA__HEAP_MIB": "hunter2"})
    assert "hunter2" not in str(error.value)


@pytest.mark.parametrize("key", ["dir", "port_base", "external_postgres", "cache_dir"])
def test_what_only_the_environment_may_say_is_no_setting_of_the_file(tmp_path: Path, key: str) -> None:
    with pytest.raises(SettingsError, match=key):
        load(write(tmp_path, hub=f'{key} = "x"\n'))


def test_ports_follow_from_one_base_and_never_meet() -> None:
    for made in (ports(None), ports(9000)):
        named = [made.gateway, made.console, made.timers, made.register, made.control, made.sandbox, made.hl7]
        named += [made.kafka, made.controller, made.sasl, made.postgres]
        named += [made.bridge(slot) for slot in range(8)] + [made.media_of(slot) for slot in range(8)]
        named += [made.worker(slot) for slot in range(8)] + [made.peer(name) for name in PEERS]
        assert len(set(named)) == len(named)
    default, moved = ports(None), ports(9000)
    assert (default.gateway, default.console, default.video, default.sandbox) == (8080, 8081, 8082, 8090)
    assert (default.kafka, default.postgres, default.media) == (19092, 15432, 7300)
    assert (moved.gateway, moved.sandbox, moved.media, moved.kafka, moved.postgres) == (9000, 9010, 9020, 9030, 9040)


def test_existing_servers_go_before_the_embedded_ones(tmp_path: Path) -> None:
    env = {"HUB_DIR": str(tmp_path), "HUB_KAFKA": "k1:9092,k2:9092", "HUB_POSTGRES": "postgresql://u:p@h/d"}
    settings = load(env)
    assert settings.kafka_bootstrap == "k1:9092,k2:9092"
    assert settings.postgres_dsn() == "postgresql://u:p@h/d"
    embedded = load({"HUB_DIR": str(tmp_path), "HUB_PORT_BASE": "9000"})
    assert embedded.kafka_bootstrap == "127.0.0.1:9030"
    assert embedded.postgres_dsn().endswith("@127.0.0.1:9040/hub")
    assert "p@h" not in repr(settings)


def test_a_part_has_the_settings_of_its_supervisor(tmp_path: Path) -> None:
    settings = load({}, HUB_DIR=str(tmp_path), HUB_PORT_BASE="9000", HUB__SANDBOX__ENABLED="false")
    given = {k: v for k, v in part_environment(settings).items() if k.startswith(("HUB_", SECTION_PREFIX))}
    assert load(given) == settings
    assert settings.clock_file is None, "without a sandbox hub time is wall time"


def test_a_secret_is_made_once_and_is_its_owners_only(tmp_path: Path) -> None:
    first = secret(tmp_path / "secrets", "k")
    assert len(first) == 32
    assert secret(tmp_path / "secrets", "k") == first
    assert password(tmp_path / "secrets", "p") != password(tmp_path / "secrets", "q")
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    assert {p.stat().st_mode & 0o777 for p in (tmp_path / "secrets").iterdir()} == {0o600}


def test_real_peers_are_known_so_that_the_sandbox_can_refuse() -> None:
    assert load({}).real_peers == ()
    assert load({"HUB__PEERS__SPAR__URL": "https://spar.example"}).real_peers == ("peers.spar.url",)


def test_a_peer_is_the_sandboxs_stand_in_unless_one_is_set(tmp_path: Path) -> None:
    base = {"HUB_DIR": str(tmp_path), "HUB_PORT_BASE": "9000"}
    made = load(base).peer("mm")
    assert made.url == "https://127.0.0.1:9051/mm"
    assert all(Path(file).parent.parent == tmp_path / "secrets" for file in (made.ca_file, made.certificate_file, made.key_file))
    assert load(base).peer_tls("mm").verify_mode is ssl.CERT_REQUIRED
    real = load(base | {"HUB__PEERS__MM__URL": "https://mm.example/x", "HUB__PEERS__MM__CA_FILE": "/ca.pem"})
    assert (real.peer("mm").url, real.peer("mm").ca_file, real.peer("mm").key_file) == ("https://mm.example/x", "/ca.pem", "")
    assert load(base | {"HUB__SANDBOX__ENABLED": "false"}).peer("kivra").url == ""


@pytest.mark.parametrize("key", ["HUB__PEERS__SPAR__CERT", "HUB__PEERS__BILLO__URL", "HUB__REGISTER__URL"])
def test_an_unknown_key_of_a_peer_is_an_error(key: str) -> None:
    with pytest.raises(SettingsError, match="no such setting"):
        load({key: "https://x.example"})


def test_a_peer_is_reached_by_https_only() -> None:
    with pytest.raises(SettingsError, match=r"peers\.spar\.url"):
        load({"HUB__PEERS__SPAR__URL": "http://spar.example"})


@pytest.mark.parametrize("number", ["0", "9"])
def test_more_bridges_than_there_are_ports_for_are_refused_by_key_and_reason(number: str) -> None:
    with pytest.raises(SettingsError, match=r"video\.bridges: .*(greater|less) than or equal to"):
        load({"HUB__VIDEO__BRIDGES": number})
