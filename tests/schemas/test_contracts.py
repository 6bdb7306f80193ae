"""What is published is what the models say, follows its standards, and breaks nobody who reads it."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import orjson
import pytest
from openapi_spec_validator import validate as validate_openapi

from schemas import cloudevents, events, generate
from schemas.jsonschema import schema_of
from schemas.samples import SAMPLES, type_of
from schemas.topics import TOPICS

CONTRACTS = generate.CONTRACTS


def load(name: str) -> Any:
    return json.loads((CONTRACTS / name).read_bytes())


def test_the_committed_contracts_are_what_the_models_say() -> None:
    """Else run `python -m schemas.generate` and commit what changed."""
    assert generate.stale() == []


def test_todays_schemas_may_follow_every_published_one() -> None:
    assert generate.incompatible() == []


def test_every_event_type_was_published_and_its_last_version_is_todays() -> None:
    """Else run `python -m schemas.generate --publish` and commit the new version."""
    versions = generate.published()
    assert {ce_type: kept[-1] for ce_type, kept in versions.items()} == {each: schema_of(each) for each in events.EVENTS}


@pytest.mark.parametrize("ce_type", events.EVENTS)
def test_every_schema_is_json_schema_2020_12(ce_type: str) -> None:
    jsonschema.Draft202012Validator.check_schema(load(f"schemas/{ce_type}.json"))


@pytest.mark.parametrize("name", SAMPLES)
def test_a_committed_sample_follows_its_schema_and_its_model(name: str) -> None:
    envelope, data = cloudevents.decode_structured((CONTRACTS / f"samples/{name}.json").read_bytes())
    assert envelope.type == type_of(name)
    events.decode(envelope.type, data)
    schema = load(f"schemas/{envelope.type}.json")
    assert schema["$id"] == envelope.dataschema
    checker = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
    assert [fault.message for fault in checker.iter_errors(orjson.loads(data))] == []


@pytest.mark.parametrize("ce_type", events.EVENTS)
def test_a_schema_refuses_what_its_model_refuses(ce_type: str) -> None:
    checker = jsonschema.Draft202012Validator(load(f"schemas/{ce_type}.json"))
    for field in load(f"schemas/{ce_type}.json")["required"]:
        data = {key: value for key, value in SAMPLES[ce_type].items() if key != field}
        assert not checker.is_valid(data)


@pytest.mark.parametrize("ce_type", events.OUTBOUND)
def test_readers_are_told_to_expect_new_fields_and_never_null(ce_type: str) -> None:
    text = (CONTRACTS / f"schemas/{ce_type}.json").read_text()
    assert '"additionalProperties": false' not in text
    assert '"null"' not in text


def test_the_openapi_document_is_valid() -> None:
    validate_openapi(load("openapi.json"))


def test_the_openapi_example_is_taken_by_its_own_schema() -> None:
    document = load("openapi.json")
    content = document["paths"]["/v1/events"]["post"]["requestBody"]["content"]["application/cloudevents+json"]
    schema = {"$ref": "#/components/schemas/CloudEvent", "components": document["components"]}
    checker = jsonschema.Draft202012Validator(schema)
    assert checker.is_valid(content["example"])
    assert not checker.is_valid({**content["example"], "type": "booking.changed.v1"})
    assert not checker.is_valid({**content["example"], "type": "nonsense.v1"})


def test_every_http_fault_is_a_problem_document() -> None:
    document = load("openapi.json")
    for name, answer in document["components"]["responses"].items():
        assert list(answer["content"]) == ["application/problem+json"], name


def test_the_asyncapi_document_has_the_structure_of_asyncapi_3() -> None:
    structure = json.loads((Path(__file__).parent / "asyncapi_structure.json").read_bytes())
    faults = jsonschema.Draft202012Validator(structure).iter_errors(load("asyncapi.json"))
    assert [f"{fault.json_path}: {fault.message}" for fault in faults] == []


def references(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        return own + [found for value in node.values() for found in references(value)]
    if isinstance(node, list):
        return [found for value in node for found in references(value)]
    return []


@pytest.mark.parametrize("name", ["asyncapi.json", "openapi.json"])
def test_every_reference_leads_somewhere(name: str) -> None:
    document = load(name)
    found = references(document)
    assert found
    for reference in found:
        if reference.startswith("./"):
            assert (CONTRACTS / reference).is_file(), reference
            continue
        node = document
        for part in reference.removeprefix("#/").split("/"):
            node = node[part.replace("~1", "/")]


def test_an_operation_sends_only_messages_of_its_channel() -> None:
    document = load("asyncapi.json")
    for operation in document["operations"].values():
        channel = operation["channel"]["$ref"]
        assert all(each["$ref"].startswith(f"{channel}/messages/") for each in operation["messages"])


def test_every_topic_is_a_channel_with_its_key_and_settings() -> None:
    document = load("asyncapi.json")
    channels = {channel["address"]: channel for channel in document["channels"].values()}
    assert set(channels) == set(TOPICS)
    for name, topic in TOPICS.items():
        kafka = channels[name]["bindings"]["kafka"]
        assert (kafka["topic"], kafka["partitions"]) == (name, 12)
        assert kafka["topicConfiguration"]["cleanup.policy"] == [topic.cleanup]
        assert kafka["topicConfiguration"].get("retention.ms") == topic.retention_ms
    assert all("key" in message["bindings"]["kafka"] for message in document["components"]["messages"].values())


def test_generating_into_an_empty_folder_gives_what_is_committed(tmp_path: Path) -> None:
    generate.write(tmp_path)
    assert generate.stale(tmp_path) == []
    (tmp_path / "schemas" / "gone.v1.json").write_text("{}")
    (tmp_path / "openapi.json").write_text("{}")
    assert generate.stale(tmp_path) == ["openapi.json is not current", "schemas/gone.v1.json belongs to no event type"]
    generate.write(tmp_path)
    assert generate.stale(tmp_path) == []


def test_publishing_keeps_a_version_only_of_what_changed(tmp_path: Path) -> None:
    assert len(generate.publish(tmp_path)) == len(events.EVENTS)
    assert generate.publish(tmp_path) == []
    kept = tmp_path / "published" / "booking.hidden.v1" / "1.json"
    kept.write_text(kept.read_text().replace("is no longer to be shown", "is gone"))
    assert generate.publish(tmp_path) == ["booking.hidden.v1/2.json"]
    assert len(generate.published(tmp_path)["booking.hidden.v1"]) == 2


def test_a_break_with_any_published_version_is_found_and_so_is_a_type_that_is_gone(tmp_path: Path) -> None:
    generate.publish(tmp_path)
    old = tmp_path / "published" / "booking.hidden.v1" / "1.json"
    schema = json.loads(old.read_bytes())
    (old.parent / "2.json").write_text(json.dumps(schema))
    schema["properties"]["because"] = {"type": "string"}
    old.write_text(json.dumps(schema))
    gone = tmp_path / "published" / "gone.v1" / "1.json"
    gone.parent.mkdir()
    gone.write_text("{}")
    assert sorted(generate.incompatible(tmp_path)) == [
        "booking.hidden.v1 against published version 1: /because: the field was removed",
        "gone.v1: the event type was removed",
    ]


def test_the_command_refuses_what_it_does_not_know(capsys: pytest.CaptureFixture[str]) -> None:
    assert generate.main(["--chekc"]) == 2
    assert "usage" in capsys.readouterr().err
    assert generate.main(["--check"]) == 0
