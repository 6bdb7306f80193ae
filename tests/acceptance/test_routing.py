"""Where a document goes when it arrives: C1 to C10 and R1 to R9, R12, as a consumer of the topics sees it."""

from __future__ import annotations

import base64
from datetime import timedelta

import pytest

from tests.acceptance import care_events as care
from tests.acceptance.care_desk import Desk

PDF = base64.b64encode(b"%PDF-1.4\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n").decode()


def pdf(**more: object) -> dict[str, object]:
    return {"name": "bilaga.pdf", "content_type": "application/pdf", "data": PDF, "shared": True, "e_brev": True} | more


@pytest.fixture(scope="module")
def reader(desk: Desk) -> str:
    """An adult with an active account."""
    return desk.user()


def test_a_letter_to_an_account_is_delivered_in_the_app_with_its_footer(desk: Desk, reader: str) -> None:
    """R9, C1, C6."""
    letter = desk.submit(reader, body="<p>Läs https://vard.example/prover.</p><script>x()</script>", title="Provsvar 1")
    shown = desk.delivered(letter)
    assert shown["recipients"] == [{"id": reader, "role": "resident"}]
    assert care.LETTER_CODE in shown["footer"]
    assert shown["links"] == ["https://vard.example/prover"]
    assert "script" not in shown["body"]
    assert (shown["title"], shown["kind"], shown["unit"], shown["patient"]) == ("Provsvar 1", "brev", care.A1, reader)
    decision = desk.decided(letter)
    assert (decision["rule"], decision["outcome"], decision["channels"]) == ("R9", "deliver", ["app"])
    assert [step["rule"] for step in decision["trace"] if step["applied"]] == ["R9"]
    desk.topics.settle()  # one decision's outputs go by several connections: no topic waits for another
    (asked,) = desk.of_type("notifications.v1", "notification.requested.v1", about=letter)
    assert asked["recipient"] == reader


@pytest.mark.parametrize(
    ("kind", "footer", "body", "reason"),
    [
        ("brev", "Kliniken", "<p>Hej</p>", "control_code_missing"),
        ("brev", "Kliniken [4US:RPAT]", "<p>Hej</p>", "control_code_other_kind"),
        ("brev", "Kliniken", "<p>Hej [4US:LPAT]</p>", "control_code_outside_footer"),
        ("brev", "Kliniken [4US: LPAT]", "<p>Hej</p>", "control_code_malformed"),
        ("brev", "Kliniken [4us:lpat]", "<p>Hej</p>", "control_code_malformed"),
        ("brev", "Kliniken [4US:\u00a0LPAT]", "<p>Hej</p>", "control_code_malformed"),
        ("brev", "Kliniken [4US:\u200bLP\u00adAT]", "<p>Hej</p>", "control_code_malformed"),
        ("brev", "Kliniken", "<p>Hej [4us:lpat]</p>", "control_code_malformed"),
        ("brev", "Kliniken [4US:XPAT]", "<p>Hej</p>", "control_code_unknown"),
        ("brev", "Kliniken [4US:RPAT]", "<p>[4US:LPAT]</p>", "control_code_other_kind"),
        ("remissbekraftelse", "Kliniken [4US:LPAT]", "<p>Hej</p>", "control_code_other_kind"),
        ("remissbekraftelse", "Kliniken", "<p>Hej</p>", "control_code_missing"),
    ],
)
def test_a_failing_control_code_prints(desk: Desk, reader: str, kind: str, footer: str, body: str, reason: str) -> None:
    """R5: each way of failing has its reason, and the trace tells which."""
    document = desk.submit(reader, kind, footer=footer, body=body)
    entry = desk.printed(document)
    assert (entry["reason"], entry["manual_handling"], entry["class"]) == (reason, False, "ordinary")
    decision = desk.decided(document)
    assert (decision["rule"], decision["reason"], decision["outcome"], decision["channels"]) == ("R5", reason, "print", ["print"])


@pytest.mark.parametrize(
    ("kind", "footer"),
    [("brev", "[4US:LPAT]"), ("brev", "a [4US:RPAT] b [4US:LPAT]"), ("remissbekraftelse", "x[4US:RPAT]y"), ("kallelse", "")],
)
def test_the_right_code_passes(desk: Desk, reader: str, kind: str, footer: str) -> None:
    """C1, C3."""
    assert desk.decided(desk.submit(reader, kind, footer=footer))["outcome"] == "deliver"


