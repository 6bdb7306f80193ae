"""Tokens of the stand-in issuer verify as any issuer's do, and only who may gets one."""

import asyncio
import stat
from base64 import b64encode
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import jwt
import pytest

from connectors.gateway.tokens import PERSON, Tokens
from connectors.sandbox.oidc.codes import Codes, LoginRequest, challenge_of
from connectors.sandbox.oidc.tokens import kept_key
from tests.connectors.sandbox_support import Running, running

VERIFIER = "v" * 43
BACK = "http://127.0.0.1:9999/back?from=here"
ASKED = {
    "response_type": "code", "client_id": "portal", "redirect_uri": BACK, "scope": "openid", "state": "s&=1",
    "nonce": "n1", "code_challenge": challenge_of(VERIFIER), "code_challenge_method": "S256",
}  # fmt: skip


@pytest.fixture
async def it(tmp_path: Path) -> AsyncIterator[Running]:
    async with running(tmp_path) as sandbox:
        yield sandbox


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def _token(http: aiohttp.ClientSession, it: Running, basic: str | None = None, **form: Any) -> tuple[int, dict[str, Any]]:
    headers = {"Authorization": f"Basic {b64encode(basic.encode()).decode()}"} if basic is not None else {}
    async with http.post(f"{it.url}/oidc/token", data=form, headers=headers) as answer:
        return answer.status, await answer.json()


def _gateway(http: aiohttp.ClientSession, it: Running) -> Tokens:
    async def fetch() -> dict[str, Any]:
        async with http.get(f"{it.url}/oidc/jwks") as answer:
            return await answer.json()  # type: ignore[no-any-return]

    return Tokens(fetch, it.signer.issuer, "hub")


@pytest.mark.parametrize("client", ["ehr-takecare", "ehr-sectra", "app", "portal", "operator"])
@pytest.mark.parametrize("way", ["basic", "post"])
async def test_the_gateway_takes_the_token_of_each_client(it: Running, http: aiohttp.ClientSession, client: str, way: str) -> None:
    secret = f"sandbox-{client}"
    if way == "basic":
        status, answer = await _token(http, it, f"{client}:{secret}", grant_type="client_credentials")
    else:
        status, answer = await _token(http, it, grant_type="client_credentials", client_id=client, client_secret=secret)
    assert (status, answer["token_type"], answer["expires_in"]) == (200, "Bearer", 3600)
    assert (await _gateway(http, it).client(answer["access_token"])).name == client


async def test_the_app_may_ask_for_a_token_for_one_reader(it: Running, http: aiohttp.ClientSession) -> None:
    _, answer = await _token(http, it, "app:sandbox-app", grant_type="client_credentials", reader="1-abc")
    assert (await _gateway(http, it).client(answer["access_token"])).reader == "1-abc"


@pytest.mark.parametrize("header", ["Basic %%%", "Basic YXBw", "Bearer x", "Basic"])
async def test_a_header_that_is_no_client_and_secret_is_refused(it: Running, http: aiohttp.ClientSession, header: str) -> None:
    form, headers = {"grant_type": "client_credentials"}, {"Authorization": header}
    async with http.post(f"{it.url}/oidc/token", data=form, headers=headers) as answer:
        assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Basic")


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ({"grant_type": "client_credentials", "client_id": "app", "client_secret": "sandbox-portal"}, 401, "invalid_client"),
        ({"grant_type": "client_credentials", "client_id": "nobody", "client_secret": "sandbox-nobody"}, 401, "invalid_client"),
        ({"grant_type": "client_credentials", "client_id": "app"}, 401, "invalid_client"),
        ({"grant_type": "password", "username": "lisa", "password": "wrong"}, 400, "invalid_grant"),
        ({"grant_type": "password", "username": "nobody", "password": "sandbox"}, 400, "invalid_grant"),
        ({"grant_type": "authorization_code", "code": "made up"}, 400, "invalid_grant"),
        ({"grant_type": "refresh_token"}, 400, "unsupported_grant_type"),
        ({}, 400, "unsupported_grant_type"),
    ],
)
async def test_who_may_not_gets_no_token(
    it: Running, http: aiohttp.ClientSession, form: dict[str, str], status: int, error: str
) -> None:
    assert await _token(http, it, **form) == (status, {"error": error})


@pytest.mark.parametrize(
    ("login", "role", "special"), [("lisa", "staff", "print"), ("olle", "operator", "operate"), ("petra", "staff", "protected")]
)
async def test_a_user_has_hsa_id_role_units_and_permissions(
    it: Running, http: aiohttp.ClientSession, login: str, role: str, special: str
) -> None:
    status, answer = await _token(http, it, grant_type="password", username=login, password="sandbox")
    assert status == 200
    claims = it.signer.read(answer["access_token"])
    assert claims["sub"] == login
    assert claims["hsa_id"].startswith("SE2321000016-")
    assert claims["units"] == ["SE2321000016-A1", "SE2321000016-B2"]
    assert claims["role"] == role
    assert special in claims["permissions"]
    async with http.get(f"{it.url}/oidc/userinfo", headers={"Authorization": f"Bearer {answer['access_token']}"}) as found:
        assert (await found.json())["hsa_id"] == claims["hsa_id"]


@pytest.mark.parametrize("client", ["portal", "operator", "app"])
async def test_a_users_token_is_nobody_who_may_publish(it: Running, http: aiohttp.ClientSession, client: str) -> None:
    """Whatever client they say they log in by."""
    _, answer = await _token(http, it, grant_type="password", username="olle", password="sandbox", client_id=client)
    assert (await _gateway(http, it).client(answer["access_token"])).name == PERSON


