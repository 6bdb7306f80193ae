"""Join tokens by their law: bound, short-lived, good once, unreadable."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import jwt
import pytest

from video.signalling.limits import ANY, Meterer
from video.signalling.onetime import CODES_PER_MEETING_MAX, OneTimeCodes
from video.signalling.tokens import LIFETIME_S, ONCE, BadToken, JoinTokens, Pass, Purpose, derived, meeting_code, opaque

SECRET = b"s" * 32
NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
WHO = Pass("p1", "patient", "room-1", NOW, "Pat Patientsson", {"phone": "+46701740605"})


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tokens(clock: Clock) -> JoinTokens:
    return JoinTokens(SECRET, clock)


def refusal(tokens: JoinTokens, token: str, purpose: Purpose, room: str | None = None) -> str | None:
    try:
        tokens.take(token, purpose, room)
    except BadToken as bad:
        return bad.reason
    return None


@pytest.mark.parametrize("purpose", get_args(Purpose))
def test_what_is_given_is_taken_whole(tokens: JoinTokens, purpose: Purpose) -> None:
    assert tokens.take(tokens.give(WHO, purpose), purpose, "room-1") == WHO


@pytest.mark.parametrize("purpose", get_args(Purpose))
def test_a_token_ends(tokens: JoinTokens, clock: Clock, purpose: Purpose) -> None:
    token = tokens.give(WHO, purpose)
    clock.now += timedelta(seconds=LIFETIME_S[purpose])
    assert refusal(tokens, token, purpose) == "expired"


@pytest.mark.parametrize("purpose", sorted(ONCE))
def test_a_token_of_an_address_is_good_once_also_over_a_new_start(tokens: JoinTokens, clock: Clock, purpose: Purpose) -> None:
    token, other = tokens.give(WHO, purpose), tokens.give(WHO, purpose)
    assert [refusal(tokens, token, purpose) for _ in range(2)] == [None, "used"]
    clock.now += timedelta(seconds=1)
    assert refusal(JoinTokens(SECRET, clock), other, purpose) == "expired", "what was used before is not known any more"


def test_a_wrong_room_does_not_use_a_token_up(tokens: JoinTokens) -> None:
    token = tokens.give(WHO, "ticket")
    assert refusal(tokens, token, "ticket", "room-2") == "wrong_room"
    assert refusal(tokens, token, "ticket", "room-1") is None


@pytest.mark.parametrize("purpose", get_args(Purpose))
def test_one_purpose_is_no_other(tokens: JoinTokens, purpose: Purpose) -> None:
    for other in get_args(Purpose):
        assert (refusal(tokens, tokens.give(WHO, purpose), other) is None) == (other == purpose)


def _forged(claims: dict[str, Any], key: bytes, algorithm: str) -> str:
    return jwt.encode(claims, key, algorithm=algorithm)


def test_forged_tokens_prove_nothing(tokens: JoinTokens) -> None:
    right = tokens.give(WHO, "socket")
    claims = jwt.decode(right, options={"verify_signature": False})
    head, body, tail = right.split(".")
    for forged in (
        _forged(claims, b"x" * 32, "HS256"),
        jwt.encode(claims, "", algorithm="none"),
        _forged({**claims, "role": "staff"}, SECRET, "HS256"),
        f"{head}.{body}.{tail[:-4]}AAAA",
        f"{head}.{base64.urlsafe_b64encode(b'{}').decode().rstrip('=')}.{tail}",
        _forged({**claims, "box": "x"}, derived(SECRET, "sign"), "HS256"),
        "", "a.b.c", "é", "x" * 5_000,
    ):  # fmt: skip
        assert refusal(tokens, forged, "socket") == "invalid"


def test_a_token_cannot_be_read(tokens: JoinTokens) -> None:
    claims = jwt.decode(tokens.give(WHO, "socket"), options={"verify_signature": False})
    assert "Pat" not in str(claims) and "+46" not in str(claims) and "Pat" not in repr(WHO)


def test_a_person_has_another_name_in_each_room() -> None:
    assert opaque(SECRET, "room-1", "patient", "k") == opaque(SECRET, "room-1", "patient", "k")
    assert len({opaque(SECRET, room, role, "k") for room in ("r1", "r2") for role in ("staff", "patient")}) == 4


def test_a_meeting_code_follows_the_window() -> None:
    assert meeting_code(SECRET, "r", NOW) == meeting_code(SECRET, "r", NOW)
    assert len({meeting_code(SECRET, "r", NOW), meeting_code(SECRET, "r", NOW + timedelta(hours=1)), meeting_code(SECRET, "q", NOW)}) == 3


def test_one_time_codes_have_six_digits_ten_minutes_five_tries_and_one_use() -> None:
    codes = OneTimeCodes(SECRET)
    code = codes.give("m", NOW)
    assert code is not None and len(code) == 6 and code.isdigit()
    assert not codes.take("other", code, NOW)
    assert codes.take("m", code, NOW + timedelta(minutes=9)) and not codes.take("m", code, NOW)
    late = codes.give("m", NOW)
    assert late is not None and not codes.take("m", late, NOW + timedelta(minutes=10))
    fifth = codes.give("q", NOW)
    assert fifth is not None
    wrong = [f"{(int(fifth) + i) % 10**6:06d}" for i in range(1, 6)]
    assert [codes.take("q", each, NOW) for each in wrong] == [False] * 5 and not codes.take("q", fifth, NOW)


def test_only_so_many_one_time_codes_are_out() -> None:
    codes = OneTimeCodes(SECRET)
    assert [codes.give("m", NOW) is not None for _ in range(CODES_PER_MEETING_MAX + 1)][-2:] == [True, False]
    assert codes.give("m", NOW + timedelta(minutes=10)) is not None


def test_a_line_may_say_its_burst_and_then_its_rate() -> None:
    meterer = Meterer()
    assert sum(meterer.allows("ping", 0.0) for _ in range(ANY.burst * 2)) == ANY.burst
    assert meterer.allows("ping", 1.0)