@pytest.mark.parametrize(
    ("attachments", "reason"),
    [
        ([pdf(content_type="image/png")], "attachment_not_pdf"),
        ([pdf(data=base64.b64encode(b"hello").decode())], "attachment_not_pdf"),
        ([pdf(e_brev=False)], "attachment_not_e_brev"),
        ([pdf(shared=False)], "attachment_not_e_brev"),
        ([pdf(e_brev=False), pdf(content_type="text/plain")], "attachment_not_pdf"),
    ],
)
def test_a_failing_attachment_prints_the_whole_document(desk: Desk, reader: str, attachments: list[dict[str, object]], reason: str) -> None:
    """R6, C5."""
    document = desk.submit(reader, "kallelse", attachments=attachments)
    entry = desk.printed(document)
    assert (entry["reason"], entry["attachments"]) == (reason, len(attachments))
    assert desk.decided(document)["rule"] == "R6"


def test_pdf_attachments_are_delivered_by_hash(desk: Desk, reader: str) -> None:
    """C5: parameters on the declared type are tolerated."""
    document = desk.submit(reader, "kallelse", attachments=[pdf(), pdf(name="b.pdf", content_type="application/pdf; name=b.pdf")])
    shown = desk.delivered(document)
    assert [a["name"] for a in shown["attachments"]] == ["bilaga.pdf", "b.pdf"]
    assert {a["size"] for a in shown["attachments"]} == {len(base64.b64decode(PDF))}
    assert all(len(a["sha256"].removeprefix("sha256:")) == 64 for a in shown["attachments"])


def test_an_attachment_by_reference_is_the_one_that_came_before(desk: Desk, reader: str) -> None:
    """`ref`: the same bytes need not come twice."""
    first = desk.delivered(desk.submit(reader, "kallelse", attachments=[pdf()]))
    ref = "sha256:" + first["attachments"][0]["sha256"].removeprefix("sha256:")
    by_ref = {"name": "bilaga.pdf", "content_type": "application/pdf", "ref": ref, "shared": True, "e_brev": True}
    second = desk.delivered(desk.submit(reader, "kallelse", attachments=[by_ref]))
    assert second["attachments"] == first["attachments"]


@pytest.mark.parametrize("dispatch", ["paper", "direct", "phone"])
def test_what_is_no_e_brev_is_recorded_alone(desk: Desk, reader: str, dispatch: str) -> None:
    """R1, C4."""
    document = desk.submit(reader, dispatch=dispatch)
    decision = desk.decided(document)
    assert (decision["rule"], decision["outcome"], decision["channels"]) == ("R1", "record", [])
    desk.topics.settle()
    assert [d["outcome"] for d in desk.of_type("app.documents.v1", "document.settled.v1", document_id=document)] in ([], ["recorded"])
    assert desk.of_type("app.documents.v1", "document.delivered.v1", document_id=document) == []
    assert desk.entries(document, "print.entered.v1") == []


def test_a_dead_persons_document_prints_for_manual_handling(desk: Desk) -> None:
    """R2: before the control code, the account and all else; nothing is sent."""
    patient = desk.user(deceased="2025-01-02")
    document = desk.submit(patient, footer="")
    entry = desk.printed(document)
    assert (entry["reason"], entry["manual_handling"]) == ("deceased", True)
    assert desk.decided(document)["rule"] == "R2"
    desk.topics.settle()
    assert desk.of_type("notifications.v1", "notification.requested.v1", about=document) == []
    assert desk.of_type("app.documents.v1", "document.delivered.v1", document_id=document) == []


@pytest.mark.parametrize(("protection", "class_"), [("sekretessmarkering", "ordinary"), ("skyddad_folkbokforing", "relay")])
def test_a_protected_persons_document_never_goes_digital(desk: Desk, protection: str, class_: str) -> None:
    """R3, P1: masked, manual, without a title."""
    patient = desk.user(protection=protection)
    desk.mailbox(patient)
    desk.hub.idle()
    document = desk.submit(patient, title="Hemlig titel")
    entry = desk.printed(document)
    assert (entry["reason"], entry["manual_handling"], entry["class"]) == ("protected_identity", True, class_)
    assert not entry.get("title")
    desk.topics.settle()
    for topic in ("app.documents.v1", "mailbox.deliveries.v1"):
        assert desk.topics.about(topic, document_id=document) == []
    assert desk.topics.about("notifications.v1", about=document) == []


