"""What the transport takes for granted about Faust 0.15.3 and aiokafka 0.14.0, private parts included.

When this fails after an upgrade: read the new source at the named place, and `pipelines/transport/__init__.py`, before moving a pin.
"""

from __future__ import annotations

import inspect
from importlib.metadata import entry_points, version
from pathlib import Path
from typing import Any

import aiokafka
import faust
import pytest
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.consumer.subscription_state import Assignment, TopicPartitionState
from aiokafka.producer.message_accumulator import BatchBuilder
from faust.agents.agent import Agent
from faust.app.base import App
from faust.tables.manager import TableManager
from faust.tables.recovery import Recovery
from faust.transport import consumer as faust_consumer
from faust.transport.drivers import TRANSPORTS
from faust.transport.drivers import aiokafka as stock
from faust.types.tuples import ConsumerMessage, Message
from mode.services import Service, ServiceTask

from pipelines.transport import consumer as ours
from pipelines.transport import driver
from pipelines.transport.access import KafkaAccess
from pipelines.transport.worker import HubApp, WorkerSettings, make_app

ADVICE = "the transport depends on it; read the source of the new version and pipelines/transport before moving the pin"

USED: list[tuple[type[Any], list[str]]] = [
    (stock.Consumer, [
        "_drain_messages", "_active_partitions", "_unacked_messages", "_waiting_for_ack", "_wait_for_ack", "_committed_offset",
        "flow_active", "can_resume_flow", "wait_empty", "perform_seek", "on_partitions_revoked", "on_task_error", "resume_partitions",
        "on_buffer_full", "on_buffer_drop", "ack", "commit", "assignment", "_new_consumer_thread", "_thread",
    ]),
    (stock.AIOKafkaConsumerThread, ["_ensure_consumer", "_commit", "_create_worker_consumer", "call_thread"]),
    (stock.Producer, ["_settings_default", "_settings_auth", "_ensure_producer", "on_start", "on_stop"]),
    (stock.Transport, ["Consumer", "Producer"]),
    (App, ["_crash", "_on_agent_error", "_stop_consumer", "consumer_generation_id"]),
    (TableManager, ["add", "on_start", "_update_channels", "recovery"]),
    (Service, ["_crash", "crash", "wait", "sleep"]),
    (Fetcher, ["fetched_records"]),
    (TopicPartitionState, ["has_valid_position", "position", "seek"]),
    (Assignment, ["tps", "state_value"]),
]  # fmt: skip


def source(thing: Any) -> str:
    return inspect.getsource(thing)


@pytest.fixture
def app(tmp_path: Path) -> HubApp:
    return make_app(WorkerSettings(KafkaAccess("127.0.0.1:1"), "contract", 0, tmp_path / "faust"))


def test_the_pinned_versions_are_installed() -> None:
    assert (faust.__version__, aiokafka.__version__) == ("0.15.3", "0.14.0"), ADVICE
    assert version("faust-streaming") == "0.15.3", ADVICE


@pytest.mark.parametrize(("owner", "name"), [(owner, name) for owner, names in USED for name in names])
def test_each_attribute_that_is_used_exists(owner: type[Any], name: str) -> None:
    annotated = any(name in vars(base).get("__annotations__", {}) for base in owner.__mro__)
    assert annotated or hasattr(owner, name), f"{owner.__module__}.{owner.__qualname__}.{name} is gone: {ADVICE}"


@pytest.mark.parametrize("name", ["_commit_handler", "_commit_livelock_detector"])
def test_the_tasks_that_are_replaced_are_service_tasks_by_these_names(name: str) -> None:
    assert isinstance(getattr(stock.Consumer, name), ServiceTask), ADVICE
    assert getattr(ours.Consumer, name).fun is not getattr(stock.Consumer, name).fun


def test_the_fetcher_service_drains_through_the_method_that_is_overridden() -> None:
    assert "await consumer._drain_messages(self)" in source(faust_consumer.Fetcher._fetcher.fun), ADVICE


def test_after_a_rebalance_positions_go_to_the_commit_before_records_flow() -> None:
    """What was fetched and given back, or lost while the flow stood, is read again."""
    text = source(Recovery._resume_streams)
    assert 0 < text.index("consumer.perform_seek()") < text.index("consumer.resume_flow()"), ADVICE


