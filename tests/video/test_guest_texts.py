"""Guests are invited by SMS: an explicit act, once, to a number that stands nowhere else (V9, N2, N3)."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from playwright.async_api import async_playwright

from tests.connectors.sandbox_support import CHROMIUM_ARGUMENTS, chromium
from tests.video.bridge_support import PAT, UNIT, TextedGuests, World, world
from tests.video.test_http import browser
from tests.video.test_pages_browser import PHONE as PHONE_SIZE
from tests.video.test_pages_browser import fits, log_in, until, visitor

PHONE = "+46701234567"


@pytest.fixture
async def w() -> AsyncIterator[World]:
    async with world(guests=TextedGuests()) as made:
        yield made


def sent(w: World) -> list[tuple[str, str, str]]:
    assert w.guests is not None
    return [(each.phone, each.url, each.code) for each in w.guests.texts.values()]


async def test_a_text_goes_to_the_number_as_staff_typed_it_with_link_and_code_and_the_answer_is_as_before(w: World) -> None:
    room = w.room("room-1", PAT)
    status, plain = await w.api("POST", "/api/rooms/room-1/invite", "lisa", {})
    assert status == 200 and "sent" not in plain and sent(w) == []
    status, told = await w.api("POST", "/api/rooms/room-1/invite", "lisa", {"phone": "070-123 45 67"})
    assert (status, told) == (200, {**plain, "sent": True})
    assert sent(w) == [(PHONE, f"{w.url}/m/{w.code(room)}", w.code(room))]


@pytest.mark.parametrize("kind", ["single", "group", "chat", "conference"])
async def test_every_kind_of_room_has_guests_also_one_whose_patient_nobody_may_know_of(w: World, kind: str) -> None:
    """No facts of people are asked for: the ledger here knows nobody of the room."""
    w.room("room-1", kind=kind)
    assert (await w.api("POST", "/api/rooms/room-1/invite", "lisa", {"phone": PHONE}))[0] == 200
    assert len(sent(w)) == 1


async def test_a_chat_and_a_conference_that_were_made_here_send_texts(w: World) -> None:
    start = (datetime.now(UTC) + timedelta(hours=3)).isoformat()
    conference = {"kind": "conference", "unit": UNIT, "subject": "Planering", "start": start, "minutes": 30}
    for body in ({"kind": "chat", "unit": UNIT, "patient": PAT, "notify": False}, conference):
        _, made = await w.api("POST", "/api/rooms", "lisa", body)
        assert (await w.api("POST", f"/api/rooms/{made['room_id']}/invite", "lisa", {"phone": PHONE}))[1]["sent"] is True
    assert len(sent(w)) == 2


async def test_the_same_act_is_one_text_however_often_it_is_posted(w: World) -> None:
    w.room("room-1", PAT)
    w.room("room-2", PAT)
    act = str(uuid4())
    for number in ("070-123 45 67", "+46701234567"):
        assert (await w.api("POST", "/api/rooms/room-1/invite", "lisa", {"phone": number, "act": act}))[1]["sent"] is True
    assert len(sent(w)) == 1
    await w.api("POST", "/api/rooms/room-1/invite", "lisa", {"phone": "070-123 45 68", "act": act})
    await w.api("POST", "/api/rooms/room-2/invite", "lisa", {"phone": PHONE, "act": act})
    await w.api("POST", "/api/rooms/room-1/invite", "lisa", {"phone": PHONE, "act": str(uuid4())})
    assert len(sent(w)) == 4, "another number, room or click is another act"


async def test_what_is_no_number_is_a_problem_that_names_the_field_and_not_the_number(w: World) -> None:
    w.room("room-1", PAT)
    for wrong in ("08-123 456 78", "19800517-9810", "x" * 41, ""):
        status, problem = await w.api("POST", "/api/rooms/room-1/invite", "lisa", {"phone": wrong})
        assert status == 400 and "phone" in str(problem) and (not wrong or wrong not in str(problem))
    status, problem = await w.api("POST", "/api/rooms/room-1/invite", "lisa", {"phone": PHONE, "act": "again"})
    assert status == 400 and "act" in str(problem) and PHONE not in str(problem)
    assert sent(w) == []


async def test_a_room_has_as_many_texts_as_it_may_and_no_more(w: World) -> None:
    assert w.guests is not None
    w.guests.taken = 1
    w.room("room-1", PAT)
    body = {"phone": PHONE, "act": str(uuid4())}
    assert [(await w.api("POST", "/api/rooms/room-1/invite", "lisa", body))[0] for _ in range(2)] == [200, 200]
    assert (await w.api("POST", "/api/rooms/room-1/invite", "lisa", {"phone": PHONE}))[0] == 429


async def test_a_ledger_that_is_away_is_a_503_and_no_word_of_a_text(w: World) -> None:
    assert w.guests is not None
    w.guests.away = True
    w.room("room-1", PAT)
    status, problem = await w.api("POST", "/api/rooms/room-1/invite", "lisa", {"phone": PHONE})
    assert status == 503 and "sent" not in problem
    assert (await w.api("POST", "/api/rooms/room-1/invite", "lisa", {}))[0] == 200, "the text to copy needs none"


async def test_a_room_that_takes_nobody_and_a_caller_who_may_not_send_nothing(w: World) -> None:
    w.room("over", PAT, starts=-120)
    w.room("void", PAT, state="void")
    w.room("room-1", PAT)
    for room, who, status in (("over", "lisa", 409), ("void", "lisa", 409), ("room-1", "app", 403), ("room-1", "", 401)):
        assert (await w.api("POST", f"/api/rooms/{room}/invite", who, {"phone": PHONE}))[0] == status
    assert sent(w) == []


async def test_no_record_names_the_number_and_the_access_log_has_the_act(w: World) -> None:
    w.room("room-1", PAT)
    await w.api("POST", "/api/rooms/room-1/invite", "lisa", {"phone": PHONE})
    assert sum(b"video.guest_invited" in each.value for each in w.records if each.topic == "audit.v1") == 1
    assert "701234567" not in str(w.records) and "701234567" not in repr(list(w.guests.texts.values()) if w.guests else None)


async def test_without_a_provider_the_page_has_no_field_and_the_door_says_why() -> None:
    async with world() as w:
        w.room("room-1", PAT)
        status, problem = await w.api("POST", "/api/rooms/room-1/invite", "lisa", {"phone": PHONE})
        assert status == 409 and "SMS provider" in problem["detail"]
        lisa = await browser(w, "lisa")
        async with lisa, lisa.get(f"{w.url}/?unit={UNIT}") as page:
            assert "sms-number" not in await page.text()


async def test_with_one_the_page_has_a_labelled_field_and_its_post_sends(w: World) -> None:
    w.room("room-1", PAT)
    lisa = await browser(w, "lisa")
    async with lisa:
        async with lisa.get(f"{w.url}/?unit={UNIT}") as page:
            text = await page.text()
        assert '<label for="sms-number">Mobilnummer</label>' in text and "Skicka SMS" in text
        asked = {"phone": "070-123 45 67", "act": str(uuid4())}
        async with lisa.post(f"{w.url}/api/rooms/room-1/invite", json=asked, headers={"Origin": w.url}) as answer:
            assert (answer.status, (await answer.json())["sent"]) == (200, True)
        async with lisa.post(f"{w.url}/api/rooms/room-1/invite", json=asked, headers={"Origin": "https://elsewhere.test"}) as answer:
            assert answer.status == 403
    assert len(sent(w)) == 1


@pytest.mark.slow
async def test_staff_send_a_text_from_the_invitation_and_are_told_what_became_of_it() -> None:
    faults: list[str] = []
    async with world(guests=TextedGuests()) as w, async_playwright() as playwright:
        w.room("room-1", PAT)
        browser = await playwright.chromium.launch(executable_path=chromium(), headless=True, args=CHROMIUM_ARGUMENTS)
        lisa = await visitor(browser, PHONE_SIZE, faults)
        await log_in(lisa, w)
        await lisa.click("button.invite")
        await until(lisa, "document.querySelector('#invite-text').value.includes('/m/')")
        await lisa.get_by_label("Mobilnummer").fill("08-123 456")
        await lisa.keyboard.press("Enter")
        await until(lisa, "document.querySelector('#invite-says').textContent.includes('Kontrollera mobilnumret')")
        assert await lisa.evaluate("document.activeElement.id + document.activeElement.getAttribute('aria-invalid')") == "sms-numbertrue"
        await lisa.get_by_label("Mobilnummer").fill("070-123 45 67")
        await lisa.click("text=Skicka SMS")
        await until(lisa, "document.querySelector('#invite-says').textContent.includes('SMS med länk och möteskod skickas')")
        assert await lisa.input_value("#sms-number") == "" and await lisa.get_attribute("#invite-says", "role") == "status"
        await fits(lisa)
        await lisa.click("text=Skicka SMS")  # an empty field is not posted
        assert [each.phone for each in (w.guests.texts.values() if w.guests else ())] == [PHONE]
        await browser.close()
    assert faults == []