def test_death_goes_before_protection(desk: Desk) -> None:
    """R2 before R3, and the person is masked all the same."""
    entry = desk.printed(desk.submit(desk.known(deceased="2025-01-02", protection="sekretessmarkering")))
    assert entry["reason"] == "deceased"
    assert not entry.get("title")


def test_a_reserve_number_alone_prints(desk: Desk) -> None:
    """R4, P8: it needs no register."""
    document = desk.submit(care.reserve_number())
    entry = desk.printed(document)
    assert entry["reason"] == "reserve_number"
    assert desk.decided(document)["rule"] == "R4"


def test_a_childs_letter_goes_to_its_guardians(desk: Desk) -> None:
    """R7, N1: every active guardian is a recipient and notified; no mailbox."""
    child, mother, father = desk.person(care.aged(7)), desk.user(), desk.user()
    desk.agent(child, mother)
    desk.agent(child, father)
    desk.mailbox(mother)
    desk.hub.idle()
    document = desk.submit(child)
    shown = desk.delivered(document)
    assert {(r["id"], r["role"]) for r in shown["recipients"]} == {(mother, "guardian"), (father, "guardian")}
    assert desk.decided(document)["rule"] == "R7"
    desk.topics.settle()
    assert {n["recipient"] for n in desk.topics.about("notifications.v1", about=document)} == {mother, father}
    assert desk.topics.about("mailbox.deliveries.v1", document_id=document) == []


def test_a_childs_summons_without_guardians_prints_at_once(desk: Desk) -> None:
    """R7 otherwise R10."""
    document = desk.submit(desk.known(care.aged(5)), "kallelse")
    assert desk.printed(document)["reason"] == "no_channel"
    assert desk.decided(document)["rule"] == "R10"


@pytest.mark.parametrize("guardian", [{"deceased": "2024-01-01"}, {"protection": "sekretessmarkering"}])
def test_a_guardian_who_is_dead_or_protected_does_not_count(desk: Desk, guardian: dict[str, str]) -> None:
    """P7."""
    child, parent = desk.person(care.aged(8)), desk.user(**guardian)
    desk.agent(child, parent)
    desk.hub.idle()
    assert desk.printed(desk.submit(child, "kallelse"))["reason"] == "no_channel"


def test_a_teenager_gets_the_app_alone(desk: Desk) -> None:
    """R8: no mailbox under 18."""
    teenager = desk.user(care.aged(15))
    desk.mailbox(teenager)
    desk.hub.idle()
    decision = desk.decided(desk.submit(teenager))
    assert (decision["rule"], decision["channels"]) == ("R8", ["app"])


def test_a_teenager_without_account_waits_and_a_summons_prints(desk: Desk) -> None:
    """R8 otherwise R10, whatever mailbox."""
    teenager = desk.known(care.aged(16))
    desk.mailbox(teenager)
    desk.hub.idle()
    assert desk.decided(desk.submit(teenager))["outcome"] == "wait"
    assert desk.printed(desk.submit(teenager, "kallelse"))["reason"] == "no_channel"


def test_an_adult_gets_app_and_one_mailbox(desk: Desk) -> None:
    """R9: one mailbox path a document."""
    adult = desk.user()
    desk.mailbox(adult, "kivra")
    desk.mailbox(adult, "minmyndighetspost")
    desk.hub.idle()
    document = desk.submit(adult)
    decision = desk.decided(document)
    assert decision["channels"] == ["app", "mailbox"], decision
    desk.topics.settle()
    assert len(desk.topics.about("mailbox.deliveries.v1", document_id=document)) == 1


@pytest.mark.parametrize(
    ("operator", "channel"),
    [
        ("kivra", {"kivra", "mina_meddelanden"}),
        ("billo", {"mina_meddelanden"}),
        ("minmyndighetspost", {"mina_meddelanden"}),
        ("fortnox", {"mina_meddelanden"}),
    ],
)
def test_a_mailbox_alone_is_a_channel(desk: Desk, operator: str, channel: set[str]) -> None:
    """R9 without an account."""
    adult = desk.known()
    desk.mailbox(adult, operator)
    desk.hub.idle()
    document = desk.submit(adult, "kallelse")
    request = desk.topics.wait("mailbox.deliveries.v1", document_id=document)
    assert request["operator"] == operator
    assert request["channel"] in channel
    assert (request["patient"], request["kind"], request["unit"], request["title"]) == (adult, "kallelse", care.A1, "Provsvar")
    assert desk.decided(document)["channels"] == ["mailbox"]


