"""`GET /v1/attachments/{sha256}`: for who may read the document, logged before it is shown, 404 for all others."""

from hashlib import sha256

import orjson
import pytest

from connectors.gateway.attachments import Attachment
from schemas.events import AccessLogged, decode_as
from schemas.samples import GUARDIAN, RESIDENT
from tests.connectors.gateway_support import KEYS, running

PDF = b"%PDF-1.4\n% an attachment\n"
SHA = sha256(PDF).hexdigest()
PATH = f"/v1/attachments/{SHA}"
UNIT = "SE2321000016-A1"


async def of_the_guardian(reader: str, sha: str) -> Attachment | None:
    """The ledger's answer: the guardian may read the child's document with this attachment."""
    return Attachment(PDF, UNIT, RESIDENT, "doc-1") if (reader, sha) == (GUARDIAN, SHA) else None


async def test_a_reader_gets_the_bytes_and_the_access_stands_in_the_log_first() -> None:
    async with running(find_attachment=of_the_guardian) as gateway:
        for client, headers in (("app", {"X_Reader": GUARDIAN}), (f"app:{GUARDIAN}", {})):
            answer = await gateway.get(PATH, client, **headers)
            assert (answer.status, answer.body) == (200, PDF)
            assert answer.headers["Content-Type"] == "application/pdf"
            assert "no-store" in answer.headers["Cache-Control"]
            record = gateway.log.records[-1]
            logged = decode_as(AccessLogged, record.value)
            assert record.topic == "audit.v1"
            assert record.key == KEYS.key(RESIDENT).encode()
            assert dict(record.headers)["ce_subject"] == b"doc-1"
            assert (logged.user, logged.patient, logged.about) == (KEYS.key(GUARDIAN), RESIDENT, "doc-1")


async def test_what_cannot_be_logged_is_not_shown() -> None:
    async with running(find_attachment=of_the_guardian) as gateway:
        gateway.log.silent = True
        answer = await gateway.get(PATH, X_Reader=GUARDIAN)
        assert (answer.status, answer.problem) == (503, "unavailable")
        assert PDF not in answer.body


async def test_unknown_and_forbidden_are_the_same_answer() -> None:
    async with running(find_attachment=of_the_guardian) as gateway:
        answers = [
            await gateway.get(PATH, X_Reader=RESIDENT),
            await gateway.get(f"/v1/attachments/{'0' * 64}", X_Reader=GUARDIAN),
            await gateway.get("/v1/attachments/short", X_Reader=GUARDIAN),
            await gateway.get(PATH),
            await gateway.get(PATH, X_Reader="nobody"),
        ]
        assert {(answer.status, answer.body) for answer in answers} == {(404, answers[0].body)}
        assert gateway.log.records == []


async def test_a_tokens_reader_is_not_overruled_by_a_header() -> None:
    async with running(find_attachment=of_the_guardian) as gateway:
        assert (await gateway.get(PATH, f"app:{RESIDENT}", X_Reader=GUARDIAN)).status == 404


@pytest.mark.parametrize(("client", "status"), [("ehr-takecare", 403), ("operator", 403), ("portal", 403), ("", 401)])
async def test_other_clients_read_nothing(client: str, status: int) -> None:
    async with running(find_attachment=of_the_guardian) as gateway:
        assert (await gateway.get(PATH, client, X_Reader=GUARDIAN)).status == status


async def test_while_the_ledger_cannot_answer_it_is_503() -> None:
    async def away(_reader: str, _sha: str) -> Attachment | None:
        raise ConnectionError

    async with running(find_attachment=away) as gateway:
        assert (await gateway.get(PATH, X_Reader=GUARDIAN)).problem == "unavailable"


async def test_what_is_no_pdf_is_only_bytes() -> None:
    async def script(_reader: str, _sha: str) -> Attachment | None:
        return Attachment(b"<script>", UNIT, RESIDENT, "doc-1")

    async with running(find_attachment=script) as gateway:
        answer = await gateway.get(PATH, X_Reader=GUARDIAN)
        assert answer.headers["Content-Type"] == "application/octet-stream"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert orjson.loads(gateway.log.records[0].value)["action"] == "attachment.read"
