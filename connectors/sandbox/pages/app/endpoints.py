"""The app's endpoints. Reading is asking (GET, nothing changes); opening, blocking, changing are forms (POST).

A form of another origin changes nothing: the cookie is `SameSite=Strict` and `answers.from_here_only` asks for our Origin.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime
from hashlib import sha256
from typing import Final

import structlog
from aiohttp import web
from aiokafka.errors import KafkaError
from pydantic import BaseModel

from connectors.sandbox.pages.app import account, bookings, chat, documents, login, meeting, people, start
from connectors.sandbox.pages.app.access import Subject, bookings_of, document_for, subjects
from connectors.sandbox.pages.app.frame import View, notice
from connectors.sandbox.pages.app.sessions import COOKIE, SIGNER, Session, begin, end, session_of
from connectors.sandbox.pages.attachments import attachment_of
from connectors.sandbox.state import SANDBOX, Sandbox
from schemas import persons
from schemas.events import AccountChanged, Actor, DocumentRead

MOVES: Final = {("none", "active"), ("active", "blocked")}
"""What a resident may do with the account alone (P5)."""
OPENED_SAID: Final = "Kontot är öppet. Välkommen!"
PHONE_SAID: Final = "Numret är sparat."
GONE: Final = ("Dokumentet visas inte", "Det finns inget sådant dokument här. Kontakta mottagningen om du har frågor.")
"""The same for a document that was withdrawn and for one that never was: nothing tells which (P10)."""
GONE_FILE: Final = ("Bilagan visas inte", "Det finns ingen sådan bilaga här. Kontakta mottagningen om du har frågor.")
NO_FILE: Final = ("Bilagan kan inte hämtas just nu", "Försök igen om en stund, eller kontakta mottagningen.")
NO_MEETING: Final = ("Mötet är inte öppet", "Titta under Tider när mötet öppnar.")
VIDEO_AWAY: Final = ("Videomötet kan inte nås just nu", "Försök igen om en stund. Vården kan ringa upp dig om det inte går.")
NO_CHAT: Final = ("Chatten visas inte", "Det finns ingen sådan chatt här. Kontakta mottagningen om du har frågor.")
CHAT_AWAY: Final = ("Chatten kan inte visas just nu", "Försök igen om en stund.")
AWAY: Final = ("Det gick inte just nu", "Inget har ändrats. Försök igen om en stund.")
LIVE: Final = "X-Live"
"""The header by which a page's script asks again; such a request takes no message that a person shall read."""

log = structlog.get_logger()
Handler = Callable[[web.Request, Session], Awaitable[web.StreamResponse]]


def of_somebody(handler: Handler) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Only for who is logged in; anybody else comes to the login."""

    async def checked(request: web.Request) -> web.StreamResponse:
        session = session_of(request)
        if session is None:
            return to("/app")
        try:
            return await handler(request, session)
        except KafkaError as fault:
            log.warning("app_cannot_publish", fault=type(fault).__name__)
            return html(notice(_view(request, session), *AWAY), 503)

    return checked


def with_account(handler: Handler) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Only with an active account (P5); anybody else comes to what can be done about that."""

    async def checked(request: web.Request, session: Session) -> web.StreamResponse:
        if request.app[SANDBOX].world.account(session.person) != "active":
            return to("/app")
        return await handler(request, session)

    return of_somebody(checked)


async def home(request: web.Request) -> web.StreamResponse:
    """The start page, or the choice of whom to be."""
    session = session_of(request)
    if session is None:
        return _login(request, None)
    sandbox, now = request.app[SANDBOX], _now(request)
    found = subjects(sandbox.world, session.person, now)
    key = sandbox.publishing.keys.key
    return page(request, session, lambda view: start.start_page(view, found, now, key))


async def log_in(request: web.Request) -> web.StreamResponse:
    """As somebody of the list (by opaque key) or by number."""
    form = await request.post()
    if "who" in form:
        person = _chosen(request.app[SANDBOX], str(form["who"]), _now(request))
        fault = login.UNKNOWN if person is None else None
    else:
        person, fault = _numbered(str(form.get("number", "")), _now(request))
    if person is None or fault is not None:
        return _login(request, fault)
    answer = to("/app")
    begin(request, answer, person)
    return answer


async def log_out(request: web.Request) -> web.StreamResponse:
    answer = to("/app")
    end(request, answer)
    return answer


async def show_documents(request: web.Request, session: Session) -> web.StreamResponse:
    """Which visits have a chat is asked when a person opens the page, not each time its script does."""
    now = _now(request)
    if LIVE not in request.headers:
        sandbox, subject = request.app[SANDBOX], _view(request, session, keep=True).subject
        session.chats = await meeting.with_chat(sandbox, request.app[SIGNER], bookings_of(sandbox.world, subject), now)
    return page(request, session, lambda view: documents.documents_page(view, now, chat.chat_list(view, session.chats, now)))


