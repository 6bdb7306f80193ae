"""V10, N1: who is invited to a chat is told at once, by a text that arrives and says nothing."""

from __future__ import annotations

from tests.acceptance.care_desk import Desk
from tests.acceptance.care_events import A1
from tests.acceptance.hub_process import until


def _chat(desk: Desk, patient: str, **more: object) -> str:
    asked = {"kind": "chat", "unit": A1, "patient": patient} | more
    answer = desk.hub.http("POST", 2, "/api/rooms", asked, authorization=f"Bearer {desk.hub.staff_token()}")
    assert answer.status == 201, answer
    return str(answer.json["room_id"])


def test_a_chat_invitation_arrives_as_a_text_also_in_quiet_hours(desk: Desk) -> None:
    patient = desk.user()
    room = _chat(desk, patient)
    [asked] = until(lambda: desk.topics.about("notifications.v1", about=room), 30, "a notification")
    assert (asked["kind"], asked["channel"], asked["recipient"]) == ("invitation", "sms", patient)
    until(lambda: desk.hub.inbox("sms", patient), 60, "a text")
    silent = _chat(desk, patient, notify=False)
    desk.hub.idle()
    assert desk.topics.about("notifications.v1", about=silent) == [], "Behövs inte"
    assert sum(row["times"] for row in desk.hub.inbox("sms", patient)) == 1