def test_a_mailbox_for_another_sender_is_none(desk: Desk) -> None:
    """R9: it must accept mail from this sender."""
    adult = desk.known()
    desk.mailbox(adult, sender="165560000001")
    desk.hub.idle()
    assert desk.printed(desk.submit(adult, "kallelse"))["reason"] == "no_channel"


def test_a_refusing_mailbox_alone_prints_a_summons_and_lets_a_letter_wait(desk: Desk) -> None:
    """R12."""
    adult = desk.known()
    desk.mailbox(adult)
    desk.hub.idle()
    with desk.failing("kivra", "refuse"):
        summons, letter = desk.submit(adult, "kallelse"), desk.submit(adult)
        assert desk.printed(summons)["reason"] == "mailbox_refused"
        waiting = desk.decided(letter, outcome="wait")
    for document in (summons, letter):
        assert len(desk.topics.about("mailbox.deliveries.v1", document_id=document)) == 1
    assert desk.hub.inbox("kivra", adult) == []
    assert waiting["rule"] in ("R10", "R12")
    assert desk.entries(letter, "print.entered.v1") == []


def test_an_accepted_mailbox_settles(desk: Desk) -> None:
    """R11: accepted is settled, once and at once, also when the answer comes again; the mailbox has the letter once."""
    adult = desk.known()
    desk.mailbox(adult)
    desk.hub.idle()
    letter = desk.submit(adult)
    delivery = desk.topics.wait("mailbox.deliveries.v1", document_id=letter)
    desk.settled(letter, "accepted")
    for _ in range(2):
        desk.answer(delivery, "accepted")
    desk.topics.settle()
    assert desk.settlements(letter) == ["accepted"]
    assert [(row["document_id"], row["times"]) for row in desk.hub.inbox("kivra", adult)] == [(letter, 1)]


def test_reading_settles_once(desk: Desk, reader: str) -> None:
    """R11."""
    letter = desk.submit(reader)
    desk.delivered(letter)
    for _ in range(2):
        desk.read(letter, reader)
    desk.topics.settle()
    assert desk.settlements(letter) == ["read"]


def test_sectra_needs_no_code_and_sends_summonses_only(desk: Desk, reader: str) -> None:
    """C9."""
    assert desk.decided(desk.submit(reader, "kallelse", source_system="Sectra"))["outcome"] == "deliver"


def test_a_huge_document_prints_as_too_large_or_in_the_channel_that_takes_it(desk: Desk) -> None:
    """C10: nothing is lost for being big."""
    adult = desk.known()
    desk.mailbox(adult)
    desk.hub.idle()
    big = base64.b64encode(b"%PDF-1.4\n" + b"0" * 2_500_000).decode()
    summons = desk.submit(adult, "kallelse", attachments=[pdf(data=big)])
    assert desk.printed(summons)["reason"] in ("too_large", "mailbox_refused")


def test_a_summons_close_to_its_visit_is_urgent(desk: Desk) -> None:
    """R14: a print entry made when paper is too slow."""
    patient = desk.known()
    soon = desk.book(patient, start=care.stamp(care.parse(desk.now()) + timedelta(hours=20)))
    late = desk.book(patient)
    desk.hub.idle()
    assert desk.printed(desk.submit(patient, "kallelse", booking_id=soon["booking_id"]))["urgent"] is True
    assert desk.printed(desk.submit(patient, "kallelse", booking_id=late["booking_id"]))["urgent"] is False


def test_the_unit_may_leave_its_provider_to_the_settings(desk: Desk, reader: str) -> None:
    """`care_provider` may be left out where the settings map the unit; an arbitrary one is no fault; unknown fields are ignored."""
    document = care.document(reader, unit=care.B2, unit_name="Vårdcentralen", fields_of_tomorrow={"x": 1})
    del document["care_provider"]
    desk.topics.send("ehr.letters.v1", "document.submitted.v1", document)
    assert desk.decided(document["document_id"])["outcome"] == "deliver"
    assert desk.decided(desk.submit(reader, care_provider="SE2321000016-1000"))["outcome"] == "deliver"
