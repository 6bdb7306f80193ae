"""Each page's content. Pure: what it shows comes in."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from html import escape
from typing import Any, Final

from video.pages.icons import icon, sprite
from video.pages.markup import clock, day, page, when
from video.today import Listed

KINDS: Final = {"single": "Videomöte", "group": "Videomöte, grupp", "chat": "Videomöte i chatt", "conference": "Videokonferens"}
MARGIN: Final = timedelta(minutes=30)
WAITS: Final = " disabled data-waits"
"""Of a button that means nothing before the page's script has come: a click would be lost. `words.js` `awake` enables it."""


def gate(room_id: str) -> str:
    """/meet/{room} for somebody unknown: a patient's link carries its ticket in the fragment; staff log in."""
    return page(
        "Videomöte",
        '<h1>Videomöte</h1><div id="gate" role="status"><p>Ett ögonblick …</p></div>'
        '<div id="choices" hidden><section class="card"><h2>Är du patient?</h2>'
        "<p>Öppna mötet från din bokning i Alltid öppet.</p></section>"
        '<section class="card"><h2>Är du inbjuden?</h2><p>Använd länken i din inbjudan, eller skriv in möteskoden.</p>'
        '<p><a class="button quiet" href="/m">Skriv in möteskod</a></p></section>'
        '<section class="card"><h2>Arbetar du i vården?</h2>'
        f'<p><a class="button quiet" href="/login?next=/meet/{escape(room_id)}">Logga in som vårdpersonal</a></p></section></div>',
        script="gate.js",
        data={"room": room_id},
    )


def refused(title: str, text: str, *, staff: str = "") -> str:
    back = '<p><a href="/">Till dagens möten</a></p>' if staff else ""
    return page(title, f'<h1>{escape(title)}</h1><div class="card"><p>{escape(text)}</p>{back}</div>', staff=staff)


