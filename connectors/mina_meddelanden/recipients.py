"""Recipient v3 `isReachable` as bytes: who has a mailbox that takes mail from a sender, and where it is. Pure.

An answer names people in any order and may leave some out: those have none. Anything in it that is not understood makes
the whole of it no answer, as a wrong "reachable" sends a letter astray and a wrong "not" costs the 48 hours.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from connectors.mina_meddelanden.faults import boolean, content
from connectors.mina_meddelanden.names import HEADERS, RECIPIENT, RECIPIENT_ID, RECIPIENT_V3, RECIPIENTS_MAX, SENDER_ID, SOAP
from connectors.peer import Answer, Call
from schemas import xml
from schemas.errors import Rejected

OPERATORS: Final[Mapping[str, str]] = {
    "kivra": "kivra",
    "billo": "billo",
    "minmyndighetspost": "minmyndighetspost",
    "fortnox": "fortnox",
}
"""Suppliers by the letters of their name, in lower case; the event's own names. Others are not spoken to."""
SUPPLIERS: Final[Mapping[str, str]] = {"165568402266": "kivra", "165591386718": "billo"}
"""Suppliers whose organisation number is known: it decides over the name."""


@dataclass(frozen=True, slots=True)
class Account:
    """A row of the answer. Not printed: it tells that somebody has a mailbox."""

    kind: str = field(repr=False)
    pending: bool = field(repr=False)
    sender_accepted: bool = field(repr=False)
    supplier: bool = field(repr=False)
    operator: str | None = field(repr=False)
    address: str = field(repr=False)


class Reachability(NamedTuple):
    """Whether a mailbox takes mail from the sender; where and whose it is; or the row of the rule that says no."""

    operator: str | None
    address: str
    because: str

    @property
    def reachable(self) -> bool:
        return self.operator is not None


class Condition(NamedTuple):
    """A row of the rule: its name where it is not met."""

    because: str
    met: Callable[[Account, Collection[str]], bool]


RULE: Final = (
    Condition("no_mailbox", lambda account, _: account.kind == "Secure"),
    Condition("pending", lambda account, _: not account.pending),
    Condition("sender_not_accepted", lambda account, _: account.sender_accepted),
    Condition("no_supplier", lambda account, _: account.supplier),
    Condition("unknown_operator", lambda account, _: account.operator is not None),
    Condition("no_address", lambda account, _: _host(account.address) is not None),
    Condition("host_not_allowed", lambda account, hosts: _host(account.address) in hosts),
)
"""All must be met; the first that is not is told. An account that waits (`Pending`) or whose owner has opted out gets paper."""
_KINDS: Final = frozenset({"Secure", "Anonymous", "Not"})
_MISSING: Final = Reachability(None, "", "missing")


def askable(people: Iterable[str]) -> list[str]:
    """Those who may be asked about at all, once each: a reserve number has no mailbox (P2)."""
    return [person for person in dict.fromkeys(people) if RECIPIENT_ID.fullmatch(person)]


def encode(sender: str, people: Sequence[str]) -> Call:
    """One question about at most `RECIPIENTS_MAX` people who are askable. `ValueError` else: the caller's fault."""
    if not SENDER_ID.fullmatch(sender):
        raise ValueError("a sender is an organisation's number of twelve digits")
    if len(people) > RECIPIENTS_MAX or askable(people) != list(people):
        raise ValueError("ask about askable people, once each, in chunks")
    envelope = xml.element(f"{SOAP}Envelope", nsmap={"soapenv": SOAP[1:-1]})
    asked = xml.element(f"{RECIPIENT_V3}isReachable", nsmap={None: RECIPIENT_V3[1:-1]})
    xml.child(envelope, f"{SOAP}Body").append(asked)
    xml.child(asked, f"{RECIPIENT_V3}senderOrgNr", sender)
    for person in people:
        xml.child(asked, f"{RECIPIENT_V3}recipientId", person)
    return Call("", xml.serialise(envelope), HEADERS, changes=False)


def chunks(people: Iterable[str]) -> list[list[str]]:
    """Askable people in questions of `RECIPIENTS_MAX`."""
    asked = askable(people)
    return [asked[start : start + RECIPIENTS_MAX] for start in range(0, len(asked), RECIPIENTS_MAX)]


def decode(people: Sequence[str], hosts: Collection[str], answer: Answer) -> dict[str, Reachability]:
    """Each of `people` with what the answer says; letters may go to `hosts` alone. Raises `Rejected` or `Unavailable`."""
    found: dict[str, Reachability] = {}
    asked = set(people)
    for row in content(answer, f"{RECIPIENT_V3}isReachableResponse", changes=False):
        status = row.find(f"{RECIPIENT}AccountStatus") if row.tag == f"{RECIPIENT_V3}return" else None
        if status is None:
            raise Rejected("unreadable", "a row without an account")
        person = (status.findtext(f"{RECIPIENT}RecipientId") or "").strip()
        if person not in asked or person in found:
            raise Rejected("another_answer", "a row about somebody not asked about, or twice")
        found[person] = judge(_account(row, status), hosts)
    return {person: found.get(person, _MISSING) for person in people}


def judge(account: Account, hosts: Collection[str]) -> Reachability:
    """The rule, from its table."""
    for condition in RULE:
        if not condition.met(account, hosts):
            return Reachability(None, "", condition.because)
    return Reachability(account.operator, account.address, "reachable")


def _account(row: xml.Element, status: xml.Element) -> Account:
    kind = (status.findtext(f"{RECIPIENT}Type") or "").strip()
    pending, accepted = boolean(status.findtext(f"{RECIPIENT}Pending")), boolean(row.findtext(f"{RECIPIENT}SenderAccepted"))
    if kind not in _KINDS or pending is None or accepted is None:
        raise Rejected("unreadable", "an account's state is none of the known")
    supplier = status.find(f"{RECIPIENT}ServiceSupplier")
    if supplier is None:
        return Account(kind, pending, accepted, False, None, "")
    name = "".join(filter(str.isalpha, (supplier.findtext(f"{RECIPIENT}Name") or "").lower()))
    number = (supplier.findtext(f"{RECIPIENT}Id") or "").strip()
    operator = SUPPLIERS.get(number) or OPERATORS.get(name)
    return Account(kind, pending, accepted, True, operator, (supplier.findtext(f"{RECIPIENT}ServiceAdress") or "").strip())


def _host(text: str) -> str | None:
    """The host of an absolute https address without credentials; http only on this machine, where stand-ins run."""
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        return None
    local = parts.hostname in ("localhost", "127.0.0.1")
    right = (parts.scheme == "https" or (parts.scheme == "http" and local)) and parts.username is None
    return parts.hostname if right and not parts.query and not parts.fragment else None
