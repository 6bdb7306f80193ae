"""One hub and its topics, with the words that the tests are written in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.acceptance import care_events as care
from tests.acceptance.hub_process import HubProcess, until
from tests.acceptance.topic_reader import Sent, Topics


@dataclass(frozen=True)
class Desk:
    """What the tests do with a hub."""

    hub: HubProcess
    topics: Topics

    # what happens outside

    def person(self, patient: str | None = None, **more: Any) -> str:
        patient = patient or care.adult()
        self.topics.send("persons.v1", "person.changed.v1", care.person(patient, **more), source="/spar")
        return patient

    def account(self, patient: str, state: str = "active", **more: Any) -> None:
        self.topics.send("accounts.v1", "account.changed.v1", care.account(patient, state, **more), source="/app")

    def mailbox(self, patient: str, operator: str = "kivra", accepts: bool = True, **more: Any) -> None:
        self.topics.send("mailboxes.v1", "mailbox.changed.v1", care.mailbox(patient, operator, accepts, **more), source="/kivra")

    def agent(self, patient: str, by: str, state: str = "active", **more: Any) -> None:
        self.topics.send("agents.v1", "agent.changed.v1", care.agent(patient, by, state, **more), source="/app")

    def known(self, patient: str | None = None, **more: Any) -> str:
        """A person whom the hub knows before anything else about them is published (topics have no common order)."""
        patient = self.person(patient, **more)
        self.hub.idle()
        return patient

    def user(self, patient: str | None = None, **more: Any) -> str:
        """A person with an active account. Known first: an account of a stranger has the register asked, which may not know them yet."""
        patient = self.known(patient, **more)
        self.account(patient)
        self.hub.idle()
        return patient

    def submit(self, patient: str, kind: str = "brev", **more: Any) -> str:
        document = care.document(patient, kind, **more)
        self.topics.send(care.TOPIC[kind], "document.submitted.v1", document)
        return str(document["document_id"])

    def book(self, patient: str, **more: Any) -> dict[str, Any]:
        booking = care.booking(patient, **more)
        self.topics.send("ehr.bookings.v1", "booking.changed.v1", booking)
        return booking

    def read(self, document_id: str, patient: str, by: str | None = None, **more: Any) -> None:
        receipt = {"document_id": document_id, "patient": patient, "read_by": by or patient, "read_at": self.now()} | more
        self.topics.send("receipts.v1", "document.read.v1", receipt, source="/app")

    def answer(self, delivery: dict[str, Any], outcome: str, code: str | None = None) -> None:
        answer = {"delivery_id": delivery["delivery_id"], "channel": delivery["channel"], "outcome": outcome, "at": self.now()} | (
            {"code": code} if code else {}
        )
        self.topics.send("receipts.v1", "delivery.answered.v1", answer, source="/kivra", key=delivery["delivery_id"])

    @contextmanager
    def failing(self, system: str, mode: str, **limits: Any) -> Iterator[None]:
        """A stand-in outside fails in this way, until the end of the block or a limit before it."""
        answer = self.hub.http("POST", 10, "/faults", {"system": system, "mode": mode} | limits)
        assert answer.status == 200, answer
        try:
            yield
        finally:
            assert self.hub.http("DELETE", 10, f"/faults?system={system}").status == 200

    def now(self) -> str:
        return str(self.hub.http("GET", 10, "/clock").json["now"])

    # what the hub said

    def decisions(self, subject: str) -> list[dict[str, Any]]:
        return self.topics.about("decisions.v1", subject_id=subject)

    def decided(self, subject: str, timeout_s: float = 120, **fields: Any) -> dict[str, Any]:
        return dict(self.topics.wait("decisions.v1", timeout_s, subject_id=subject, **fields))

    def delivered(self, document_id: str) -> dict[str, Any]:
        return dict(self.topics.wait("app.documents.v1", document_id=document_id))

    def printed(self, document_id: str, timeout_s: float = 120) -> dict[str, Any]:
        entries = until(lambda: self.entries(document_id, "print.entered.v1"), timeout_s, f"print entry of {document_id}")
        return dict(entries[-1])

    def settlements(self, document_id: str) -> list[str]:
        """Every outcome that was told of a document."""
        return [s["outcome"] for s in self.of_type("app.documents.v1", "document.settled.v1", document_id=document_id)]

    def settled(self, document_id: str, outcome: str, timeout_s: float = 120) -> None:
        until(lambda: self.settlements(document_id) == [outcome], timeout_s, f"{document_id} {outcome}")

    def unknown(self, document_id: str, timeout_s: float = 120) -> dict[str, Any]:
        """The row of a delivery on the desk of unknown outcomes."""

        def look() -> dict[str, Any] | None:
            return next((row for row in self.hub.ask("unknown", "list")["items"] if row["about"] == document_id), None)

        return until(look, timeout_s, f"{document_id} on the desk")

    def entries(self, document_id: str, type_: str) -> list[dict[str, Any]]:
        return self.of_type("print.entries.v1", type_, document_id=document_id)

    def of_type(self, topic: str, type_: str, **fields: Any) -> list[dict[str, Any]]:
        found = [m.data for m in self.topics.of(topic) if m.type == type_]
        return [d for d in found if all(d.get(k) == v for k, v in fields.items())]

    def dead(self, sent: Sent, timeout_s: float = 120) -> dict[str, str]:
        """The headers of the dead letter made of an event."""
        place = {"dlq-topic": sent.topic, "dlq-partition": str(sent.partition), "dlq-offset": str(sent.offset)}

        def look() -> dict[str, str] | None:
            found = self.topics.of("dead-letters.v1", lambda m: place.items() <= m.headers.items())
            return found[0].headers if found else None

        return until(look, timeout_s, f"dead letter of {sent}")

    def listed_dead(self, sent: Sent) -> dict[str, Any] | None:
        """The same as the command line lists it."""
        place = (sent.topic, sent.partition, sent.offset)
        items = self.hub.ask("dead-letters", "list")["items"]
        return next((row for row in items if (row["topic"], row["partition"], row["offset"]) == place), None)
