"""The words of `hub trace`, in English for operators and in Swedish for staff: one table a meaning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

Language = Literal["en", "sv"]
LANGUAGES: Final = ("en", "sv")
Words = Mapping[str, tuple[str, str]]

KINDS: Final[Words] = {
    "kallelse": ("summons (kallelse)", "kallelse"),
    "brev": ("letter", "brev"),
    "remissbekraftelse": ("referral confirmation", "remissbekräftelse"),
}
REASONS: Final[Words] = {
    "deceased": ("the person has died", "personen är avliden"),
    "protected_identity": ("protected identity", "skyddad identitet"),
    "reserve_number": ("only a reserve number", "enbart reservnummer"),
    "control_code_missing": ("the control code is missing from the footer", "styrkoden saknas i sidfoten"),
    "control_code_other_kind": ("the footer has the control code of another kind", "sidfoten har styrkoden för en annan dokumenttyp"),
    "control_code_outside_footer": ("the control code stands outside the footer", "styrkoden står utanför sidfoten"),
    "control_code_malformed": ("the control code is written wrongly", "styrkoden är felskriven"),
    "control_code_unknown": ("the control code is unknown", "styrkoden är okänd"),
    "attachment_not_pdf": ("an attachment is not PDF", "en bilaga är inte PDF"),
    "attachment_not_e_brev": ("an attachment is not meant for e-brev", "en bilaga är inte avsedd för e-brev"),
    "too_large": ("too large for every channel", "för stort för alla kanaler"),
    "no_channel": ("no digital channel is open", "ingen digital kanal är öppen"),
    "no_account_48h": ("no digital channel opened in time", "ingen digital kanal öppnades i tid"),
    "unread_48h": ("not read in time", "inte läst i tid"),
    "unread_early": ("not read when paper had to leave", "inte läst när papper måste gå iväg"),
    "mailbox_refused": ("the mailbox did not take it", "brevlådan tog inte emot"),
    "unknown_outcome": ("the outcome of the delivery is unknown", "leveransens utfall är okänt"),
    "identity_unverified": ("no register has confirmed the person", "folkbokföringen har inte bekräftat personen"),
}
ROOM_REASONS: Final[Words] = {
    "cancelled": ("the visit was cancelled", "besöket är avbokat"),
    "withdrawn": ("no booking has a video room here any more", "ingen bokning har videorum här längre"),
    "till_registered": ("registered at the till before the room was opened", "kassaregistrerat innan rummet öppnades"),
    "ended": ("its time is over", "tiden är ute"),
    "crowded": ("more bookings than a room takes people", "fler bokningar än rummet rymmer"),
}
TEXTS: Final[Words] = {
    "document": ("a new document", "nytt dokument"),
    "booking": ("a new booking", "ny bokning"),
    "reminder": ("a reminder", "påminnelse"),
    "invitation": ("an invitation", "inbjudan"),
    "chat": ("a chat message", "chattmeddelande"),
}
TRIGGERS: Final[Words] = {
    "arrival": ("it arrived", "det kom in"),
    "deadline": ("its time had come", "tiden var inne"),
    "answer": ("a mailbox answered", "en brevlåda svarade"),
    "receipt": ("it was read", "det lästes"),
    "resident": ("facts about the person or the visit changed", "uppgifter om personen eller besöket ändrades"),
    "operator": ("an operator decided", "en operatör beslutade"),
    "replay": ("it was replayed", "det spelades upp igen"),
}
OUTCOMES: Final[Words] = {
    "deliver": ("deliver", "leverera"),
    "wait": ("wait", "vänta"),
    "print": ("print", "skriv ut"),
    "settle": ("settled", "avslutat"),
    "record": ("recorded only", "endast noterat"),
    "drop": ("dropped", "lämnas inte vidare"),
}
CHANNELS: Final[Words] = {
    "app": ("the app", "appen"),
    "mailbox": ("the mailbox", "brevlådan"),
    "print": ("the print queue", "utskriftslistan"),
}
OPERATORS: Final[Words] = {
    "kivra": ("Kivra", "Kivra"),
    "billo": ("Billo", "Billo"),
    "minmyndighetspost": ("Min myndighetspost", "Min myndighetspost"),
    "fortnox": ("Fortnox", "Fortnox"),
}
DELIVERY_STATES: Final[Words] = {
    "requested": ("asked for, no answer yet", "begärd, inget svar än"),
    "accepted": ("accepted", "mottagen"),
    "refused": ("refused", "ej mottagen"),
    "unknown": ("outcome unknown", "okänt utfall"),
    "withdrawn": ("withdrawn", "återtagen"),
}
SEND_STATES: Final[Words] = {
    "decided": ("asked for", "begärd"),
    "rendered": ("ready to be sent", "klar att skickas"),
    "claimed": ("about to be sent", "på väg att skickas"),
    "inflight": ("being sent", "skickas nu"),
    "accepted": ("taken by the peer", "mottagen av motparten"),
    "read": ("arrived", "framme"),
    "waiting": ("waits", "väntar"),
    "refused": ("not taken", "ej mottagen"),
    "unknown": ("outcome unknown", "okänt utfall"),
    "withdrawn": ("withdrawn, not sent", "återtagen, inte skickad"),
}
WHYS: Final[Words] = {
    "no_channel_configured": ("no such channel is configured", "kanalen är inte inställd"),
    "register": ("the register's answer", "folkbokföringens svar"),
    "quiet_hours": ("quiet hours", "tysta timmar"),
    "breaker": ("the peer is left alone for a while", "motparten får vila en stund"),
    "peer_unavailable": ("the peer cannot be reached", "motparten nås inte"),
    "fault": ("a fault of the hub, see its log", "ett fel i navet, se loggen"),
    "repeat": ("the same bytes are sent again", "samma innehåll skickas igen"),
}
TRIES: Final[Words] = {
    "sent": ("sent", "skickad"),
    "rejected": ("not taken", "ej mottagen"),
    "unavailable": ("nothing was done", "inget blev gjort"),
    "uncertain": ("no answer, may have arrived", "inget svar, kan ha kommit fram"),
    "orphaned": ("the process was lost, may have arrived", "processen försvann, kan ha kommit fram"),
    "ruled_accepted": ("ruled: it arrived", "beslut: den kom fram"),
    "ruled_refused": ("ruled: it did not arrive", "beslut: den kom inte fram"),
    "ruled_resend": ("ruled: send again", "beslut: skicka igen"),
}
PRINT_STATES: Final[Words] = {
    "open": ("to be handled", "att åtgärda"),
    "handled": ("handled", "åtgärdad"),
    "settled": ("left the queue by itself", "lämnade listan av sig självt"),
    "released": ("released", "släppt"),
}
PRINT_OUTCOMES: Final[Words] = {
    "read_late": ("read meanwhile", "läst under tiden"),
    "accepted_late": ("accepted by the mailbox meanwhile", "mottaget av brevlådan under tiden"),
    "released": ("the register confirmed the person", "folkbokföringen bekräftade personen"),
}
BOOKING_MARKS: Final[Words] = {
    "rebooked": ("the visit was rebooked", "besöket är ombokat"),
    "cancelled": ("the visit was cancelled", "besöket är avbokat"),
    "passed": ("the visit has passed", "besöket har passerat"),
}
SETTLED: Final[Words] = {
    "read": ("read", "läst"),
    "accepted": ("accepted by the mailbox", "mottaget av brevlådan"),
    "recorded": ("recorded, sent nowhere", "noterat, skickas inte vidare"),
}
ROLES: Final[Words] = {
    "guardian": ("a guardian", "en vårdnadshavare"),
    "fullmakt": ("a holder of a power of attorney", "en person med fullmakt"),
    "resident": ("the resident", "invånaren"),
}
ACCOUNTS: Final[Words] = {"none": ("none", "saknas"), "active": ("active", "aktivt"), "blocked": ("blocked", "spärrat")}
STATUSES: Final[Words] = {
    "booked": ("booked", "bokad"),
    "rebooked": ("rebooked", "ombokad"),
    "cancelled": ("cancelled", "avbokad"),
    "arrived": ("arrived", "ankommen"),
}
ROOM_STATES: Final[Words] = {
    "scheduled": ("scheduled", "planerat"),
    "active": ("active", "aktivt"),
    "closed": ("closed", "stängt"),
    "void": ("void", "ogiltigt"),
}
UNITS_OF_TIME: Final[Words] = {
    "d": ("d", "dygn"), "h": ("h", "tim"), "min": ("min", "min"), "s": ("s", "s"),
}  # fmt: skip

PHRASES: Final[Words] = {
    "document": ("{kind} {id} from {source} for {unit}", "{kind} {id} från {source} för {unit}"),
    "booking": ("Booking {id} at {unit}, {status}", "Bokning {id} på {unit}, {status}"),
    "room": ("Video room {id} of {unit}, {state}", "Videorum {id} för {unit}, {state}"),
    "sent": ("Sent {at}.", "Skickat {at}."),
    "counted": ("The time to read counts from {at}.", "Lästiden räknas från {at}."),
    "not_e_brev": ("It was not sent as an e-brev.", "Det skickades inte som e-brev."),
    "now_settled": ("Now: {how}.", "Nu: {how}."),
    "now_print": ("Now: in the print queue, {state}: {reason}.", "Nu: på utskriftslistan, {state}: {reason}."),
    "now_delivered": ("Now: delivered to {channels}, not read yet.", "Nu: levererat till {channels}, inte läst än."),
    "now_wait": ("Now: waiting.", "Nu: väntar."),
    "now_withdrawn": ("Now: withdrawn from the app.", "Nu: återtaget från appen."),
    "decisions": ("Decisions", "Beslut"),
    "decision": ("{n}. {at}: {rule} {outcome}{to}, because {trigger}", "{n}. {at}: {rule} {outcome}{to}, eftersom {trigger}"),
    "reason": ("Reason: {reason} ({code}).", "Skäl: {reason} ({code})."),
    "to": (" to {channels}", " till {channels}"),
    "deadline": ("Deadline {at}.", "Tidsgräns {at}."),
    "facts": ("Facts: {facts}.", "Uppgifter: {facts}."),
    "register": ("register {age} old", "folkbokföringens svar {age} gammalt"),
    "register_none": ("register has not confirmed the person", "folkbokföringen har inte bekräftat personen"),
    "silent": ("register did not answer", "folkbokföringen svarade inte"),
    "account": ("account {state}", "konto {state}"),
    "mailbox_yes": ("{operator} accepts ({age} old)", "{operator} tar emot (uppgiften {age} gammal)"),
    "mailbox_no": ("{operator} does not accept ({age} old)", "{operator} tar inte emot (uppgiften {age} gammal)"),
    "no_mailbox": ("no mailbox", "ingen brevlåda"),
    "agents": ("{n} agents", "{n} ombud"),
    "visit": ("visit {at}", "besök {at}"),
    "deliveries": ("Deliveries", "Leveranser"),
    "in_app": ("App: from {at}{until}", "Appen: från {at}{until}"),
    "until": (" until {at}", " till {at}"),
    "given": ("App, {role}: from {at}{until}", "Appen, {role}: från {at}{until}"),
    "mailbox": ("{operator}: asked for {at}, {state}{answered}{code}", "{operator}: begärd {at}, {state}{answered}{code}"),
    "carried": ("on its way: {state}{why}{code}", "på väg: {state}{why}{code}"),
    "text": ("Text ({kind}): asked for {at}, {state}{why}{code}", "SMS ({kind}): begärt {at}, {state}{why}{code}"),
    "try": ("try {n}, {at}: {outcome}{code}{reference}", "försök {n}, {at}: {outcome}{code}{reference}"),
    "try_open": ("under way", "pågår"),
    "print_entry": ("Print queue: entered {at}, {state}: {reason}", "Utskriftslistan: inlagd {at}, {state}: {reason}"),
    "urgent": ("urgent", "brådskande"),
    "manual": ("handled by hand", "hanteras manuellt"),
    "relay": ("by relay in a sealed envelope", "förmedlas i förseglat kuvert"),
    "files": ("{n} attachments", "{n} bilagor"),
    "closed": ("closed {at}", "avslutad {at}"),
    "settled": ("Settled: {how} {at}", "Avslutat: {how} {at}"),
    "ahead": ("Ahead", "Framåt"),
    "goes_to_print": ("{at} (in {span}): goes to print unless it is read or accepted before.",
                      "{at} (om {span}): läggs på utskriftslistan om det inte läses eller tas emot innan dess."),
    "looked_at": ("{at} (in {span}): is looked at again.", "{at} (om {span}): bedöms på nytt."),
    "overdue": ("{at}: should have been looked at {span} ago.", "{at}: skulle ha bedömts för {span} sedan."),
    "with_staff": ("The unit's staff handle it in the print queue.", "Enhetens personal hanterar det på utskriftslistan."),
    "nothing_ahead": ("Nothing more happens by itself.", "Inget mer händer av sig självt."),
    "shown": ("Shown in: {where}.", "Visas i: {where}."),
    "app": ("the app", "appen"),
    "portal": ("the portal", "portalen"),
    "nowhere": ("nowhere", "ingenstans"),
    "visit_at": ("Visit {at}, {minutes} minutes.", "Besök {at}, {minutes} minuter."),
    "dropped": ("Nothing of its content is kept (B1).", "Inget av innehållet är kvar (B1)."),
    "room_of": ("Video room: {id}.", "Videorum: {id}."),
    "room_times": ("Active {active}; open {opens} to {closes}.", "Aktivt {active}; öppet {opens} till {closes}."),
    "room_bookings": ("Bookings: {ids}.", "Bokningar: {ids}."),
    "unknown": ("There is no document, booking or room with the id {id}.", "Dokument, bokning eller rum med id {id} finns inte."),
}  # fmt: skip


def word(table: Words, name: str | None, lang: Language) -> str:
    """The word for a code; a code without one stands for itself."""
    found = table.get(name or "")
    return (name or "") if found is None else found[lang == "sv"]


def phrase(name: str, lang: Language, **values: object) -> str:
    return PHRASES[name][lang == "sv"].format(**values)