def meeting(room_id: str, role: str, *, name: str, blur: bool, staff: str = "", has_texts: bool = False) -> str:
    """The meeting itself: device check, waiting, lobby and meeting are one page, so that nothing is loaded between them."""
    title_field = (
        '<p><label for="title">Din titel eller roll (frivilligt)</label>'
        '<input id="title" maxlength="80" autocomplete="organization-title" aria-describedby="title-note">'
        '<span id="title-note" class="note">Deltagarna ser den.</span></p>'
        if role == "staff"
        else ""
    )
    return page("Videomöte", f"""
<section id="check" aria-labelledby="check-title">
  <h1 id="check-title">Innan du ansluter</h1>
  <p>Kontrollera att du syns och hörs.</p>
  <div class="preview"><video id="preview" autoplay muted playsinline aria-label="Din bild"></video>
    <p id="preview-off" hidden>Kameran är avstängd</p></div>
  <p class="meter"><label for="level">Ljudnivå</label><meter id="level" min="0" max="100" low="5" value="0"></meter></p>
  <div class="row"><button type="button" class="quiet" id="check-mic" aria-pressed="true">{icon("mic")}<b>Mikrofon på</b></button>
  <button type="button" class="quiet" id="check-cam" aria-pressed="true">{icon("camera")}<b>Kamera på</b></button></div>
  <details id="devices"><summary>Byt kamera, mikrofon eller bakgrund</summary><div class="choices">
  <p><label for="mic">Mikrofon</label><select id="mic"></select></p>
  <p><label for="cam">Kamera</label><select id="cam"></select></p>
  <p id="speaker-row"><label for="speaker">Högtalare</label><select id="speaker"></select></p>
  <p><label for="background">Bakgrund</label><select id="background"><option value="none">Ingen effekt</option>
  <option value="blur"{'' if blur else ' disabled'}>Oskarp{'' if blur else ' (är inte tillgänglig här)'}</option></select></p>
  </div></details>
  {title_field}
  <p id="check-fault" class="error" role="alert"></p>
  <button type="button" id="connect" class="big" disabled>Anslut</button>
</section>
<section id="wait" hidden aria-labelledby="wait-title">
  <h1 id="wait-title" tabindex="-1">Väntrum</h1>
  <p id="wait-text" role="status"></p>
  <p class="note">Håll den här sidan öppen. Du behöver inte göra något mer.</p>
  <div class="pulse" aria-hidden="true"><span></span><span></span><span></span></div>
  <p><button type="button" class="quiet" id="wait-leave">Lämna</button></p>
</section>
<section id="over" hidden aria-labelledby="over-title">
  <h1 id="over-title" tabindex="-1"></h1><p id="over-text"></p>
  <p><button type="button" id="again" hidden>Anslut igen</button></p><p id="over-close" class="note" hidden>Du kan stänga den här sidan.</p>
  {'<p><a href="/">Till dagens möten</a></p>' if role == 'staff' else ''}
</section>
<section id="meet" hidden aria-labelledby="meet-title">
  <h1 id="meet-title" class="hidden" tabindex="-1">Videomöte pågår</h1>
  <p id="line-state" role="status" class="banner" hidden></p>
  <p id="says" role="status" class="hidden"></p>
  <div id="asked" role="alertdialog" aria-labelledby="asked-text" hidden>
    <p id="asked-text">Vårdpersonalen ber dig att sätta på mikrofonen.</p>
    <div class="row"><button type="button" id="asked-yes">Sätt på mikrofonen</button>
    <button type="button" class="quiet" id="asked-no">Inte nu</button></div></div>
  <div class="stage"><div id="tiles" data-layout="gallery" aria-label="Deltagarnas bilder" role="list"></div>
  <aside id="side" hidden aria-label="Sidopanel"><button type="button" class="quiet" id="side-close">Stäng</button>
    <div id="panel-people" hidden><h2 tabindex="-1">Deltagare</h2><div id="lobby"></div><ul id="people"></ul><div id="gone"></div>
    {'<p><button type="button" class="quiet" id="bring">Bjud in</button></p>' if role == "staff" else ""}</div>
    <div id="panel-chat" hidden><h2 tabindex="-1">Chatt</h2>
      <ol id="lines" aria-live="polite" aria-relevant="additions"></ol>
      <form id="chat-form" method="post"><label for="chat-text">Skriv ett meddelande</label>
      <textarea id="chat-text" rows="2" maxlength="2000" required></textarea>
      <p id="chat-fault" class="error" role="alert"></p><button type="submit">Skicka</button></form></div>
    <div id="panel-settings" hidden><h2 tabindex="-1">Inställningar</h2><div id="settings-place"></div></div>
  </aside></div>
  <div id="bar" role="toolbar" aria-label="Mötets funktioner">{_bar(role)}</div>
  <div id="sounds" hidden></div>
</section>
<dialog id="details" aria-labelledby="details-title"><h2 id="details-title"></h2><div id="details-body"></div>
<button type="button" id="details-close" class="quiet">Stäng</button></dialog>{_invite(has_texts) if role == "staff" else ""}{sprite()}
""", script="meeting.js", data={"room": room_id, "role": role, "name": name}, staff=staff, wide=True)  # fmt: skip


_LAYOUTS: Final = (("gallery", "Gallerivy"), ("dual", "Dubbelvy"), ("focus", "Fokusvy"))
_TOOLS: Final = (
    ("mute", "mic", "Mikrofon på", 'aria-pressed="false"'),
    ("camera", "camera", "Kamera på", 'aria-pressed="false"'),
    ("screen", "screen", "Dela skärm", 'aria-pressed="false"'),
    ("hand", "hand", "Räck upp handen", 'aria-pressed="false"'),
    ("layout", "layout", "Visnings&shy;läge", ""),
    ("show-people", "people", "Deltagare", 'aria-expanded="false" aria-controls="side"'),
    ("show-chat", "chat", "Chatt", 'aria-expanded="false" aria-controls="side"'),
    ("show-settings", "settings", "Inställ&shy;ningar", 'aria-expanded="false" aria-controls="side"'),
    ("end", "end", "Avsluta för alla", ""),
    ("leave", "leave", "Lämna", 'class="bad"'),
)
"""The bar, in its order: id, icon, word, attributes."""
_COUNTS: Final = {"show-people": "count", "show-chat": "unread"}


def _bar(role: str) -> str:
    made = []
    for name, drawn, word, attributes in _TOOLS:
        if name == "layout":
            options = "".join(f'<option value="{value}">{text}</option>' for value, text in _LAYOUTS)
            select = f'<select id="layout" aria-label="Visningsläge">{options}</select>'
            made.append(f'<span class="pick">{icon(drawn)}<b aria-hidden="true">{word}</b>{select}</span>')
        elif name != "end" or role == "staff":
            count = f'<i id="{_COUNTS[name]}"></i>' if name in _COUNTS else ""
            made.append(f'<button type="button" id="{name}" {attributes}>{icon(drawn)}<b>{word}</b>{count}</button>')
    return "".join(made)