def test_a_revocation_stops_the_flow_then_waits_for_what_was_begun() -> None:
    text = source(App._on_partitions_revoked)
    assert 0 < text.index("consumer.stop_flow") < text.index("self._consumer_wait_empty"), ADVICE


def test_a_stop_stops_fetching_then_waits_for_what_was_begun() -> None:
    text = source(App._stop_consumer)
    order = [text.index(part) for part in ("consumer.stop_flow()", "_stop_fetcher()", "_consumer_wait_empty(")]
    assert order == sorted(order), ADVICE


def test_a_message_acknowledges_through_the_consumer() -> None:
    assert "return consumer.ack(self)" in source(ConsumerMessage.on_final_ack), ADVICE
    assert "self.on_final_ack(consumer)" in source(Message.ack), ADVICE


def test_an_agents_exception_reaches_the_app_before_its_supervisor() -> None:
    text = source(Agent._execute_actor)
    assert 0 < text.index("await self._on_error(self, exc)") < text.rindex("self.supervisor.wakeup()"), ADVICE


def test_the_fetcher_returns_records_and_moves_positions_without_awaiting_between() -> None:
    """`ConsumerThread.fetch` registers chunks right after it: an await between would lose them to a cancellation."""
    text = source(Fetcher.fetched_records)
    drain = text[text.index("drained = {}") : text.index("if drained or not timeout")]
    assert "await" not in drain, ADVICE
    assert list(inspect.signature(Fetcher.fetched_records).parameters) == ["self", "partitions", "timeout", "max_records"], ADVICE


def test_a_static_member_does_not_leave_the_group() -> None:
    from aiokafka.consumer.group_coordinator import GroupCoordinator

    assert "self._group_instance_id is None" in source(GroupCoordinator._maybe_leave_group), ADVICE


def test_a_batch_takes_a_first_record_of_any_size_and_then_says_when_it_is_full() -> None:
    batch = BatchBuilder(1_000, 0)
    assert batch.append(timestamp=None, key=b"k", value=b"v" * 5_000, headers=[("h", b"x")]) is not None, ADVICE
    assert batch.append(timestamp=None, key=b"k", value=b"v", headers=[]) is None, ADVICE


def test_faust_finds_the_transport_by_its_scheme() -> None:
    (entry,) = entry_points(group="faust.transports", name="hub")
    assert entry.value == "pipelines.transport.driver:Transport", "install the project again: its entry points are old"
    assert TRANSPORTS.by_url("hub://anywhere") is driver.Transport


def test_what_of_faust_is_not_used_is_off(app: HubApp) -> None:
    conf = app.conf
    assert conf.web_enabled is False
    assert conf.topic_disable_leader is True
    assert conf.topic_allow_declare is False
    assert conf.reply_create_topic is False
    assert conf.producer_threaded is False
    assert conf.table_standby_replicas == 0
    assert conf.autodiscover is False
    assert str(conf.processing_guarantee.value) == "at_least_once"
    assert app.in_transaction is False
    assert list(app.boot_strategy.web_server()) == []
    assert app._leader_assignor.app.conf.topic_disable_leader


def test_a_table_is_refused(app: HubApp) -> None:
    assert isinstance(app.tables, driver.NoTables)
    with pytest.raises(RuntimeError, match="tables are off"):
        app.Table("residents")


def test_making_an_app_leaves_the_root_logger_alone(app: HubApp) -> None:
    import logging

    assert not any("Spinner" in type(handler).__name__ for handler in logging.getLogger().handlers)
    assert "faust.Worker" not in Path(inspect.getfile(make_app)).read_text().replace("Faust's own `Worker`", "")


def test_a_stream_never_acknowledges_by_itself(app: HubApp) -> None:
    assert app.conf.Stream is driver.BatchStream
    assert app.stream(app.batches("letters")).enable_acks is False


def test_one_worker_is_one_static_member_of_its_group(app: HubApp) -> None:
    assert app.conf.hub.client_id == "contract-0"
    assert "group_instance_id=settings.client_id" in source(ours.ConsumerThread._create_worker_consumer)
