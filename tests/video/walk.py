"""Every page that people see, one after the other, each in the states that look different: for whoever judges pages as they are."""

from collections.abc import Awaitable, Callable
from datetime import date, timedelta
from typing import Any

from playwright.async_api import Browser, Page

from schemas import persons
from tests.connectors.sandbox_support import (
    CHILD,
    NOW,
    account,
    arrived,
    booking,
    decision,
    delivered,
    notified,
    person,
    printed,
    requested,
    room,
    tell,
)
from tests.video.bridge_support import PAT, PER, World

Look = Callable[[str, Page], Awaitable[None]]
"""Called with the state's name and the page that shows it."""
Open = Callable[[Browser], Awaitable[Page]]
"""A page of a fresh profile with made-up devices."""
NEW = persons.fictitious(date(1990, 4, 21), 985)
"""Somebody without an account."""
LONG = "Kallelse till röntgenundersökning och efterföljande läkarbesök"


async def until(page: Page, expression: str) -> None:
    """Playwright's own waiting evaluates text in the page, which the pages' policy forbids, rightly."""
    while not await page.evaluate(expression):
        await page.wait_for_timeout(100)


async def shows(page: Page, name: str) -> None:
    await until(page, f"document.body.dataset.section === '{name}'")


async def one_time_code(page: Page) -> str:
    """From the invitation's dialog, once it is filled."""
    await until(page, "document.querySelector('#invite-text').value.includes('/m/')")
    await page.click("#one-time-code")
    await until(page, "document.querySelector('#invite-says').textContent.includes('Engångskod')")
    return (await page.inner_text("#invite-says")).split(": ")[1][:6]


async def the_world(w: World) -> None:
    """The sandbox's world: people, letters, bookings, prints, what arrived."""
    world, now = w.sandbox.world, w.sandbox.sandbox.clock.now()
    for pid, name in ((PAT, "Pat Patientsson"), (PER, "Per Patientsson"), (CHILD, "Tuva Patientsson"), (NEW, "Ebba Ny")):
        tell(world, "person.changed.v1", person(pid, name))
    for pid in (PAT, PER):
        tell(world, "account.changed.v1", account(pid))
    tell(world, "agent.changed.v1", {"patient": CHILD, "agent": PAT, "relation": "guardian", "state": "active", "as_of": NOW})
    tell(world, "document.delivered.v1", delivered("doc-1", PAT))
    tell(world, "document.delivered.v1", delivered("doc-2", PAT, title=LONG, kind="kallelse", booking_id="b-1", body="<h1>Kallelse</h1>"
         "<p>Ta med legitimation.</p><table><tr><td>09:30</td><td>Plan 3</td></tr></table>"))  # fmt: skip
    tell(world, "document.delivered.v1", delivered("doc-3", CHILD, PAT, title="Vaccination"))
    tell(world, "decision.made.v1", decision("doc-1"))
    tell(world, "decision.made.v1", decision("doc-4", "R5", outcome="print", channels=["print"], reason="control_code_missing"))
    tell(world, "print.entered.v1", printed("doc-4"))
    relay = printed("doc-5", "protected_identity", manual_handling=True, urgent=True, **{"class": "relay"})
    del relay["title"]
    tell(world, "print.entered.v1", relay)
    tell(world, "delivery.requested.v1", requested("doc-1", PAT))
    arrived(world, "kivra", PAT, "doc-1")
    tell(world, "notification.requested.v1", notified("doc-1", PAT))
    for name, starts in (
        ("room-1", now + timedelta(minutes=10)),
        ("room-2", now + timedelta(minutes=90)),
        ("room-3", now - timedelta(days=2)),
    ):
        number = name[-1]
        tell(world, "booking.shown.v1", booking(f"b-{number}", PAT, start=starts))
        window = {"opens_at": starts - timedelta(minutes=30), "closes_at": starts + timedelta(minutes=60), "state": "active"}
        tell(world, "room.changed.v1", room(name, f"b-{number}") | window)


async def every_page(w: World, browser: Browser, fresh: Open, look: Look) -> None:
    await the_world(w)
    await _doors(w, await fresh(browser), look)
    await _meeting(w, browser, fresh, look)
    await _operators(w, await fresh(browser), look)
    await _app(w, await fresh(browser), look)


async def _link(w: World, room_id: str, patient: str = PAT) -> str:
    _, told = await w.api("POST", f"/api/rooms/{room_id}/join", "app", {"patient": patient})
    return str(told["url"])