def guest_door(code: str, *, e_id: bool) -> str:
    """Mötesportalen (V9). Nothing of the meeting: not its time, not whose it is, and not whether the code is right."""
    e_id_way = (
        '<section class="card"><h2>Med e-legitimation</h2>'
        f'<p><a class="button" href="/login?next=/m/{escape(code)}&amp;as=guest">'
        '<span>Logga in med <span class="whole">e-legitimation</span></span></a></p></section>'
        if e_id
        else ""
    )
    form = f"""{e_id_way}
<section class="card"><h2>Med engångskod</h2>
<p id="code-note">Koden har sex siffror och gäller i 10 minuter. Du får den av vårdpersonalen som bjöd in dig.</p>
<form id="code-form" method="post"><p><label for="name">Ditt namn</label><input id="name" name="name" required
 maxlength="80" autocomplete="name"></p>
<p><label for="one-time">Engångskod</label><input id="one-time" class="code" name="one-time"
 aria-describedby="code-note fault" required inputmode="numeric" pattern="[0-9]{{6}}"
 maxlength="6" autocomplete="one-time-code"></p><p id="fault" class="error" role="alert"></p>
<button type="submit"{WAITS}>Logga in med kod</button></form></section>"""
    return page(
        "Mötesportalen", "<h1>Mötesportalen</h1><p>Du är inbjuden till ett videomöte. Välj hur du vill logga in.</p>" + form,
        script="guest.js", data={"code": code},
    )  # fmt: skip


def code_door() -> str:
    """/m: somebody has the meeting code and no link."""
    return page("Mötesportalen", f"""<h1>Mötesportalen</h1><form id="meeting-form" class="card" method="post">
<p id="code-note">Skriv in möteskoden. Den står i din inbjudan.</p>
<p><label for="code">Möteskod</label><input id="code" class="code" name="code" aria-describedby="code-note" required maxlength="20"
 autocapitalize="characters" autocomplete="off" spellcheck="false"></p>
<button type="submit"{WAITS}>Fortsätt</button></form>""", script="guest.js")  # fmt: skip


BY_TEXT: Final = """<form id="sms" method="post"><label for="sms-number">Mobilnummer</label><div class="row">
<input id="sms-number" type="tel" required maxlength="40" autocomplete="off" aria-describedby="sms-note">
<button type="submit">Skicka SMS</button></div>
<p id="sms-note" class="note">Numret som personen själv har lämnat. I meddelandet står bara länk och möteskod.</p></form>
"""
"""Part of the invitation's dialog, where an SMS provider is set (V9, N3)."""


def _invite(has_texts: bool) -> str:
    """The dialog of `invite.js`."""
    return f"""<dialog id="invite" aria-labelledby="invite-title"><h2 id="invite-title">Bjud in till videomöte</h2>
<p><label for="invite-text">Inbjudan</label><textarea id="invite-text" rows="9" readonly></textarea></p>
<div class="row"><button type="button" id="copy">Kopiera inbjudan</button>
<button type="button" class="quiet" id="one-time-code">Ny engångskod</button></div>{BY_TEXT if has_texts else ""}
<p id="invite-says" role="status"></p><button type="button" class="quiet" id="invite-close">Stäng</button></dialog>"""