async def show_document(request: web.Request, session: Session) -> web.StreamResponse:
    """An opened document; of one that is not opened yet only what it is."""
    world, now = request.app[SANDBOX].world, _now(request)
    found = document_for(world, session.person, request.match_info["document"], now)
    if found is None:
        return html(notice(_view(request, session), *GONE), 404)
    document, subject = found
    session.subject = subject.person
    shown = documents.document_page if session.person in document.read_by else documents.unopened_page
    return page(request, session, lambda view: shown(view, document, now))


async def open_document(request: web.Request, session: Session) -> web.StreamResponse:
    """Opens a document: a receipt, as the app sends it, once for each reader."""
    sandbox, now, name = request.app[SANDBOX], _now(request), request.match_info["document"]
    found = document_for(sandbox.world, session.person, name, now)
    if found is None:
        return html(notice(_view(request, session), *GONE), 404)
    if session.person not in found[0].read_by:
        patient = found[1].person
        receipt = DocumentRead(document_id=name, patient=patient, read_by=session.person, read_at=now)
        await publish(sandbox, patient, receipt)
    return to(documents.address_of(name))


async def show_bookings(request: web.Request, session: Session) -> web.StreamResponse:
    return page(request, session, lambda view: bookings.bookings_page(view, _now(request)))


async def join_meeting(request: web.Request, session: Session) -> web.StreamResponse:
    """Into a video meeting that is open to the resident, or a child of the resident's (V2, V3)."""
    sandbox, room_id = request.app[SANDBOX], request.match_info["room"]
    patient = meeting.patient_in(sandbox.world, session.person, room_id, _now(request))
    if patient is None:
        return html(notice(_view(request, session), *NO_MEETING), 404)
    address = await meeting.address_of(sandbox, request.app[SIGNER], patient, room_id)
    return to(address) if address is not None else html(notice(_view(request, session), *VIDEO_AWAY), 502)


async def show_chat(request: web.Request, session: Session) -> web.StreamResponse:
    """What was written in a meeting of the resident's, or of a child of the resident's (V14)."""
    sandbox, room_id, now = request.app[SANDBOX], request.match_info["room"], _now(request)
    booking = meeting.booking_in(sandbox.world, session.person, room_id, now)
    if booking is None:
        return html(notice(_view(request, session), *NO_CHAT), 404)
    session.subject = booking["patient"]
    lines = await meeting.chat_of(sandbox, request.app[SIGNER], booking["patient"], room_id)
    view = _view(request, session)
    return html(notice(view, *CHAT_AWAY), 502) if lines is None else html(chat.chat_page(view, booking, lines, now))


async def show_people(request: web.Request, session: Session) -> web.StreamResponse:
    sandbox, now = request.app[SANDBOX], _now(request)
    found = subjects(sandbox.world, session.person, now)
    return page(request, session, lambda view: people.people_page(view, found, now, sandbox.publishing.keys.key))


async def change_person(request: web.Request, session: Session) -> web.StreamResponse:
    """Whose things are shown from now on."""
    sandbox, wanted = request.app[SANDBOX], str((await request.post()).get("who", ""))
    key = sandbox.publishing.keys.key
    for each in subjects(sandbox.world, session.person, _now(request)):
        if wanted == (people.OWN if each.relation == "self" else key(each.person)):
            session.subject = each.person
            return to(documents.PLACE)
    return to(people.PLACE)


async def show_account(request: web.Request, session: Session) -> web.StreamResponse:
    return page(request, session, lambda view: account.account_page(view, _now(request)))


async def ask_to_block(request: web.Request, session: Session) -> web.StreamResponse:
    if request.app[SANDBOX].world.account(session.person) != "active":
        return to(account.PLACE)
    return page(request, session, account.block_page)


async def change_account(request: web.Request, session: Session) -> web.StreamResponse:
    """Opens or blocks the resident's account."""
    sandbox, wanted = request.app[SANDBOX], str((await request.post()).get("account", ""))
    if (sandbox.world.account(session.person), wanted) not in MOVES:
        return to(account.PLACE)
    await _change_account(sandbox, session, wanted, None)
    session.said = OPENED_SAID if wanted == "active" else None
    return to("/app" if wanted == "active" else account.PLACE)


async def change_phone(request: web.Request, session: Session) -> web.StreamResponse:
    """The number that notifications go to."""
    sandbox, typed = request.app[SANDBOX], str((await request.post()).get("phone", "")).strip()
    if sandbox.world.account(session.person) != "active":
        return to(account.PLACE)
    phone = account.phone_of(typed)
    if phone is None:
        return html(account.account_page(_view(request, session), _now(request), typed), 400)
    await _change_account(sandbox, session, "active", phone)
    session.said = PHONE_SAID
    return to(account.PLACE)