async def _doors(w: World, page: Page, look: Look) -> None:
    """What somebody sees who is not let in yet, or not at all."""
    w.room("room-1", PAT)
    w.room("room-2", PAT, starts=90)
    await page.goto(f"{w.url}/meet/room-1")
    await page.wait_for_selector("#choices a")
    await look("gate", page)
    await page.goto("about:blank")
    await page.goto(f"{w.url}/meet/room-1#t=abc")
    await page.wait_for_selector("#gate .error")
    await look("gate-bad-link", page)
    await page.goto(f"{w.url}/m")
    await look("code", page)
    await page.goto(f"{w.url}/m/ABCDEFGHJK")
    await look("guest", page)
    await page.fill("#name", "Gun Gäst")
    await page.fill("#one-time", "123456")
    await page.click("#code-form button")
    await until(page, "document.querySelector('#fault').textContent !== ''")
    await look("guest-wrong-code", page)
    await page.goto(await _link(w, "room-2"))
    await page.wait_for_selector("#connect:not([disabled])")
    await page.click("#connect")
    await until(page, "document.querySelector('#wait-text')?.textContent.includes('Mötet öppnar ') === true")
    await look("opens-at", page)
    w.room("room-2", PAT, starts=90, state="void", reason="withdrawn", sequence=2)
    await shows(page, "over")
    await look("over-void", page)


async def _meeting(w: World, browser: Browser, fresh: Open, look: Look) -> None:
    w.room("room-1", PAT)
    w.room("room-4", PER, kind="group", starts=60)
    w.room("room-5", PER, starts=-80, state="closed", reason="ended")
    pat, lisa, gun = await fresh(browser), await fresh(browser), await fresh(browser)
    await _patient_waits(w, pat, look)
    code = await _staffs_day(w, lisa, look)
    await _meet(w, lisa, pat, look)
    await _guest(w, gun, lisa, pat, code, look)
    await _talk(lisa, pat, look)
    await _afterwards(w, lisa, look)


async def _patient_waits(w: World, pat: Page, look: Look) -> None:
    await pat.goto(await _link(w, "room-1"))
    await pat.wait_for_selector("#connect:not([disabled])")
    await look("check-patient", pat)
    await pat.click("#connect")
    await until(pat, "document.querySelector('#wait-text')?.textContent.includes('Mötet öppnas') === true")
    await look("waiting", pat)


async def _staffs_day(w: World, lisa: Page, look: Look) -> str:
    """The one-time code that is given there."""
    await lisa.goto(f"{w.url}/login?next=/")
    await look("login", lisa)
    await lisa.fill("#username", "lisa")
    await lisa.fill("#password", "fel")
    await lisa.click("button[type=submit]")
    await lisa.wait_for_selector("#error")
    await look("login-failed", lisa)
    await lisa.fill("#password", "sandbox")
    await lisa.click("button[type=submit]")
    await lisa.wait_for_selector("table")
    await look("day", lisa)
    await lisa.click("summary")
    await lisa.focus("#subject")
    await look("day-conference", lisa)
    await lisa.click("summary")
    await lisa.click("button.invite[data-room=room-1]")
    code = await one_time_code(lisa)
    await look("day-invite", lisa)
    for number, says, name in (("08-123 456 78", "Kontrollera", "fault"), ("070-123 45 67", "skickas", "sent")):
        await lisa.fill("#sms-number", number)
        await lisa.click("#sms button")
        await until(lisa, f"document.querySelector('#invite-says').textContent.includes({says!r})")
        await look(f"day-sms-{name}", lisa)
    await lisa.click("#invite-close")
    await lisa.click("button.who[data-room=room-1]")
    await lisa.wait_for_selector("#show-lines")
    await look("day-who", lisa)
    await lisa.click("#who-close")
    return code


async def _meet(w: World, lisa: Page, pat: Page, look: Look) -> None:
    await lisa.goto(f"{w.url}/meet/room-1")
    await lisa.wait_for_selector("#connect:not([disabled])")
    await look("check-staff", lisa)
    await lisa.fill("#title", "Läkare")
    await lisa.click("#connect")
    seen = "[...document.querySelectorAll('.tile:not(.off) video')].filter((v) => v.videoWidth > 0).length >= 2"
    for page in (lisa, pat):
        await shows(page, "meet")
        await until(page, seen)
    await look("meet", pat)


