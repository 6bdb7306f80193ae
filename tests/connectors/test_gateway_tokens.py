"""Tokens and certificates: who a request is from is proved, never believed."""

import base64
import hmac
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from connectors.gateway import tokens
from connectors.gateway.auth import common_names
from connectors.gateway.refusals import Refused
from connectors.gateway.tokens import Tokens, keys_of

ISSUER = "http://127.0.0.1:8090/oidc"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER = rsa.generate_private_key(public_exponent=65537, key_size=2048)
WEAK = rsa.generate_private_key(public_exponent=65537, key_size=1024)


def jwk(key: rsa.RSAPrivateKey, kid: str, **more: str) -> dict[str, Any]:
    return RSAAlgorithm.to_jwk(key.public_key(), as_dict=True) | {"kid": kid, "use": "sig"} | more


def token(key: Any = KEY, kid: str = "k1", algorithm: str = "RS256", **claims: Any) -> str:
    body = {"iss": ISSUER, "aud": "hub", "client_id": "ehr-takecare", "exp": int(time.time()) + 60} | claims
    return jwt.encode({k: v for k, v in body.items() if v is not None}, key, algorithm, headers={"kid": kid})


def by_hmac(secret: bytes) -> str:
    """The classic attack, which PyJWT will not help with."""
    _, body, _ = token().split(".")
    head = base64.urlsafe_b64encode(b'{"alg":"HS256","kid":"k1"}').rstrip(b"=").decode()
    seal = hmac.digest(secret, f"{head}.{body}".encode(), "sha256")
    return f"{head}.{body}.{base64.urlsafe_b64encode(seal).rstrip(b'=').decode()}"


class Issuer:
    """Answers its keys; can be away; counts how often it is asked."""

    def __init__(self) -> None:
        self.keys = [jwk(KEY, "k1")]
        self.away = False
        self.asked = 0

    async def __call__(self) -> dict[str, Any]:
        self.asked += 1
        if self.away:
            raise OSError
        return {"keys": self.keys}


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture
def prover(issuer: Issuer) -> Tokens:
    return Tokens(issuer, ISSUER, "hub")


async def status_of(prover: Tokens, given: str) -> int:
    with pytest.raises(Refused) as refusal:
        await prover.client(given)
    return refusal.value.problem.status


@pytest.mark.parametrize(
    ("claims", "name"),
    [
        ({}, "ehr-takecare"),
        ({"client_id": None, "azp": "app"}, "app"),
        ({"client_id": None, "sub": "operator"}, "operator"),
        ({"client_id": "portal", "sub": "operator"}, tokens.PERSON),
    ],
)
async def test_the_client_is_the_first_claim_that_names_one(prover: Tokens, claims: dict[str, Any], name: str) -> None:
    assert (await prover.client(token(**claims))).name == name


async def test_a_reader_claim_is_kept(prover: Tokens) -> None:
    assert (await prover.client(token(client_id="app", reader="191212121212"))).reader == "191212121212"


PUBLIC = KEY.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
REFUSED = {
    "no token": "",
    "no JWT": "abc.def",
    "expired": token(exp=int(time.time()) - 3_600),
    "without an end": token(exp=None),
    "not yet": token(nbf=int(time.time()) + 3_600),
    "of another issuer": token(iss="http://elsewhere"),
    "for another audience": token(aud="bank"),
    "without audience": token(aud=None),
    "of a key that is not the issuer's": token(OTHER),
    "of a key id that is unknown": token(kid="k9"),
    "without client": token(client_id=None),
    "with an empty client": token(client_id=""),
    "unsigned": token("", algorithm="none"),
    "signed by HMAC of the public key": by_hmac(PUBLIC),
    "too long": token(filler="x" * 9_000),
}


@pytest.mark.parametrize("why", REFUSED)
async def test_a_token_that_proves_nothing_is_401(prover: Tokens, why: str) -> None:
    assert await status_of(prover, REFUSED[why]) == 401


async def test_a_tampered_token_is_401(prover: Tokens) -> None:
    head, body, signature = token().split(".")
    assert await status_of(prover, f"{head}.{body[:-2]}AA.{signature}") == 401


async def test_without_the_issuer_it_is_503_and_afterwards_it_works(prover: Tokens, issuer: Issuer) -> None:
    """The gateway starts before the sandbox is up."""
    issuer.away = True
    assert await status_of(prover, token()) == 503
    issuer.away = False
    assert (await prover.client(token())).name == "ehr-takecare"


async def test_known_keys_serve_while_the_issuer_is_away(prover: Tokens, issuer: Issuer) -> None:
    await prover.client(token())
    issuer.away = True
    assert (await prover.client(token(client_id="app"))).name == "app"


async def test_a_rotated_key_is_fetched_and_invented_ones_do_not_flood_the_issuer(
    prover: Tokens, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    await prover.client(token())
    issuer.keys = [jwk(OTHER, "k2")]
    for n in range(20):
        assert await status_of(prover, token(kid=f"invented-{n}")) == 401
    assert issuer.asked == 1
    monkeypatch.setattr(tokens, "REFRESH_S_MIN", 0.0)
    assert (await prover.client(token(OTHER, kid="k2"))).name == "ehr-takecare"
    assert issuer.asked == 2


async def test_clocks_may_differ_a_little_and_no_more(prover: Tokens) -> None:
    assert (await prover.client(token(exp=int(time.time()) - 10))).name == "ehr-takecare"
    assert await status_of(prover, token(exp=int(time.time()) - 60)) == 401


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"keys": "x"},
        {"keys": [1, {"kty": "EC"}, {"kty": "RSA", "n": "!", "e": "AQAB"}]},
        {"keys": [jwk(KEY, "k1", use="enc")]},
        {"keys": [jwk(WEAK, "k1")]},
    ],
)
def test_keys_that_cannot_sign_are_left_out(document: dict[str, Any]) -> None:
    assert keys_of(document) == {}


def test_a_certificates_common_names_are_read_as_ssl_gives_them() -> None:
    certificate = {"subject": ((("organizationName", "Region"),), (("commonName", "takecare.example"),))}
    assert common_names(certificate) == ["takecare.example"]
    assert common_names({}) == []
