"""The rules by id and every sentence a trace can say, in English for operators and in Swedish for staff.

One table names the one module in which a rule decides (a test holds the code to it). The other holds the sentences: a rule
says `said("R5.missing", applied=True, verdict="missing")` once, when its module is loaded, and uses the ready `Step` ever
after. A sentence is constant: what differs between people stands in the step's facts (codes, flags, years, times), so that
a trace never holds free text, and its Swedish form is found from its English one.
"""

from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple

from pipelines.rules.model import Step

Language = Literal["en", "sv"]


class Rule(NamedTuple):
    """Where a rule of the domain decides, and what it is about in one line."""

    module: str
    english: str
    swedish: str


RULES: Final[Mapping[str, Rule]] = {
    "P1": Rule("routing", "protected people: masked, in no digital channel", "skyddade personer: dolda, i ingen digital kanal"),
    "P2": Rule("identity", "a reserve number linked to nothing has no account", "ett fristående reservnummer har inget konto"),
    "P3": Rule("routing", "deceased, from the register", "avliden, enligt folkbokföringen"),
    "P5": Rule("channels", "a blocked account counts as missing", "ett spärrat konto räknas som att konto saknas"),
    "P7": Rule("ombud", "which ombud count", "vilka ombud som räknas"),
    "P8": Rule("identity", "what the register has confirmed, and how fresh that is", "vad folkbokföringen bekräftat, och när"),
    "P10": Rule("progress", "what was shown is withdrawn from a protected person", "det visade dras tillbaka för en skyddad person"),
    "C1": Rule("control_code", "the code a kind needs in its footer", "styrkoden som krävs i sidfoten"),
    "C2": Rule("control_code", "what is wrong with the code", "vad som är fel med styrkoden"),
    "C3": Rule("control_code", "a kallelse needs no code", "en kallelse behöver ingen styrkod"),
    "C4": Rule("routing", "only what was sent as e-brev", "bara det som skickats som e-brev"),
    "C5": Rule("attachments", "attachments are PDF and meant for e-brev", "bilagor är PDF och avsedda för e-brev"),
    "C7": Rule("marking", "what became of the visit of a printed kallelse", "vad som hänt med besöket för en utskriven kallelse"),
    "C9": Rule("control_code", "sources without codes need none", "källor utan styrkoder behöver ingen"),
    "C10": Rule("channels", "the size a channel takes", "storleken en kanal tar emot"),
    "R1": Rule("routing", "not an e-brev: recorded", "inte ett e-brev: noteras"),
    "R2": Rule("routing", "deceased: print, by hand", "avliden: utskrift, hanteras manuellt"),
    "R3": Rule("routing", "protected identity: print, by hand", "skyddad identitet: utskrift, hanteras manuellt"),
    "R4": Rule("routing", "reserve number only: print", "enbart reservnummer: utskrift"),
    "R5": Rule("routing", "the control code fails: print", "styrkoden underkänd: utskrift"),
    "R6": Rule("routing", "an attachment fails: print", "en bilaga underkänd: utskrift"),
    "R7": Rule("ways", "a child: the guardians in the app", "barn: vårdnadshavarna i appen"),
    "R8": Rule("ways", "a teenager: the app only", "ungdom: enbart appen"),
    "R9": Rule("ways", "an adult: the app and one mailbox", "vuxen: appen och en brevlåda"),
    "R10": Rule("ways", "no channel is open", "ingen kanal är öppen"),
    "R11": Rule("ways", "unread when the time is up: print", "oläst när tiden gått ut: utskrift"),
    "R12": Rule("ways", "a mailbox refused it", "en brevlåda tog inte emot"),
    "R13": Rule("marking", "read or accepted while in the queue: leaves it", "läst eller mottaget i kön: tas ur kön"),
    "R14": Rule("deadline", "the visit is nearer than paper needs", "besöket är närmare än posten hinner"),
    "R15": Rule("routing", "decided again without starting anew", "avgörs på nytt utan att börja om"),
    "B1": Rule("booking", "a protected person's booking is never passed on", "en skyddad persons bokning lämnas aldrig vidare"),
    "B2": Rule("booking", "hidden time type: not shown", "dold tidstyp: visas inte"),
    "B3": Rule("booking", "journal block: only the unit sees it", "journalspärr: bara enheten ser den"),
    "B4": Rule("booking", "the unit sees every visible booking", "enheten ser alla synliga bokningar"),
    "B8": Rule("booking", "the app follows the open channel", "appen följer den öppna kanalen"),
    "V1": Rule("room", "when a room becomes active", "när ett rum blir aktivt"),
    "V2": Rule("room", "the window of a room", "rummets tidsfönster"),
    "V4": Rule("room", "registered at the till before it was opened: void", "kassaregistrerad före öppnandet: ogiltigt"),
    "V5": Rule("booking", "only a video time type gives a room", "bara en videotidstyp ger ett rum"),
    "V6": Rule("room", "cancelled: the room closes", "avbokat: rummet stängs"),
    "V7": Rule("booking", "notified at booking and before the start", "aviseras vid bokning och före start"),
    "V8": Rule("room", "a group's room: longest window, people at most", "gruppens rum: längsta fönstret, högst så många"),
    "N1": Rule("notify", "a new document in the app is notified", "ett nytt dokument i appen aviseras"),
    "N2": Rule("notify", "no personal or care data in a notification", "inga person- eller vårduppgifter i en avisering"),
    "N3": Rule("notify", "who is never notified", "vem som aldrig aviseras"),
}  # fmt: skip
"""Every rule that decides here. P4, P6, P9, C6, C8, B5, B6 bind the ledger, the sanitiser and the connectors, not these rules."""

