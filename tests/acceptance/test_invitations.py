"""V9, V10, N1, N3: who is invited is told at once, by a text that arrives and says nothing."""

from __future__ import annotations

from uuid import uuid4

from tests.acceptance.care_desk import Desk
from tests.acceptance.care_events import A1
from tests.acceptance.hub_process import until


def _chat(desk: Desk, patient: str, **more: object) -> str:
    asked = {"kind": "chat", "unit": A1, "patient": patient} | more
    answer = desk.hub.http("POST", 2, "/api/rooms", asked, authorization=f"Bearer {desk.hub.staff_token()}")
    assert answer.status == 201, answer
    return str(answer.json["room_id"])


def test_a_chat_invitation_arrives_as_a_text_also_in_quiet_hours(desk: Desk) -> None:
    patient = desk.known()
    desk.account(patient, phone=_number())  # of their own: the other tests' people share one
    desk.hub.idle()
    room = _chat(desk, patient)
    [asked] = until(lambda: desk.topics.about("notifications.v1", about=room), 30, "a notification")
    assert (asked["kind"], asked["channel"], asked["recipient"]) == ("invitation", "sms", patient)
    until(lambda: desk.hub.inbox("sms", patient), 60, "a text")
    silent = _chat(desk, patient, notify=False)
    desk.hub.idle()
    assert desk.topics.about("notifications.v1", about=silent) == [], "Behövs inte"
    assert sum(row["times"] for row in desk.hub.inbox("sms", patient)) == 1


def _number() -> str:
    return f"+4670{uuid4().int % 10**7:07d}"


def _texts(desk: Desk, number: str) -> int:
    return sum(row["times"] for row in desk.hub.inbox("sms", number))


def _conference(desk: Desk) -> str:
    asked = {"kind": "conference", "unit": A1, "subject": "Samtal", "start": desk.now(), "minutes": 60}
    answer = desk.hub.http("POST", 2, "/api/rooms", asked, authorization=f"Bearer {desk.hub.staff_token()}")
    assert answer.status == 201, answer
    return str(answer.json["room_id"])


def test_a_guest_is_invited_by_one_text_for_each_act_where_no_patient_is_known(desk: Desk) -> None:
    """V11: so staff meet somebody protected, whom the hub has no booking and no room of."""
    began, room = desk.now(), _conference(desk)
    number = _number()
    digits = number.removeprefix("+4670")
    typed = f"070-{digits[:3]} {digits[3:5]} {digits[5:]}"
    asked, bearer = {"phone": typed, "act": str(uuid4())}, f"Bearer {desk.hub.staff_token()}"
    for _ in range(2):
        answer = desk.hub.http("POST", 2, f"/api/rooms/{room}/invite", asked, authorization=bearer)
        assert answer.status == 200 and answer.json["sent"] is True and answer.json["code"] in answer.json["url"], answer
    until(lambda: _texts(desk, number), 60, "a text")
    desk.hub.idle()
    assert _texts(desk, number) == 1
    answer = desk.hub.http("POST", 2, f"/api/rooms/{room}/invite", asked | {"act": str(uuid4())}, authorization=bearer)
    assert answer.status == 200, answer
    until(lambda: _texts(desk, number) == 2, 60, "another act, another text")
    assert desk.topics.about("notifications.v1", about=room) == [], "no topic has it"
    assert digits not in desk.hub.log
    desk.hub.advance("10m")
    account = desk.hub.ask("reconcile", "--from", began, "--to", desk.now(), check=False)
    assert [each for each in account["differences"] if each["check"] == "sent_by_us"] == [], "the phones have nothing but ours"