async def test_userinfo_is_for_bearers_only(it: Running, http: aiohttp.ClientSession) -> None:
    async with http.get(f"{it.url}/oidc/userinfo", headers={"Authorization": "Bearer a.b.c"}) as answer:
        assert answer.status == 401


async def test_discovery_names_endpoints_that_are_there(it: Running, http: aiohttp.ClientSession) -> None:
    async with http.get(f"{it.url}/oidc/.well-known/openid-configuration") as answer:
        document = await answer.json()
    assert document["issuer"] == f"{it.url}/oidc"
    statuses = {}
    for name in ("authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri"):
        async with http.get(document[name]) as answer:
            statuses[name] = answer.status
    assert statuses == {"authorization_endpoint": 400, "token_endpoint": 405, "userinfo_endpoint": 401, "jwks_uri": 200}


async def _log_in(http: aiohttp.ClientSession, it: Running, **changed: str) -> aiohttp.ClientResponse:
    form = {**ASKED, "username": "Lisa ", "password": "sandbox", **changed}
    return await http.post(f"{it.url}/oidc/authorize", data=form, allow_redirects=False)


async def test_the_browser_flow_ends_in_tokens_with_nonce_and_state(it: Running, http: aiohttp.ClientSession) -> None:
    answer = await _log_in(http, it)
    location = urlsplit(answer.headers["Location"])
    back = parse_qs(location.query)
    assert (answer.status, location.netloc, back["from"], back["state"]) == (303, "127.0.0.1:9999", ["here"], ["s&=1"])
    form = {"grant_type": "authorization_code", "client_id": "portal", "redirect_uri": BACK, "code": back["code"][0]}
    status, tokens = await _token(http, it, **form, code_verifier=VERIFIER)
    assert status == 200
    key = jwt.PyJWK(it.signer.jwks["keys"][0])
    claims = jwt.decode(tokens["id_token"], key, algorithms=["RS256"], audience="portal", issuer=it.signer.issuer)
    assert (claims["sub"], claims["nonce"]) == ("lisa", "n1")
    assert (await _token(http, it, **form, code_verifier=VERIFIER))[0] == 400  # a code is good once


@pytest.mark.parametrize(
    "wrong", [{"code_verifier": "w" * 43}, {"redirect_uri": "http://127.0.0.1:9999/other"}, {"client_id": "app"}, {"code_verifier": ""}]
)
async def test_a_code_is_good_only_for_whom_it_was_given(it: Running, http: aiohttp.ClientSession, wrong: dict[str, str]) -> None:
    answer = await _log_in(http, it)
    code = parse_qs(urlsplit(answer.headers["Location"]).query)["code"][0]
    form = {"grant_type": "authorization_code", "client_id": "portal", "redirect_uri": BACK, "code": code, "code_verifier": VERIFIER}
    assert await _token(http, it, **{**form, **wrong}) == (400, {"error": "invalid_grant"})


def test_a_code_is_good_for_a_minute() -> None:
    codes = Codes()
    request = LoginRequest("portal", BACK, "", None, challenge_of(VERIFIER))
    first, second = codes.give(request, "lisa", 100.0), codes.give(request, "lisa", 100.0)
    assert codes.redeem(first, "portal", BACK, VERIFIER, 159.0) == (request, "lisa")
    assert codes.redeem(second, "portal", BACK, VERIFIER, 160.0) is None


@pytest.mark.parametrize(
    "wrong",
    [{"client_id": "nobody"}, {"redirect_uri": "https://evil.example/"}, {"redirect_uri": "javascript:alert(1)"}, {"redirect_uri": ""}],
)
async def test_a_login_for_strangers_is_shown_as_a_fault_and_redirects_nowhere(
    it: Running, http: aiohttp.ClientSession, wrong: dict[str, str]
) -> None:
    async with http.get(f"{it.url}/oidc/authorize", params={**ASKED, **wrong}, allow_redirects=False) as answer:
        assert answer.status == 400
        assert "Inloggningen kan inte fortsätta" in await answer.text()


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"scope": "profile"}, "invalid_scope"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge": ""}, "invalid_request"),
    ],
)
async def test_a_faulty_request_of_a_known_client_goes_back_to_it(
    it: Running, http: aiohttp.ClientSession, wrong: dict[str, str], error: str
) -> None:
    async with http.get(f"{it.url}/oidc/authorize", params={**ASKED, **wrong}, allow_redirects=False) as answer:
        back = parse_qs(urlsplit(answer.headers["Location"]).query)
        assert (answer.status, back["error"], back["state"]) == (303, [error], ["s&=1"])


async def test_a_wrong_password_shows_the_form_again_without_what_was_typed_as_password(
    it: Running, http: aiohttp.ClientSession
) -> None:
    answer = await _log_in(http, it, username='"><script>', password="hemligt")
    text = await answer.text()
    assert answer.status == 401
    assert 'role="alert"' in text
    assert "hemligt" not in text
    assert "<script>" not in text


async def test_an_expired_token_is_refused(it: Running, http: aiohttp.ClientSession) -> None:
    old = it.signer.access_token("app", it.sandbox.wall() - timedelta(hours=2))
    with pytest.raises(jwt.ExpiredSignatureError):
        it.signer.read(old)


async def test_the_key_is_kept_for_its_owner_alone(tmp_path: Path) -> None:
    first = await asyncio.to_thread(kept_key, tmp_path / "secrets")
    again = await asyncio.to_thread(kept_key, tmp_path / "secrets")
    assert first.public_key().public_numbers() == again.public_key().public_numbers()
    (path,) = (tmp_path / "secrets").iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
