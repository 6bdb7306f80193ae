"""The gateway survives its own OpenAPI: schemathesis makes requests from it, good and bad, and judges every answer."""

import asyncio
import os
import sys
from pathlib import Path

import orjson
import pytest

from config.health import add_health
from config.telemetry import PrometheusMeter
from connectors.gateway import web as gateway_web
from schemas.openapi import document
from tests.connectors.gateway_support import running

pytestmark = pytest.mark.slow

EXAMPLES = 25
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
SOAP = "^/(takecare|riv)"


async def _run(url: str, directory: Path, *arguments: str) -> tuple[int, str]:
    path = directory / "openapi.json"
    path.write_bytes(orjson.dumps(document()))
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).parent / "schemathesis"), "run", str(path), "--url", url, "--max-examples", str(EXAMPLES),
        "--seed", "7", "--request-timeout", "20", "--generation-database", "none", "--no-color", *arguments,
        cwd=directory, env=os.environ | {"PYTHONWARNINGS": "ignore"},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


@pytest.fixture
def with_health(monkeypatch: pytest.MonkeyPatch) -> None:
    """The routes that the composition root adds."""
    plain = gateway_web.application

    def application(*arguments):  # type: ignore[no-untyped-def]
        app = plain(*arguments)
        add_health(app, PrometheusMeter("gateway"), "gateway", lambda: True)
        return app

    monkeypatch.setattr("connectors.gateway.assembly.application", application)


@pytest.mark.parametrize(
    ("client", "paths"), [("ehr-takecare", "^/(v1/events|healthz|readyz|metrics)"), ("app", "^/v1/attachments"), ("", "^/callbacks")]
)
async def test_no_request_made_from_the_openapi_breaks_the_gateway(client: str, paths: str, tmp_path: Path, with_health: None) -> None:
    async with running() as gateway:
        status, said = await _run(
            gateway.url, tmp_path, *(("--header", f"Authorization: Bearer {client}") if client else ()), "--checks", CHECKS,
            "--include-path-regex", paths,
        )  # fmt: skip
    assert status == 0, said


async def test_soap_doors_answer_as_documented_whatever_comes(tmp_path: Path, with_health: None) -> None:
    """A fault about the message is a 500 by SOAP 1.1 section 6.2, so that check is left to the documented statuses."""
    async with running() as gateway:
        status, said = await _run(
            gateway.url, tmp_path, "--header", "Authorization: Bearer ehr-takecare",
            "--checks", CHECKS.replace("not_a_server_error,", ""), "--include-path-regex", SOAP,
        )  # fmt: skip
    assert status == 0, said
