"""The table of topics, who may do what with them, and the tables of errors."""

import orjson
import pytest

from schemas import errors, principals, topics
from schemas.events import EVENTS, INBOUND, OUTBOUND
from schemas.keys import PersonKeys
from schemas.topics import record_key

PRIVATE = ("persons.v1", "decisions.v1", "print.entries.v1", "dead-letters.v1", "audit.v1")


def test_every_event_type_has_a_topic_and_every_topic_known_types() -> None:
    assert set(topics.TOPICS_OF_TYPE) == set(EVENTS)


def test_the_hub_reads_inbound_types_from_inbound_topics() -> None:
    for topic in topics.TOPICS.values():
        assert set(topic.types) <= set(INBOUND if topic.direction == "inbound" else OUTBOUND)


@pytest.mark.parametrize(
    ("ce_type", "kind", "topic"),
    [
        ("document.submitted.v1", "kallelse", "ehr.letters.v1"),
        ("document.submitted.v1", "brev", "ehr.letters.v1"),
        ("document.submitted.v1", "remissbekraftelse", "ehr.referrals.v1"),
        ("document.submitted.v1", "faktura", None),
        ("document.submitted.v1", None, None),
        ("booking.changed.v1", None, "ehr.bookings.v1"),
        ("document.read.v1", None, "receipts.v1"),
        ("document.delivered.v1", None, None),
        ("booking.shown.v1", None, None),
        ("nonsense.v1", None, None),
    ],
)
def test_an_inbound_event_has_its_topic(ce_type: str, kind: str | None, topic: str | None) -> None:
    assert topics.inbound_topic(ce_type, kind) == topic


def test_a_shown_booking_stands_on_two_topics() -> None:
    assert topics.TOPICS_OF_TYPE["booking.shown.v1"] == ("app.bookings.v1", "portal.bookings.v1")
    assert "booking.shown.v1" not in topics.TOPIC_OF_TYPE


def test_compacted_topics_keep_the_last_state_and_the_others_have_a_retention() -> None:
    for topic in topics.TOPICS.values():
        assert topic.config["cleanup.policy"] == topic.cleanup
        assert ("retention.ms" in topic.config) == (topic.cleanup == "delete")
        assert topic.config["message.timestamp.type"] == "LogAppendTime"
        assert all(isinstance(value, str) for value in topic.config.values())
        assert topic.partitions == 12


def test_a_dead_letter_has_room_for_the_largest_event() -> None:
    largest = max(topic.bytes_max for topic in topics.TOPICS.values() if topic.direction == "inbound")
    assert topics.TOPICS["dead-letters.v1"].bytes_max > largest


def test_what_is_the_hubs_own_nobody_else_may_read() -> None:
    assert {"ehr.bookings.v1", "ehr.letters.v1", "ehr.referrals.v1", *PRIVATE} == principals.HUB_ONLY
    for name, principal in principals.PRINCIPALS.items():
        if name not in ("hub", "operator"):
            assert not principals.HUB_ONLY & set(principal.reads)


def test_only_the_hub_writes_what_the_hub_owns() -> None:
    for topic in topics.TOPICS.values():
        if topic.owner == "hub":
            assert [name for name in principals.PRINCIPALS if principals.may_write(name, topic.name)] == ["hub"]


def test_the_app_reads_its_topics_and_writes_accounts_agents_and_receipts() -> None:
    rows = principals.acls(principals.PRINCIPALS["app"])
    writes = {row.resource for row in rows if row.operation == "Write"}
    reads = {row.resource for row in rows if row.operation == "Read" and row.resource_type == "Topic"}
    assert writes == {"accounts.v1", "agents.v1", "receipts.v1"}
    assert {"app.documents.v1", "app.bookings.v1"} <= reads


def test_a_principal_may_use_its_own_consumer_groups_alone() -> None:
    groups = [row for row in principals.all_acls() if row.resource_type == "Group"]
    assert {(row.principal.removeprefix("User:"), row.resource.rstrip(".")) for row in groups} == {
        (name, name) for name, who in principals.PRINCIPALS.items() if who.reads and not who.superuser
    }


def test_acls_name_topics_that_exist() -> None:
    rows = principals.all_acls()
    assert len(rows) == len(set(rows))
    assert {row.resource for row in rows if row.resource_type == "Topic"} <= set(topics.TOPICS)


def test_a_problem_document_names_every_fault() -> None:
    fault = errors.Malformed([("/kind", "is required"), ("", "is no event")])
    problem = errors.Problem.from_malformed(fault.under("/3"))
    assert orjson.loads(problem.to_json()) == {
        "type": "urn:care-hub:problem:malformed",
        "title": "The request breaks its schema",
        "status": 400,
        "detail": "/3/kind: is required; /3: is no event",
        "errors": [{"pointer": "/3/kind", "detail": "is required"}, {"pointer": "/3", "detail": "is no event"}],
    }


@pytest.mark.parametrize(
    ("fault", "status"),
    [(errors.Malformed([("", "x")]), 400), (errors.TooLarge([("", "x")]), 413), (errors.UnknownType([("", "x")]), 422)],
)
def test_each_kind_of_fault_has_its_status_and_dead_letter_class(fault: errors.Malformed, status: int) -> None:
    assert errors.Problem.from_malformed(fault).status == status
    assert fault.dead_letter in errors.DEAD_LETTER_CLASSES
    assert type(fault.under("/1")) is type(fault)


def test_problem_types_are_errors_and_each_is_known_by_its_uri() -> None:
    assert all(400 <= row.status <= 599 for row in errors.PROBLEMS.values())
    assert len({row.uri for row in errors.PROBLEMS.values()}) == len(errors.PROBLEMS)
    with pytest.raises(KeyError):
        errors.Problem.of("nonsense")


def test_a_peer_fails_in_three_ways() -> None:
    kinds = {errors.Rejected, errors.Unavailable, errors.Uncertain}
    assert set(errors.PeerFailure.__subclasses__()) == kinds
    assert errors.Unavailable("503", retry_after_s=5).retry_after_s == 5
    assert str(errors.Uncertain("timeout", "no answer in 10 s")) == "timeout: no answer in 10 s"


def test_links_and_mailboxes_of_one_person_have_keys_of_their_own_without_any_number() -> None:
    """Compaction keeps the last of a key: a child's second guardian must not push out the first."""
    keys = PersonKeys({1: b"k" * 32}, 1)
    by = keys.key("197204119817")
    links = [{"agent": agent, "relation": "guardian"} for agent in ("197005059808", "197105059815")]
    boxes = [{"sender": "162321000016", "operator": operator} for operator in ("kivra", "billo")]
    made = {record_key("agent.changed.v1", link, by, keys) for link in links}
    made |= {record_key("mailbox.changed.v1", box, by, keys) for box in boxes}
    assert len(made) == 4
    assert all(key.startswith(by) and "19700505" not in key and "19710505" not in key for key in made)
    assert record_key("account.changed.v1", {}, by, keys) == by
