"""A sandbox on a free port without Kafka, events of the hub to feed it, and Chromium."""

import atexit
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cache
from itertools import count
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.asymmetric import rsa

from connectors.sandbox import signers
from connectors.sandbox.faults import Faults
from connectors.sandbox.oidc.tokens import Signer
from connectors.sandbox.publishing import Publishing
from connectors.sandbox.server import application
from connectors.sandbox.state import Sandbox
from connectors.sandbox.world import World
from schemas import persons
from schemas.clock import Clock
from schemas.cloudevents import Envelope
from schemas.events import OUTBOUND, decode, dump
from schemas.keys import PersonKeys

SENDER = "162321000016"
UNIT = "SE2321000016-A1"
NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
ADULT = persons.fictitious(date(1980, 5, 17), 981)
PARENT = persons.fictitious(date(1985, 2, 3), 982)
CHILD = persons.fictitious(date(2020, 8, 9), 983)
KEYS = PersonKeys({1: b"sandbox-test-secret"}, 1)
_numbers = count(1)


@dataclass
class Kafka:
    """Takes records as aiokafka's producer does, and keeps them."""

    sent: list[tuple[str, bytes, bytes, list[tuple[str, bytes]]]] = field(default_factory=list)

    async def send_and_wait(self, topic: str, value: bytes, key: bytes, partition: int, *, headers: list[tuple[str, bytes]]) -> None:
        self.sent.append((topic, key, value, headers))


@dataclass
class Running:
    """A sandbox that listens."""

    url: str
    sandbox: Sandbox
    kafka: Kafka
    signer: Signer
    app: web.Application

    @property
    def world(self) -> World:
        return self.sandbox.world


@cache
def a_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65_537, key_size=2_048)


