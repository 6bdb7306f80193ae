"""Metrics come from one table; nothing that is logged shows a person."""

import asyncio
import json
import logging
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import get_args

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from config.health import serve_health
from config.telemetry import REDACTED, PrometheusMeter, redact, set_up_logging
from hub.embedded.leases import free_ports
from schemas.telemetry import BY_NAME, METRICS, MetricName, NullMeter


def test_the_table_has_every_name_once() -> None:
    assert {m.name for m in METRICS} == set(get_args(MetricName)) == set(BY_NAME)
    assert len(METRICS) == len(BY_NAME)
    assert all(bool(m.buckets) == (m.kind == "histogram") for m in METRICS)


def test_what_is_counted_is_exposed_as_openmetrics() -> None:
    meter = PrometheusMeter("gateway")
    meter.count("dead_letters", 2, topic="ehr.letters.v1", class_="malformed")
    meter.gauge("outbox_rows", 7)
    meter.observe("batch_seconds", 0.2, topic="t")
    families = {f.name: f for f in text_string_to_metric_families(meter.exposition().decode())}
    assert {f"hub_{m.name}" for m in METRICS} <= families.keys()
    (sample,) = (s for s in families["hub_dead_letters"].samples if s.name.endswith("_total"))
    assert (sample.labels, sample.value) == ({"topic": "ehr.letters.v1", "class": "malformed"}, 2.0)


@pytest.mark.parametrize("labels", [{}, {"topic": "t", "class_": "c", "more": "m"}, {"class_": "c", "topic": "t"}])
def test_other_labels_than_the_tables_are_a_bug(labels: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="dead_letters"):
        PrometheusMeter("x").count("dead_letters", **labels)


def test_the_null_meter_takes_everything() -> None:
    meter = NullMeter()
    meter.count("dead_letters", topic="t", class_="c")
    meter.gauge("outbox_rows", 1)
    meter.observe("batch_seconds", 1, topic="t")


@pytest.fixture
def logged(capsys: pytest.CaptureFixture[str], own_hooks: None) -> Iterator[pytest.CaptureFixture[str]]:
    yield capsys
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    logging.basicConfig(handlers=[logging.NullHandler()], force=True)
    logging.captureWarnings(False)


def test_a_line_is_json_with_its_event_part_and_fields(logged: pytest.CaptureFixture[str]) -> None:
    set_up_logging("test")
    structlog.get_logger().info("batch_done", records=3)
    line = json.loads(logged.readouterr().err)
    assert (line["event"], line["part"], line["records"], line["level"]) == ("batch_done", "test", 3, "info")


def test_an_exception_shows_neither_its_data_nor_local_variables(logged: pytest.CaptureFixture[str]) -> None:
    set_up_logging("test")
    name = "Tolvan Tolvansson"
    try:
        raise ValueError(f"1 validation error\n  input_value={name}")
    except ValueError:
        structlog.get_logger().exception("failed")
    text = logged.readouterr().err
    assert "Tolvan" not in text
    assert "ValueError" in text


def test_what_a_library_logs_is_redacted_too(logged: pytest.CaptureFixture[str]) -> None:
    set_up_logging("test")
    logging.getLogger("library").warning("no such person %s", "191212121212")
    line = json.loads(logged.readouterr().err)
    assert line["event"] == f"no such person {REDACTED}"


PERSONAL = ["191212121212", "19121212-1212", "121212-1212", "121212+1212", "1212121212", "197010632391", "990123456789"]


@pytest.mark.parametrize("number", PERSONAL)
def test_whatever_looks_like_a_personal_number_is_taken_out(number: str) -> None:
    assert redact(f"for {number}.") == f"for {REDACTED}."
    assert redact({number: [number, {"k": (number,)}]}) == {REDACTED: [REDACTED, {"k": [REDACTED]}]}


@pytest.mark.parametrize(
    "harmless",
    ["018f3d19-1212-7121-8121-212112121212", "2026-11-23T10:00:00Z", "SE2321000016-A1", "9f191212121212ab", "1-" + "ab" * 16],
)
def test_ids_times_and_units_stay(harmless: str) -> None:
    assert redact(harmless) == harmless


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)))
def test_redaction_takes_anything(value: object) -> None:
    json.dumps(redact(value))


async def test_a_part_says_whether_it_is_alive_and_ready() -> None:

    (port,) = free_ports(1)
    state = {"ready": False}
    runner = await serve_health(port, PrometheusMeter("p"), "p", lambda: state["ready"])

    def get(path: str) -> int:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
                answer.read()
                return int(answer.status)
        except urllib.error.HTTPError as refused:
            refused.close()
            return refused.code

    try:
        assert await asyncio.to_thread(get, "/healthz") == 200
        assert await asyncio.to_thread(get, "/readyz") == 503
        state["ready"] = True
        assert await asyncio.to_thread(get, "/readyz") == 200
        assert await asyncio.to_thread(get, "/metrics") == 200
    finally:
        await runner.cleanup()
