"""What the delivery part is made of, without servers: requests, words, pace, answers."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.channels import Sent
from connectors.delivering.pace import Pace, PeerLimits, failed, pause_s, took
from connectors.delivering.requests import requests
from connectors.delivering.telling import record
from connectors.delivering.words import GSM_7, GUESTS, JOINED_CHARS_MAX, PART_CHARS_MAX, TEXTS, filled
from pipelines.rules.notify import TEMPLATES
from schemas.errors import Rejected, Unavailable, Uncertain
from schemas.events import DeliveryAnswered, decode
from schemas.keys import PersonKeys

KEYS = PersonKeys({1: b"k" * 32}, 1)
LIMITS = PeerLimits(pause_s_min=2.0, pause_s_max=60.0, repeats_max=2)
NEVER = PeerLimits(repeats_max=0)


# --- requests -----------------------------------------------------------------------------------------------------------------


def _record(ce_type: str, data: Any) -> Any:
    names = {"ce_specversion": "1.0", "ce_id": "1", "ce_source": "urn:t", "ce_type": ce_type}
    headers = [(name, text.encode()) for name, text in names.items()]
    return SimpleNamespace(topic="t", partition=0, offset=7, headers=headers, value=orjson.dumps(data))


DELIVERY = {
    "delivery_id": "6f1d7c1e-5f0e-5d0a-9a53-6f0f2f0b8c11", "document_id": "d1", "patient": "199001019802", "channel": "kivra",
    "operator": "kivra", "kind": "brev", "title": "Provsvar", "unit": "SE2321000016-A1", "unit_name": "Ortopeden",
}  # fmt: skip
NOTICE = {
    "notification_id": "6f1d7c1e-5f0e-5d0a-9a53-6f0f2f0b8c12", "recipient": "199001019802", "channel": "sms", "kind": "document",
    "template": "document_new", "about": "d1", "not_after": "2026-03-04T09:00:00Z",
}  # fmt: skip


def test_requests_become_rows_and_a_push_does_not() -> None:
    found = requests(
        [
            _record("delivery.requested.v1", DELIVERY),
            _record("notification.requested.v1", NOTICE),
            _record("notification.requested.v1", {**NOTICE, "channel": "push"}),
        ]
    )
    assert [(one.channel, one.about, one.template) for one in found] == [("kivra", "d1", None), ("sms", "d1", "document_new")]
    assert found[1].not_after == datetime(2026, 3, 4, 9, tzinfo=UTC)
    assert "199001019802" not in repr(found)


@pytest.mark.parametrize("data", [{}, {**DELIVERY, "delivery_id": "no uuid"}, {**DELIVERY, "channel": "pigeon"}, 7])
def test_a_record_that_cannot_be_read_is_told_loudly_and_does_not_stop_the_others(data: Any, capsys: pytest.CaptureFixture[str]) -> None:
    found = requests([_record("delivery.requested.v1", data), _record("delivery.requested.v1", DELIVERY)])
    assert len(found) == 1
    out = capsys.readouterr().out
    assert "request_unreadable" in out and "199001019802" not in out


# --- words --------------------------------------------------------------------------------------------------------------------


def test_every_template_of_the_rules_has_words() -> None:
    assert set(TEMPLATES.values()) <= set(TEXTS)


@pytest.mark.parametrize("words", TEXTS.values())
def test_a_text_is_one_part_and_names_nothing(words: str) -> None:
    assert set(words) <= GSM_7 and len(words) <= PART_CHARS_MAX
    lowered = words.lower()
    for care in ("vård", "patient", "läkar", "mottagning", "kallelse", "remiss", "provsvar", "sjuk", "barn", "video", "{", "http"):
        assert care not in lowered


def test_a_guests_text_has_link_and_code_and_no_unit_no_name_and_no_word_of_care() -> None:
    places = {"url": f"https://{'m' * 60}.example/m/ABCDEFGHJK", "code": "ABCDEFGHJK"}
    for template in GUESTS:
        words = filled(template, places)
        assert words is not None and set(words) <= GSM_7 and len(words) <= JOINED_CHARS_MAX
        assert f"{places['url']} " in words and words.endswith(places["code"])
        for care in ("vård", "patient", "läkar", "mottagning", "kallelse", "remiss", "sjuk", "barn", "enhet", "region"):
            assert care not in words.lower()


@pytest.mark.parametrize(
    ("template", "places"),
    [
        ("guest_invitation", {}), ("guest_invitation", {"url": "https://x/m/A"}), ("no_such", {}),
        ("guest_invitation", {"url": "https://" + "x" * 300, "code": "A"}),
        ("guest_invitation", {"url": "https://möte.例え/m/A", "code": "A"}),
    ],
)  # fmt: skip
def test_words_that_are_not_whole_or_do_not_fit_are_none(template: str, places: dict[str, str]) -> None:
    assert filled(template, places) is None


# --- pace ---------------------------------------------------------------------------------------------------------------------


def _due(**more: Any) -> Any:
    return SimpleNamespace(**{"attempts": 0, "repeats": 0, "in_doubt": False, **more})


def _failed(failure: Any, *, dedupes: bool = False, age: timedelta = timedelta(), limits: PeerLimits = LIMITS, **due: Any) -> Any:
    return failed(failure, _due(**due), dedupes=dedupes, limits=limits, age=age, chance=0.0)


def test_each_failure_has_one_meaning() -> None:
    assert took(Sent("abc")).event == "sent"
    for name in ("s3e42364ce2f6aa00bb45f3a27a48408a", "f1" * 32, "41686A50-7c68-5bee-806d-f460cd80439b"):
        assert took(Sent(name)).reference == name
    assert took(Sent("1990010198021990010198021990010198")).reference is None
    assert took(Sent("about 199001019802")).reference is None, "a reference that may be a person is not kept"
    assert _failed(Rejected("40032"))[:4] == ("rejected", "rejected", True, "40032")
    assert _failed(Unavailable("http_503"))[:4] == ("waits", "unavailable", False, "http_503")
    assert _failed(Uncertain("timeout"))[:4] == ("doubted", "uncertain", True, "timeout")
    assert _failed(Uncertain("timeout"), dedupes=True)[:2] == ("waits", "uncertain")


def test_doubt_is_repeated_a_few_times_where_the_peer_knows_repeats_and_never_elsewhere() -> None:
    assert _failed(Uncertain("timeout"), dedupes=True, repeats=1, in_doubt=True).in_doubt
    assert _failed(Uncertain("timeout"), dedupes=True, repeats=2, in_doubt=True).event == "doubted"
    assert _failed(Unavailable("http_503"), dedupes=True, repeats=2, in_doubt=True).event == "doubted"
    assert _failed(Uncertain("timeout"), repeats=0).event == "doubted"


def test_what_the_desk_sends_again_waits_for_a_peer_that_does_nothing_and_comes_back_once_it_was_tried() -> None:
    ruled: Any = {"repeats": -1, "in_doubt": True}
    waits = _failed(Unavailable("http_503"), **ruled)
    assert (waits.event, waits.repeat) == ("waits", False), "no try of the one that was asked for is spent"
    assert _failed(Unavailable("http_503"), repeats=0, in_doubt=True, limits=NEVER).event == "doubted"
    assert _failed(Uncertain("timeout"), **ruled).event == "doubted"
    assert _failed(Rejected("40032"), **ruled).event == "doubted"
    assert _failed(Unavailable("http_503"), age=timedelta(days=31), **ruled)[:4] == ("doubted", "unavailable", False, "gave_up")
    assert _failed(Uncertain("timeout"), dedupes=True, limits=NEVER, **ruled).event == "doubted"


def test_a_peer_says_when_to_come_back_and_a_breaker_is_told_apart() -> None:
    assert _failed(Unavailable("http_429", "", 120.0)).pause_s == 120.0
    assert _failed(Unavailable("breaker_open", "", 0.5)).why == "breaker"
    assert _failed(Unavailable("http_503"), age=timedelta(days=31)).code == "gave_up"


@given(st.integers(0, 10_000), st.floats(0, 1, exclude_max=True))
def test_pauses_grow_to_a_bound_and_are_spread(tries: int, chance: float) -> None:
    pause = pause_s(tries, LIMITS, chance)
    assert LIMITS.pause_s_min / 2 <= pause <= LIMITS.pause_s_max
    assert pause_s(tries + 1, LIMITS, chance) >= pause


def test_a_bucket_gives_a_seconds_worth_and_then_the_rate() -> None:
    pace = Pace(4.0)
    assert pace.room(100.0) == 4
    pace.take(4)
    assert pace.room(100.0) == 0 and pace.next_s() == pytest.approx(0.25)
    assert pace.room(100.5) == 2
    assert pace.room(200.0) == 4
    slow = Pace(0.1)
    assert slow.room(0.0) == 1
    slow.take(1)
    assert (slow.room(9.0), slow.room(10.0)) == (0, 1)


# --- answers ------------------------------------------------------------------------------------------------------------------


def test_an_answer_is_the_contracts_and_the_same_answer_is_the_same_event() -> None:
    at = datetime(2026, 3, 2, 9, tzinfo=UTC)
    answer: Any = SimpleNamespace(send=uuid4(), number=1, channel="kivra", outcome="refused", code="40032", at=at, pid="199001019802")
    made = record(answer, KEYS)
    data: Any = decode(DeliveryAnswered.TYPE, made.value)
    assert (data.delivery_id, data.channel, data.outcome, data.code) == (str(answer.send), "kivra", "refused", "40032")
    assert made == record(answer, KEYS)
    assert dict(record(SimpleNamespace(**{**vars(answer), "number": 2}), KEYS).headers)["ce_id"] != dict(made.headers)["ce_id"]
    assert made.key.decode() == KEYS.key("199001019802")
    assert b"199001019802" not in made.value and "199001019802" not in repr(made)