@cache
def signing_files() -> signers.Files:
    """Keys and certificates of a sender and a mediator; their making takes a second."""
    directory = Path(mkdtemp(prefix="hub-signers-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return signers.kept(directory, SENDER)


@asynccontextmanager
async def running(
    directory: Path, gateway_url: str = "http://127.0.0.1:1", video_url: str = "http://127.0.0.1:1"
) -> AsyncIterator[Running]:
    """The application behind a real socket; its issuer is its own address."""
    kafka = Kafka()
    clock = Clock(directory / "clock.json")
    sandbox = Sandbox(World(), Publishing(kafka, KEYS), clock, SENDER, Faults(), lambda: True, gateway_url, video_url)
    signer = Signer(a_key(), "", "hub")
    app = application(sandbox, signer, trust=signers.trust(signing_files()))
    server = TestServer(app)
    await server.start_server(access_log=None)
    signer.issuer = str(server.make_url("/oidc"))
    try:
        yield Running(str(server.make_url("")).rstrip("/"), sandbox, kafka, signer, app)
    finally:
        await server.close()


def tell(world: World, ce_type: str, data: dict[str, Any], at: datetime = NOW, event_id: str = "") -> None:
    """Let the world learn an event, after its model found it right."""
    decode(ce_type, dump(data))
    plain = orjson.loads(dump(data))
    source = "urn:care-hub" if ce_type in OUTBOUND else "urn:elsewhere"
    world.apply(Envelope(event_id or f"e-{next(_numbers)}", source, ce_type, at), plain, at)


def person(patient: str, name: str, **more: Any) -> dict[str, Any]:
    return {"patient": patient, "name": name, "protection": "none", "emigrated": False, "linked": [],
            "as_of": datetime(2026, 1, 1, tzinfo=UTC), **more}  # fmt: skip


def account(patient: str, state: str = "active") -> dict[str, Any]:
    return {"patient": patient, "account": state, "as_of": datetime(2026, 1, 2, tzinfo=UTC)}


def delivered(document_id: str, patient: str, *readers: str, title: str = "Provsvar", **more: Any) -> dict[str, Any]:
    role = "resident" if patient in readers or not readers else "guardian"
    return {
        "document_id": document_id, "kind": "brev", "patient": patient, "unit": UNIT, "unit_name": "Ortopedmottagningen",
        "title": title, "body": "<p>Dina prover ser <b>bra</b> ut. Läs mer på https://www.example.org/prov.</p>",
        "body_format": "html", "footer": "Ortopedmottagningen\n[4US:LPAT]", "links": ["https://www.example.org/prov"],
        "attachments": [{"name": "Information.pdf", "content_type": "application/pdf", "sha256": "0" * 64, "size": 5300}],
        "sent": NOW, "recipients": [{"id": each, "role": role} for each in readers or (patient,)], **more,
    }  # fmt: skip


def decision(document_id: str, rule: str = "R9", **more: Any) -> dict[str, Any]:
    step = {"rule": "R2", "applied": False, "because": "no death is known", "facts": {"deceased": False}}
    last = {"rule": rule, "applied": True, "because": "the account is active", "facts": {"account": "active", "age_years": 46}}
    return {
        "decision_id": f"d-{next(_numbers)}", "subject": "document", "subject_id": document_id, "unit": UNIT, "kind": "brev",
        "trigger": "arrival", "rule": rule, "channels": ["app"], "outcome": "deliver", "deadline": NOW,
        "trace": [step, last], "config_version": "0123abcd", **more,
    }  # fmt: skip


def printed(document_id: str, reason: str = "control_code_missing", **more: Any) -> dict[str, Any]:
    return {"entry_id": f"p-{document_id}", "document_id": document_id, "unit": UNIT, "kind": "brev", "title": "Väntetid",
            "reason": reason, "entered": NOW, "attachments": 0, "urgent": False, "manual_handling": False,
            "class": "ordinary", **more}  # fmt: skip


def booking(booking_id: str, patient: str, **more: Any) -> dict[str, Any]:
    return {"booking_id": booking_id, "version": 1, "status": "booked", "unit": UNIT, "unit_name": "Ortopedmottagningen",
            "patient": patient, "start": datetime(2026, 12, 1, 8, tzinfo=UTC), "minutes": 30,
            "time_type": {"id": "20", "name": "Videobesök", "hidden": False, "video": "single"},
            "resource": {"id": "A1-1", "name": "Läkare 7"}, "description": "Återbesök", "comment": "", "video": True,
            **more}  # fmt: skip


def arrived(world: World, channel: str, patient: str, document_id: str) -> None:
    """A letter that a mailbox operator took."""
    world.arrivals.note(channel, patient, "document_id", document_id, "0" * 64, 3, NOW, repeated=False)


def requested(document_id: str, patient: str, operator: str = "kivra") -> dict[str, Any]:
    return {"delivery_id": f"l-{document_id}", "document_id": document_id, "patient": patient, "channel": "kivra",
            "operator": operator, "kind": "brev", "title": "Provsvar", "unit": UNIT, "unit_name": "Ortopedmottagningen"}  # fmt: skip


def notified(about: str, recipient: str) -> dict[str, Any]:
    return {"notification_id": f"n-{about}", "recipient": recipient, "channel": "sms", "kind": "document",
            "template": "document.new", "about": about, "not_after": NOW}  # fmt: skip


def room(room_id: str, *booking_ids: str) -> dict[str, Any]:
    return {"room_id": room_id, "state": "scheduled", "kind": "single", "booking_ids": list(booking_ids), "unit": UNIT,
            "resource": "A1-1", "active_at": NOW, "opens_at": NOW, "closes_at": NOW}  # fmt: skip


@cache
def chromium() -> str:
    """The browser's path. Installed where this is root on Debian; else the test fails and says what to install."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        for command in (["apt-get", "update", "-q"], ["apt-get", "install", "-qy", "--no-install-recommends", "chromium"]):
            subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        found = shutil.which("chromium")
    if found is None:
        pytest.fail("the page tests need a browser: install the package chromium (apt-get install chromium)", pytrace=False)
    return found


CHROMIUM_ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