SENTENCES: Final[Mapping[str, tuple[str, str]]] = {
    "P8.fresh": ("The register's facts are fresh enough.", "Folkbokföringens uppgifter är tillräckligt färska."),
    "P8.silent": ("The register is silent; its known facts still serve.", "Folkbokföringen svarar inte; kända uppgifter gäller än."),
    "P8.not_needed": ("No register is needed for what is known.", "Det som är känt behöver ingen folkbokföring."),
    "P8.stale": ("The register is asked again before anything is done.", "Folkbokföringen frågas på nytt innan något görs."),
    "P8.unverified": ("No register has confirmed the person; it waits.", "Ingen folkbokföring har bekräftat personen; det väntar."),
    "P8.print": ("The person is still unconfirmed when the time is up.", "Personen är fortfarande obekräftad när tiden gått ut."),
    "P8.queued": ("The person is still unconfirmed; the entry stands.", "Personen är fortfarande obekräftad; posten ligger kvar."),
    "P8.release": ("The register has confirmed the person.", "Folkbokföringen har bekräftat personen."),
    "P8.shown": ("What is shown stays so while the register is asked.", "Det som visas står kvar medan folkbokföringen frågas."),
    "P8.hold": ("Nothing new is shown before the register answers.", "Inget nytt visas innan folkbokföringen svarat."),
    "C10.fits": ("A channel can take the size.", "Någon kanal tar emot storleken."),
    "C10.too_large": ("No channel can take a document of this size.", "Ingen kanal tar emot ett så stort dokument."),
    "R1.e_brev": ("It was sent as an e-brev.", "Det skickades som e-brev."),
    "R1.other": ("It was not sent as an e-brev and goes nowhere.", "Det skickades inte som e-brev och går ingenstans."),
    "R2.alive": ("The person is not known to be dead.", "Personen är inte känd som avliden."),
    "R2.deceased": ("The person is dead; staff handle the document.", "Personen är avliden; personal hanterar dokumentet."),
    "R3.none": ("The person has no protected identity.", "Personen har inte skyddad identitet."),
    "R3.protected": ("The person's identity is protected.", "Personen har skyddad identitet."),
    "R3.escalated": (
        "Nobody with the permission has opened the entry in the set time: escalated.",
        "Ingen behörig har öppnat utskriften inom angiven tid: eskalerad.",
    ),
    "R3.app": ("The provider has opened the app for this protection.", "Vårdgivaren har öppnat appen för detta skydd."),
    "R4.no": ("The person has more than a reserve number.", "Personen har mer än ett reservnummer."),
    "R4.reserve": ("The person has only a reserve number.", "Personen har enbart ett reservnummer."),
    "R5.not_needed": ("No control code is needed.", "Ingen styrkod behövs."),
    "R5.right": ("The right control code stands in the footer.", "Rätt styrkod står i sidfoten."),
    "R5.missing": ("The control code is missing.", "Styrkoden saknas."),
    "R5.other_kind": ("The footer has the other document kind's code.", "Sidfoten har den andra dokumenttypens styrkod."),
    "R5.outside_footer": ("The control code stands outside the footer.", "Styrkoden står utanför sidfoten."),
    "R5.malformed": ("The control code is written with spaces or other case.", "Styrkoden är skriven med mellanslag eller fel skiftläge."),
    "R5.unknown": ("The footer has an unknown control code.", "Sidfoten har en okänd styrkod."),
    "R6.right": ("Every attachment can be delivered.", "Alla bilagor kan levereras."),
    "R6.not_pdf": ("An attachment is not PDF.", "En bilaga är inte PDF."),
    "R6.not_e_brev": ("An attachment is not a shared template for e-brev.", "En bilaga är inte en gemensam mall för e-brev."),
    "R7.older": ("The person was no child when it was sent.", "Personen var inte barn när det skickades."),
    "R7.guardians": ("A child: the active guardians get it in the app.", "Ett barn: aktiva vårdnadshavare får det i appen."),
    "R7.nobody": ("A child without an active guardian.", "Ett barn utan aktiv vårdnadshavare."),
    "R8.older": ("The person was an adult when it was sent.", "Personen var vuxen när det skickades."),
    "R8.app": ("A minor with an active account gets it in the app only.", "En minderårig med aktivt konto får det enbart i appen."),
    "R8.closed": ("A minor without an active account.", "En minderårig utan aktivt konto."),
    "R9.open": ("An adult gets it in the channels that are open.", "En vuxen får det i de kanaler som är öppna."),
    "R9.ask": ("The mailbox operators are asked before it is decided.", "Brevlådeoperatörerna frågas innan det avgörs."),
    "R9.silent": ("The mailbox operators are silent; what is known serves.", "Brevlådeoperatörerna svarar inte; det som är känt gäller."),
    "R9.closed": ("An adult without an open channel.", "En vuxen utan öppen kanal."),
    "R10.print": ("No channel is open: a kallelse goes to print at once.", "Ingen kanal är öppen: en kallelse skrivs ut genast."),
    "R10.wait": ("No channel is open: it waits for one to open.", "Ingen kanal är öppen: det väntar på att en öppnas."),
    "R10.over": ("No channel opened in time.", "Ingen kanal öppnades i tid."),
    "R11.unread": ("Neither read nor accepted when the time was up.", "Varken läst eller mottaget när tiden gått ut."),
    "R11.unknown": ("Whether the mailbox took it is unknown when the time is up.", "Om brevlådan tog emot är okänt när tiden gått ut."),
    "R12.app": ("The mailbox does not take it; the app is open.", "Brevlådan tar inte emot; appen är öppen."),
    "R12.print": ("The mailbox does not take it and the app is closed.", "Brevlådan tar inte emot och appen är stängd."),
    "R12.wait": ("The mailbox does not take it; it waits for a channel.", "Brevlådan tar inte emot; det väntar på en kanal."),
    "R12.over": ("The mailbox did not take it and no channel opened in time.", "Brevlådan tog inte emot och ingen kanal öppnades i tid."),
    "R11.settled": ("Read or accepted in time.", "Läst eller mottaget i tid."),
    "R13.settled": ("Read or accepted while it stood in the print queue.", "Läst eller mottaget medan det låg för utskrift."),
    "R14.early": ("Paper must leave before the time to read is over.", "Papper måste gå iväg innan lästiden är slut."),
    "R14.late": ("The time to read ends before paper must leave.", "Lästiden är slut innan papper måste gå iväg."),
    "R14.unread": ("Neither read nor accepted when paper must leave.", "Varken läst eller mottaget när papper måste gå iväg."),
    "R14.urgent": ("The visit is nearer than paper needs.", "Besöket är närmare än posten hinner."),
    "R15.settled": ("It was read or accepted: nothing more happens.", "Det är läst eller mottaget: inget mer händer."),
    "R15.handled": ("Staff have handled it on paper.", "Personalen har hanterat det på papper."),
    "R15.queued": ("It stays in the print queue.", "Det ligger kvar på utskriftslistan."),
    "B1.no": ("The person's identity is not protected.", "Personen har inte skyddad identitet."),
    "B1.protected": ("Bookings of protected people are not passed on.", "Bokningar för skyddade personer lämnas inte vidare."),
    "B2.no": ("The time type is visible.", "Tidstypen är synlig."),
    "B2.hidden": ("The time type is hidden.", "Tidstypen är dold."),
    "B3.no": ("There is no journal block.", "Det finns ingen journalspärr."),
    "B3.blocked": ("A journal block: only the unit sees the booking.", "Journalspärr: bara enheten ser bokningen."),
    "B4.doubled": (
        "The start named the doubled autumn hour without a zone; the earlier one was taken.",
        "Starten angav den dubbla höststunden utan tidszon; den tidigare valdes.",
    ),
    "B4.cancelled": ("The booking is cancelled; only the unit sees it.", "Bokningen är avbokad; bara enheten ser den."),
    "B4.shown": ("The unit sees the booking.", "Enheten ser bokningen."),
    "B8.open": ("The app channel is open.", "Appkanalen är öppen."),
    "B8.closed": ("The app channel is closed.", "Appkanalen är stängd."),
    "B8.past": ("The booking was over before the app channel opened.", "Bokningen var över innan appkanalen öppnades."),
    "V5.video": ("The time type gives a video room.", "Tidstypen ger ett videorum."),
    "V5.none": ("The time type gives no video room.", "Tidstypen ger inget videorum."),
    "V7.booked": ("The video visit is notified.", "Videobesöket aviseras."),
    "V7.reminder": ("The reminder is due.", "Påminnelsen ska skickas."),
    "V1.scheduled": ("The room becomes active later.", "Rummet blir aktivt senare."),
    "V1.active": ("The room is active.", "Rummet är aktivt."),
    "V1.withdrawn": ("No booking gives this room any more.", "Ingen bokning ger längre det här rummet."),
    "V2.over": ("The room's window is over.", "Rummets tidsfönster är över."),
    "V4.void": ("Registered at the till before the room was opened.", "Kassaregistrerad innan rummet öppnades."),
    "V6.cancelled": ("The last booking of the room is cancelled.", "Rummets sista bokning är avbokad."),
    "V8.crowded": ("The group has more people than a room takes.", "Gruppen har fler än rummet rymmer."),
    "V8.fits": ("The group's bookings make one room.", "Gruppens bokningar blir ett rum."),
}  # fmt: skip

_SWEDISH: Final[Mapping[str, str]] = dict(SENTENCES.values())


def said(key: str, applied: bool, **facts: Any) -> Step:
    """The step of a rule (the part of `key` before the point) with its sentence; a key without a row is a `KeyError`."""
    return Step(key.partition(".")[0], applied, SENTENCES[key][0], facts)


def explain(step: Step, lang: Language = "en") -> str:
    """One line of `hub trace`: the rule, whether it decided, its sentence and the facts it saw."""
    sentence = step.because if lang == "en" else _SWEDISH.get(step.because, step.because)
    mark = {"en": ("passed", "DECIDED"), "sv": ("gick vidare", "AVGJORDE")}[lang][step.applied]
    facts = ", ".join(f"{name}={value}" for name, value in step.facts.items())
    return f"{step.rule:<4}{mark:<12}{sentence}{f' ({facts})' if facts else ''}"
