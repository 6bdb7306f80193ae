"""A callback's token names one message, proves itself, and is spelt in one way only."""

from base64 import urlsafe_b64encode
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.callback import TOKEN_CHARS, callback_token, read_token
from schemas.errors import Malformed

SECRET = b"a secret for callback URLs"
MESSAGE = UUID("21a26d60-17f1-5843-9e34-f8baaa36fc0e")


@given(st.uuids(), st.binary(min_size=16, max_size=80))
def test_a_token_gives_back_what_it_was_made_of(message: UUID, secret: bytes) -> None:
    token = callback_token(message, secret)
    assert read_token(token, secret) == message
    assert len(token) == TOKEN_CHARS and token.replace("-", "").replace("_", "").isalnum() and token.isascii()


def test_a_token_is_the_same_each_time_and_another_for_another_message_or_secret() -> None:
    made = {callback_token(message, secret) for message in (MESSAGE, UUID(int=1)) for secret in (SECRET, SECRET[::-1])}
    assert len(made) == 4 and callback_token(MESSAGE, SECRET) in made


@given(st.integers(0, TOKEN_CHARS - 1), st.characters())
def test_a_token_with_one_character_changed_is_none(place: int, other: str) -> None:
    token = callback_token(MESSAGE, SECRET)
    if token[place] != other:
        with pytest.raises(Malformed, match="no token"):
            read_token(token[:place] + other + token[place + 1 :], SECRET)


@given(st.text(alphabet="abXY01-_=+é", max_size=80) | st.binary(min_size=48, max_size=48).map(lambda raw: urlsafe_b64encode(raw).decode()))
def test_nothing_else_is_a_token(text: str) -> None:
    with pytest.raises(Malformed):
        read_token(text, SECRET)


def test_a_token_of_another_secret_is_none_and_its_refusal_does_not_repeat_it() -> None:
    token = callback_token(MESSAGE, b"another secret of ours")
    with pytest.raises(Malformed) as caught:
        read_token(token, SECRET)
    assert token not in str(caught.value)


def test_a_short_secret_is_a_fault_of_ours() -> None:
    with pytest.raises(ValueError, match="at least 16"):
        callback_token(MESSAGE, b"short")