async def _guest(w: World, gun: Page, lisa: Page, pat: Page, code: str, look: Look) -> None:
    code_of_room = w.code(w.bridge.desk.meetings["room-1"].room)
    await gun.goto(f"{w.url}/m/{code_of_room}")
    await gun.fill("#name", "Gun Gäst")
    await gun.fill("#one-time", code)
    await gun.click("#code-form button")
    await gun.wait_for_selector("#connect:not([disabled])")
    await gun.click("#connect")
    await until(gun, "document.querySelector('#wait-title')?.textContent === 'Du är i lobbyn'")
    await look("lobby", gun)
    await pat.click("#hand")
    await lisa.wait_for_selector("#panel-people button:has-text('Släpp in')")
    await lisa.wait_for_selector(".tile.hand")
    await look("meet-people", lisa)
    await lisa.click("#bring")
    await until(lisa, "document.querySelector('#invite-text').value.includes('/m/')")
    await look("meet-invite", lisa)
    await lisa.click("#invite-close")
    await lisa.click("text=Neka")
    await shows(gun, "over")
    await look("over-denied", gun)


async def _talk(lisa: Page, pat: Page, look: Look) -> None:
    for page, text in ((lisa, "Hej! Hör du mig?"), (pat, "Ja, jag hör bra. Jag har laddat upp mina mätvärden i appen.")):
        if not await page.is_visible("#panel-chat"):
            await page.click("#show-chat")
        await page.fill("#chat-text", text)
        await page.keyboard.press("Enter")
        await until(lisa, f"document.querySelector('#lines').textContent.includes({text!r})")
    await until(pat, "document.querySelectorAll('#lines li').length === 2")
    await look("meet-chat", pat)
    await pat.click("#show-settings")
    await look("meet-settings", pat)
    await lisa.click("#show-people")
    await lisa.click("#people li:has-text('Pat') button")
    await look("meet-person", lisa)
    await lisa.click("text=Stäng av mikrofonen")
    await until(pat, "document.querySelector('#line-state').textContent.includes('stängt av')")
    await look("meet-muted", pat)
    await lisa.click("#people li:has-text('Pat') button")
    await lisa.click("text=Be om att sätta på")
    await pat.wait_for_selector("#asked:not([hidden])")
    await look("meet-asked", pat)
    await lisa.click("#end")
    await look("meet-end", lisa)
    await lisa.click("#details-body button")
    await shows(pat, "over")
    await look("over", pat)


async def _afterwards(w: World, lisa: Page, look: Look) -> None:
    w.room("room-1", PAT, state="closed", reason="ended", sequence=9)
    await lisa.goto(w.url)
    await lisa.click("button.who[data-room=room-1]")
    await lisa.click("#show-lines")
    await lisa.wait_for_selector("#who #lines")
    await look("day-chat", lisa)
    await lisa.goto(f"{w.url}/meet/nowhere")
    await look("refused", lisa)


async def _operators(w: World, page: Page, look: Look) -> None:
    for name, path in (("operators", "/"), ("why", "/why?document=doc-4"), ("inboxes", "/inboxes")):
        await page.goto(w.sandbox.url + path)
        await look(name, page)


async def _app(w: World, page: Page, look: Look) -> None:
    url = w.sandbox.url
    await page.goto(f"{url}/app")
    await look("app-login", page)
    await page.fill("#number", "12")
    await page.keyboard.press("Enter")
    await page.wait_for_selector("#number-error")
    await look("app-login-fault", page)
    await page.fill("#number", PAT)
    await page.keyboard.press("Enter")
    await page.wait_for_selector("nav[aria-label=Huvudmeny]")
    await look("app", page)
    await page.goto(f"{url}/app/documents")
    await look("app-documents", page)
    await page.click("text=Chatten från videobesöket")
    await page.wait_for_selector(".chat li.mine")
    await look("app-chat", page)
    await page.goto(f"{url}/app/documents/doc-2")
    await look("app-unopened", page)
    await page.click("button:has-text('Öppna dokumentet')")
    await page.wait_for_selector(".letter")
    await look("app-document", page)
    for name in ("bookings", "people", "account", "account/block", "documents/nothing"):
        await page.goto(f"{url}/app/{name}")
        await look(f"app-{name.replace('/', '-')}", page)
    blocked: dict[str, Any] = account(PAT, "blocked") | {"as_of": NOW}
    tell(w.sandbox.world, "account.changed.v1", blocked | {"by": {"id": "SE2321000016-1", "role": "staff"}})
    await page.goto(f"{url}/app")
    await look("app-blocked", page)
    await page.click("button:has-text('Logga ut')")
    await page.fill("#number", NEW)
    await page.keyboard.press("Enter")
    await page.wait_for_selector("nav[aria-label=Huvudmeny]")
    await look("app-without-account", page)