async def attachment(request: web.Request, session: Session) -> web.StreamResponse:
    """A file of a document that the reader may see, to be saved or, under `/open`, to be looked at."""
    shown = request.match_info.get("shown") == "open"
    sandbox, digest = request.app[SANDBOX], request.match_info["sha256"]
    try:
        answer = await attachment_of(sandbox, request.app[SIGNER], session.person, digest, _now(request), shown=shown)
    except web.HTTPNotFound:
        return html(notice(_view(request, session), *GONE_FILE), 404)
    if answer is None:
        return html(notice(_view(request, session), *NO_FILE), 502)
    return answer


async def nowhere(request: web.Request, session: Session) -> web.StreamResponse:
    return html(notice(_view(request, session), "Sidan finns inte", "Adressen leder ingenstans."), 404)


def routes() -> list[web.RouteDef]:
    """The table of these endpoints."""
    return [
        web.get("/app", home),
        web.post("/app/login", log_in),
        web.post("/app/logout", log_out),
        web.get("/app/documents", with_account(show_documents)),
        web.get("/app/documents/{document}", with_account(show_document)),
        web.post("/app/documents/{document}/open", with_account(open_document)),
        web.get("/app/bookings", with_account(show_bookings)),
        web.get("/app/meet/{room}", with_account(join_meeting)),
        web.get("/app/meet/{room}/chat", with_account(show_chat)),
        web.get("/app/people", with_account(show_people)),
        web.post("/app/people", with_account(change_person)),
        web.get("/app/account", of_somebody(show_account)),
        web.post("/app/account", of_somebody(change_account)),
        web.get("/app/account/block", of_somebody(ask_to_block)),
        web.post("/app/account/phone", of_somebody(change_phone)),
        web.get("/app/attachments/{sha256:[0-9a-f]{64}}", with_account(attachment)),
        web.get("/app/attachments/{sha256:[0-9a-f]{64}}/{shown:open}", with_account(attachment)),
        web.get("/app/{rest:.*}", of_somebody(nowhere)),
    ]


async def publish(sandbox: Sandbox, patient: str, model: BaseModel) -> None:
    """As the app: published, and known here at once."""
    for each in await sandbox.publishing.send([(patient, model)], sandbox.clock.now()):
        sandbox.world.apply(each.envelope, each.data, sandbox.clock.now())


async def _change_account(sandbox: Sandbox, session: Session, wanted: str, phone: str | None) -> None:
    by = Actor(id=sandbox.publishing.keys.key(session.person), role="resident")
    since = sandbox.after(sandbox.world.accounts.get(session.person))
    told = {"patient": session.person, "account": wanted, "by": by, "as_of": since}
    changed = AccountChanged.model_validate(told | ({"phone": phone} if phone is not None else {}))
    await publish(sandbox, session.person, changed)


def _now(request: web.Request) -> datetime:
    return request.app[SANDBOX].clock.now()


def _view(request: web.Request, session: Session, *, keep: bool = False) -> View:
    """What the page is about. Somebody that the reader may see no more is not shown: then it is the reader's own.

    With `keep`, what is to be told once stays for the page itself.
    """
    world, now = request.app[SANDBOX].world, _now(request)
    found = subjects(world, session.person, now)
    own = Subject(session.person, "self")
    subject = next((each for each in found if each.person == session.subject), own)
    session.subject = subject.person
    said = None if keep or LIVE in request.headers else session.take_said()
    view = View(world, session.person, subject, max(0, len(found) - 1), 0, said)
    return view._replace(unread=people.unread_of(view, subject)) if found else view


def page(request: web.Request, session: Session, made: Callable[[View], str]) -> web.Response:
    """A page that tells which state it shows, to the minute of the hub's clock; 304 to who has it."""
    view = _view(request, session)
    revision, minute = request.app[SANDBOX].world.revision, f"{_now(request):%d%H%M}"
    whose = sha256(f"{request.cookies.get(COOKIE)} {session.subject} {session.chats}".encode()).hexdigest()[:12]
    etag = f'"{revision}.{minute}.{whose}"'
    if request.headers.get("If-None-Match") == etag:
        return web.Response(status=304, headers={"ETag": etag})
    answer = html(made(view))
    answer.headers["ETag"] = etag
    return answer


def html(text: str, status: int = 200) -> web.Response:
    return web.Response(text=text, status=status, content_type="text/html", charset="utf-8")


def to(place: str) -> web.Response:
    return web.Response(status=303, headers={"Location": place})


def _login(request: web.Request, fault: str | None) -> web.Response:
    sandbox = request.app[SANDBOX]
    found = login.residents(sandbox.world, _now(request))
    keys = {each.person: sandbox.publishing.keys.key(each.person) for each in found}
    return html(login.login_page(found, keys, fault), 200 if fault is None else 400)


def _chosen(sandbox: Sandbox, wanted: str, now: datetime) -> str | None:
    key = sandbox.publishing.keys.key
    return next((each.person for each in login.residents(sandbox.world, now) if key(each.person) == wanted), None)


def _numbered(typed: str, now: datetime) -> tuple[str | None, str | None]:
    try:
        person = persons.normalise(typed)
    except ValueError:
        return None, login.WRONG_NUMBER
    return person, login.may_log_in(person, now)
