"""SOAP at /takecare, written after its published WSDL and XSD alone."""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

from tests.acceptance import care_events as care
from tests.acceptance.care_desk import Desk
from tests.acceptance.hub_process import Answer

NAMESPACE = "urn:care-hub:takecare-events:1"


def local(desk: Desk, **ahead: float) -> str:
    return f"{(care.parse(desk.now()) + timedelta(**ahead)).astimezone(ZoneInfo('Europe/Stockholm')):%Y%m%d%H%M}"


def publish(desk: Desk, operation: str, inner: str, token: bool = True) -> Answer:
    envelope = (
        '<?xml version="1.0" encoding="UTF-8"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>'
        f'<{operation} xmlns="{NAMESPACE}"><ProfdocHISMessage MsgType="Event" InvokingSystem="TakeCare">{inner}</ProfdocHISMessage>'
        f"</{operation}></s:Body></s:Envelope>"
    )
    headers = {"content_type": "text/xml; charset=utf-8", "soapaction": f'"{NAMESPACE}:{operation}"'}
    if token:
        headers["authorization"] = f"Bearer {desk.hub.token('ehr-takecare')}"
    return desk.hub.http("POST", 0, "/takecare", envelope.encode(), **headers)


def unit(tag: str, inner: str) -> str:
    return f'<{tag} CareUnitIdType="hsaid" CareUnitId="{care.A1}" CareUnitName="Ortopedmottagningen">{inner}</{tag}>'


def content(desk: Desk, patient: str, footer: str) -> str:
    return (
        f"<DocumentTitle>Provsvar</DocumentTitle><CreatedTime>{local(desk)}</CreatedTime><Dispatch>E-BREV</Dispatch><TemplateId>T1</TemplateId>"
        f"<TemplateName>Brev</TemplateName><PatientId>{patient}</PatientId><BodyFormat>TEXT</BodyFormat><Body>Hej</Body><Footer>{footer}</Footer>"
    )


def test_the_wsdl_and_its_schema_are_published(desk: Desk) -> None:
    answer = desk.hub.http("GET", 0, "/takecare?wsdl")
    assert answer.status == 200 and b"PublishLetters" in answer.body


def test_letter_referral_confirmation_and_booking_come_by_soap(desk: Desk) -> None:
    """Each is decided as if it had come as JSON."""
    patient = desk.user()
    letter, confirmation, booking = care.name("soap"), care.name("soap"), care.name("soap")
    written = f"<Letter><LetterId>{letter}</LetterId><LetterType>BREV</LetterType>{content(desk, patient, care.LETTER_CODE)}</Letter>"
    confirmed = (
        f"<ReferralConfirmation><ConfirmationId>{confirmation}</ConfirmationId>{content(desk, patient, 'utan kod')}</ReferralConfirmation>"
    )
    booked = (
        f"<Booking><BookingId>{booking}</BookingId><Version>1</Version><BookingStatus>BOOKED</BookingStatus>"
        f"<StartTime>{local(desk, days=9)}</StartTime>"
        f"<EndTime>{local(desk, days=9, minutes=45)}</EndTime><TimeTypeId>T</TimeTypeId><TimeTypeName>Besök</TimeTypeName>"
        "<TimeTypeHidden>0</TimeTypeHidden>"
        "<TimeTypeVideo>NONE</TimeTypeVideo><Resources><Resource><ResourceId>R</ResourceId><ResourceName>Dr</ResourceName></Resource></Resources>"
        f"<PatientId>{patient}</PatientId><JournalBlocked>0</JournalBlocked></Booking>"
    )
    for operation, inner in (
        ("PublishLetters", unit("Letters", written)),
        ("PublishReferralConfirmations", unit("ReferralConfirmations", confirmed)),
        ("PublishBookings", unit("Bookings", booked)),
    ):
        answer = publish(desk, operation, inner)
        assert answer.status == 200, answer.body
    assert desk.delivered(letter)["kind"] == "brev"
    assert desk.printed(confirmation)["reason"] == "control_code_missing"
    shown = desk.topics.wait("app.bookings.v1", booking_id=booking)
    assert (shown["minutes"], shown["patient"]) == (45, patient)


def test_a_wrong_message_is_a_fault_and_nothing_is_taken(desk: Desk) -> None:
    """One bad letter refuses the message; its fault names the field. No token: 401. Entities: refused."""
    patient = desk.user()
    good, bad = care.name("soap"), care.name("soap")
    letters = "".join(
        f"<Letter><LetterId>{id_}</LetterId><LetterType>{kind}</LetterType>{content(desk, patient, care.LETTER_CODE)}</Letter>"
        for id_, kind in ((good, "BREV"), (bad, "REKLAM"))
    )
    answer = publish(desk, "PublishLetters", unit("Letters", letters))
    assert answer.status in (400, 500) and b"Fault" in answer.body and b"LetterType" in answer.body
    assert publish(desk, "PublishLetters", unit("Letters", letters), token=False).status == 401
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaa">]><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>&a;</s:Body></s:Envelope>'
    refused = desk.hub.http("POST", 0, "/takecare", bomb, content_type="text/xml", authorization=f"Bearer {desk.hub.token('ehr-takecare')}")
    assert 400 <= refused.status <= 500
    desk.topics.settle()
    assert desk.decisions(good) == []