def days(
    staff: str, units: Sequence[tuple[str, str]], unit: str, meetings: Sequence[Listed], now: datetime, *, has_texts: bool = False
) -> str:  # fmt: skip
    """Dagens möten: the unit's rooms today, in the order they begin."""
    rows = "".join(_row(each, now) for each in meetings)
    table = (
        '<table role="table" aria-label="Dagens möten"><thead role="rowgroup"><tr role="row">'
        + "".join(f'<th role="columnheader" scope="col">{head}</th>' for head in ("Tid", "Typ", "Resurs", "Läge"))
        + '<th role="columnheader" scope="col"><span class="hidden">Åtgärder</span></th></tr></thead>'
        + f'<tbody role="rowgroup">{rows}</tbody></table>'
        if rows
        else '<p class="empty">Inga videomöten i dag.</p>'
    )
    options = "".join(f'<option value="{escape(i)}"{" selected" if i == unit else ""}>{escape(n)}</option>' for i, n in units)
    start = now + timedelta(minutes=5)
    body = f"""<h1>Dagens möten</h1><p id="today" class="note">{day(now)}</p>
<form method="get" action="/"><label for="unit">Vårdenhet</label><div class="row"><select id="unit" name="unit">{options}</select>
<button type="submit" class="quiet">Visa</button></div></form>
<p id="stale" class="error" role="status"></p><div id="list">{table}</div>
<details><summary>Ny videokonferens</summary><form id="conference" method="post">
<p><label for="subject">Ämne</label><input id="subject" required maxlength="100" aria-describedby="subject-note">
<span id="subject-note" class="note">Ämnesraden ska inte innehålla några personuppgifter.</span></p>
<div class="choices"><p><label for="date">Datum</label><input id="date" type="date" required value="{when(start)[:10]}"></p>
<p><label for="time">Tid</label><input id="time" type="time" required value="{when(start)[11:]}"></p>
<p><label for="minutes">Längd</label><select id="minutes"><option value="15">15 min</option><option value="30" selected>30 min</option>
<option value="45">45 min</option><option value="60">60 min</option><option value="90">90 min</option></select></p></div>
<p id="conference-fault" class="error" role="alert"></p><button type="submit"{WAITS}>Skapa</button></form></details>
{_invite(has_texts)}
<dialog id="who" aria-labelledby="who-title"><h2 id="who-title" tabindex="-1">Deltagare</h2><div id="who-body"></div>
<button type="button" class="quiet" id="who-close">Stäng</button></dialog>"""
    return page("Dagens möten", body, script="day.js", data={"unit": unit}, staff=staff, wide=True)


def invitation(room_url: str, code: str, start: datetime, unit_name: str) -> str:
    """The text that is sent or copied (V9, N2): a time, a link, a code and nothing about anybody."""
    return (
        f"Du är inbjuden att delta i ett videomöte {when(start)}.\n\nMötet sker via {room_url}\nMöteskod: {code}\n\n"
        "Logga in med e-legitimation eller engångskod."
        + (f"\n\nDu är inbjuden från enhet {unit_name}." if unit_name else "")
    )  # fmt: skip


def state_of(meeting: Listed, now: datetime) -> tuple[str, bool]:
    """A room's state in words, and whether it can be started now (V1-V4)."""
    room = meeting.room
    if room.state == "void":
        return "Ogiltigt – en ny bokning krävs", False
    if meeting.is_open:
        return f"Pågår, {meeting.inside} deltar", now < room.closes_at
    if room.state == "closed" or now >= room.closes_at:
        return "Avslutat", False
    if room.state == "scheduled" and now < room.active_at:
        return f"Aktiveras kl. {clock(room.active_at)}", False
    if now < room.opens_at:
        return f"Kan öppnas kl. {clock(room.opens_at)}", False
    crowded = ". Fler än 20 är bokade" if room.reason == "crowded" else ""  # V8: the unit is told
    return (f"{meeting.waiting} väntar" if meeting.waiting else "Kan öppnas") + crowded, True


def _row(meeting: Listed, now: datetime) -> str:
    room = meeting.room
    says, startable = state_of(meeting, now)
    start, end = room.opens_at + margin_of(room.kind), room.closes_at - margin_of(room.kind)
    link = (
        f'<a class="button" href="/meet/{escape(room.room_id)}">{"Anslut" if meeting.is_open else "Starta video"}</a>' if startable else ""
    )
    live = room.state not in ("void", "closed")
    invite = f'<button type="button" class="quiet invite"{WAITS} data-room="{escape(room.room_id)}">Bjud in</button>' if live else ""
    who = f'<button type="button" class="quiet who"{WAITS} data-room="{escape(room.room_id)}">Deltagare</button>'
    acts = f'<div class="row">{link}{invite}{who}</div>'
    cells = (f"{clock(start)}–{clock(end)}", KINDS[room.kind], escape(room.resource), escape(says), acts)
    row = "".join(f'<td role="cell">{cell}</td>' for cell in cells)
    return f'<tr role="row">{row}</tr>'


def margin_of(kind: str) -> timedelta:
    """A chat invitation is valid half an hour and has no margins (V10)."""
    return timedelta(0) if kind == "chat" else MARGIN


def as_data(meeting: Listed) -> dict[str, Any]:
    """For the API."""
    room = meeting.room
    return {
        "room_id": room.room_id, "kind": room.kind, "state": room.state, "unit": room.unit, "resource": room.resource,
        "booking_ids": list(room.booking_ids), "active_at": room.active_at, "opens_at": room.opens_at, "closes_at": room.closes_at,
        "open": meeting.is_open,
    }  # fmt: skip
