"""Mina meddelanden on the wire: structure, signatures and what spoils them, schemas of ours beside the published ones."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from connectors.mina_meddelanden import rebuild, recipients, wire
from connectors.mina_meddelanden.delivery import Attachment, Delivery
from connectors.mina_meddelanden.names import DSIG, MESSAGE, MESSAGE_V2, MESSAGE_V3, RECIPIENTS_MAX, SENDER, SOAP, SOAP_BYTES_MAX
from connectors.mina_meddelanden.options import Options
from connectors.mina_meddelanden.recipients import Account, judge
from connectors.mina_meddelanden.signing import BadSignature, Signatory, check, organisation
from connectors.peer import Answer
from connectors.sandbox.mm_soap import CONTRACTS, schema
from connectors.soap import Contract
from schemas import xml
from schemas.errors import Malformed, Rejected, Uncertain
from tests.connectors.contract.case import GOLDEN
from tests.connectors.contract.certificates import issue
from tests.connectors.contract.fixed_key import signatory
from tests.connectors.contract.mina_meddelanden_case import ADULT, BY, DAY, HOSTS, LETTER, PEOPLE, golden
from tests.connectors.contract.mina_meddelanden_case import SENDER as NUMBER
from tests.connectors.contract.originals import original

AT = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
PUBLISHED = "minameddelanden/src/**/my-messages/"
REQUEST = wire.encode(LETTER, BY, DAY).body


def node(root: xml.Element, path: str) -> xml.Element:
    found = root.find(path)
    assert found is not None, path
    return found


def body_of(data: bytes) -> xml.Element:
    """The content of a SOAP body, as a document of its own."""
    return xml.parse(xml.serialise(node(xml.parse(data), f"{SOAP}Body")[0]))


def signers_of(request: bytes) -> tuple[str, str]:
    """Whose numbers sealed and signed; raises `BadSignature` or `Malformed` as a receiver would."""
    sealed = rebuild.sealed(request)
    return organisation(check(sealed, AT)), organisation(check(rebuild.signed(sealed), AT))


# --- signatures -----------------------------------------------------------------------------------------------------------


def test_a_receiver_who_writes_the_delivery_anew_finds_both_signatures_good() -> None:
    mediator = signatory("162021009990", "Förmedlaren")
    assert signers_of(REQUEST) == (NUMBER, NUMBER)
    assert signers_of(wire.encode(LETTER, BY._replace(mediator=mediator), DAY).body) == ("162021009990", NUMBER)


def test_a_check_in_place_fails_as_the_root_that_was_signed_is_not_on_the_wire() -> None:
    """Notes 1.7 point 4; were it not so, `rebuild` would be needless."""
    found = body_of(REQUEST)[0]
    with pytest.raises(BadSignature):
        check(xml.parse(xml.serialise(found)), AT)


def test_a_stack_in_between_may_write_its_own_prefixes() -> None:
    text = REQUEST.decode()
    prefixed = text.replace(
        '<deliverSecure xmlns="http://minameddelanden.gov.se/schema/Service/v3"><deliverSecure>',
        '<s:deliverSecure xmlns:s="http://minameddelanden.gov.se/schema/Service/v3"><s:deliverSecure xmlns:x="urn:x">',
    ).replace("</deliverSecure></deliverSecure>", "</s:deliverSecure></s:deliverSecure>")
    assert prefixed != text and signers_of(prefixed.encode()) == (NUMBER, NUMBER)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (ADULT, "197508099806"),
        ("Du har fått en kallelse", "Du har fått ett brev"),
        (">Region Prov</Name>", ">Region Pröv</Name>"),
        ("PCFET0NUWVBFIGh0bWw+", "PCFET0NUWVBFIGh0bWw/"),
        ("JVBERi0xLjcKJXByb3YK", "JVBERi0xLjcKJXByb3YL"),
        ("kallelse.pdf", "kallelsf.pdf"),
        (">2026-03-02<", ">2026-03-03<"),
        (">true<", ">false<"),
        ("<Message><Header>", "<Message><!-- --><Header x=''>"),
        ("<Language>", "<Language>\n"),
    ],
)  # fmt: skip
def test_whatever_is_changed_in_a_delivery_spoils_a_signature(old: str, new: str) -> None:
    changed = REQUEST.decode().replace(old, new, 1)
    assert changed != REQUEST.decode()
    with pytest.raises((BadSignature, Malformed)):
        signers_of(changed.encode())


SIGNED_INFO: list[tuple[str, Callable[[xml.Element], Any]]] = [
    ("a reference to a part", lambda s: node(s, f"{DSIG}SignedInfo/{DSIG}Reference").set("URI", "#part")),
    ("a second transform", lambda s: node(s, f".//{DSIG}Transforms").append(node(s, f".//{DSIG}Transform").__copy__())),
    ("another transform", lambda s: node(s, f".//{DSIG}Transform").set("Algorithm", "http://www.w3.org/TR/1999/REC-xslt-19991116")),
    ("a weaker digest", lambda s: node(s, f".//{DSIG}DigestMethod").set("Algorithm", "http://www.w3.org/2000/09/xmldsig#sha1")),
    ("a weaker signature", lambda s: node(s, f".//{DSIG}SignatureMethod").set("Algorithm", "http://www.w3.org/2000/09/xmldsig#rsa-sha1")),
    ("no certificate", lambda s: node(s, f".//{DSIG}X509Data").remove(node(s, f".//{DSIG}X509Certificate"))),
    ("a certificate that is none", lambda s: setattr(node(s, f".//{DSIG}X509Certificate"), "text", "AAAA")),
    ("a second reference", lambda s: node(s, f"{DSIG}SignedInfo").append(node(s, f".//{DSIG}Reference").__copy__())),
    ("a signature of no base64", lambda s: setattr(node(s, f"{DSIG}SignatureValue"), "text", "=?=")),
]


@pytest.mark.parametrize(("name", "spoil"), SIGNED_INFO, ids=[name for name, _ in SIGNED_INFO])
def test_a_signature_of_another_shape_is_not_taken(name: str, spoil: Callable[[xml.Element], Any]) -> None:
    """Signature wrapping: what is shown must be what was signed, so only the one agreed shape is looked at."""
    sealed = rebuild.sealed(REQUEST)
    spoil(sealed[-1])
    with pytest.raises(BadSignature):
        check(sealed, AT)


def test_a_signature_that_is_not_the_last_child_or_not_alone_is_not_taken() -> None:
    sealed = rebuild.sealed(REQUEST)
    sealed.insert(0, sealed[-1])
    with pytest.raises(BadSignature, match="last child"):
        check(sealed, AT)
    sealed = rebuild.sealed(REQUEST)
    sealed.append(sealed[-1].__copy__())
    with pytest.raises(BadSignature, match="last child"):
        check(sealed, AT)


def test_a_certificate_that_is_not_valid_yet_or_any_more_signs_nothing() -> None:
    for at in (AT.replace(year=2025), AT.replace(year=2037)):
        with pytest.raises(BadSignature):
            check(rebuild.sealed(REQUEST), at)


def test_the_published_golden_delivery_verifies_and_its_broken_twin_does_not() -> None:
    """The published pair is DIGG's test data: the certificate of `Kommun A` was valid until 2021."""
    at = datetime(2020, 6, 1, tzinfo=UTC)
    sealed = rebuild.sealed(original("**/SealedDeliveryWithSignature.xml").read_bytes())
    assert organisation(check(sealed, at)) == organisation(check(rebuild.signed(sealed), at)) == "162021004748"
    broken = xml.parse(original("**/SignedDeliveryWithSignature.xml").read_bytes())
    holder = xml.element(f"{MESSAGE_V3}SealedDelivery", nsmap={None: MESSAGE_V3[1:-1]})
    holder.append(broken)
    with pytest.raises(BadSignature, match="InvalidSignature"):
        check(rebuild.signed(holder), at)


def test_deliveries_that_others_signed_verify() -> None:
    for name in ("mm-sealed-delivery-sandbox.xml", "mm-deliverSecure-v3-request.xml"):
        sealed = rebuild.sealed(original(f"samples/{name}").read_bytes())
        at = datetime(2026, 11, 1, tzinfo=UTC)
        assert organisation(check(sealed, at)) == organisation(check(rebuild.signed(sealed), at)) == "162021004748"


# --- keys -----------------------------------------------------------------------------------------------------------------


def pem_files(folder: Path, by: Signatory) -> tuple[Path, Path]:
    key, certificate = folder / "a.key", folder / "a.crt"
    key.write_bytes(by.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    certificate.write_bytes(by.certificate.public_bytes(Encoding.PEM))
    return key, certificate


def test_keys_are_read_from_files_and_what_is_wrong_names_the_file(tmp_path: Path) -> None:
    key, certificate = pem_files(tmp_path, BY.sender)
    read = Signatory.read(key, certificate)
    assert read.organisation == NUMBER and wire.encode(LETTER, wire.Signatories(read, read), DAY).body == REQUEST
    options = Options("https://far.invalid/", HOSTS, NUMBER, "Region Prov", key, certificate, key, certificate)
    assert options.signatories().mediator.organisation == NUMBER
    with pytest.raises(ValueError, match="sender_certificate_file"):
        replace(options, sender="162021004748").signatories()
    with pytest.raises(ValueError, match=r"a\.crt"):
        Signatory.read(certificate, certificate)
    small = issue("x", NUMBER, bits=1024)
    with pytest.raises(ValueError, match="RSA key of at least"):
        Signatory.read(*pem_files(tmp_path, Signatory(small.key, small.certificate)))
    other = issue("x", NUMBER)
    pem_files(tmp_path, BY.sender)
    certificate.write_bytes(other.certificate.public_bytes(Encoding.PEM))
    with pytest.raises(ValueError, match="is not the certificate of"):
        Signatory.read(key, certificate)
    assert "PRIVATE" not in repr(read) and "key" not in repr(read)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"far_url": "ftp://x"}, "far_url"), ({"far_url": ""}, "far_url"), ({"far_url": "http://digg.invalid"}, "without TLS"),
        ({"allowed_hosts": ()}, "allowed_hosts"), ({"sender": "2321000016"}, "sender"),
    ],
)  # fmt: skip
def test_options_that_cannot_be_right_are_refused(wrong: dict[str, Any], told: str) -> None:
    right: dict[str, Any] = {"far_url": "https://far.invalid", "allowed_hosts": HOSTS, "sender": NUMBER, "sender_name": "Region Prov"}
    files = dict.fromkeys(("sender_key_file", "sender_certificate_file", "mediator_key_file", "mediator_certificate_file"), Path("x"))
    with pytest.raises(ValueError, match=told):
        Options(**(right | files | wrong))


def test_a_letter_is_not_signed_with_another_organisations_certificate() -> None:
    with pytest.raises(ValueError, match="another organisation"):
        wire.encode(LETTER, BY._replace(sender=signatory("162021004748")), DAY)


# --- structure ------------------------------------------------------------------------------------------------------------


def test_a_letter_is_inside_as_it_was_given() -> None:
    signed = rebuild.signed(rebuild.sealed(REQUEST))
    head = node(signed, f"{MESSAGE_V3}Delivery/{MESSAGE_V3}Header")
    assert head.findtext(f"{MESSAGE_V2}Recipient") == ADULT
    assert head.findtext(f"{MESSAGE_V2}Sender/{SENDER}Id") == NUMBER
    assert head.findtext(f"{MESSAGE_V2}Reference") == head.findtext(f"{MESSAGE_V2}CorrelationId") == LETTER.reference
    attachment = node(signed, f".//{MESSAGE_V3}Attachment")
    assert [child.tag.rpartition("}")[2] for child in attachment] == ["ContentType", "Body", "Checksum", "Filename"]
    assert attachment.findtext(f"{MESSAGE}Filename") == "kallelse.pdf"


def test_a_request_beyond_two_megabytes_is_too_large_for_this_channel() -> None:
    """C10: refused by this channel, so the next is tried. Base64 makes four bytes of three."""
    room = (SOAP_BYTES_MAX - len(REQUEST)) * 3 // 4
    fits = replace(LETTER, attachments=(Attachment("a.pdf", b"%PDF-" + b"x" * (room - 2_000)),))
    assert SOAP_BYTES_MAX - 4_000 < len(wire.encode(fits, BY, DAY).body) <= SOAP_BYTES_MAX
    with pytest.raises(Rejected, match="too_large"):
        wire.encode(replace(fits, attachments=(*fits.attachments, Attachment("b.pdf", b"%PDF-" + b"x" * 4_000))), BY, DAY)


@pytest.mark.parametrize(
    "wrong",
    [
        {"recipient": "991981000010"}, {"recipient": "98240301AA06"}, {"sender": "1"}, {"sender_name": "x"}, {"message_id": ""},
        {"reference": ""}, {"subject": ""}, {"subject": "x" * 256}, {"support": "x" * 1025}, {"phone": "0" * 256}, {"body": b""},
        {"body_type": "text/rtf"}, {"attachments": (Attachment("", b"x"),)}, {"attachments": (Attachment("x", b"x", "image/png"),)},
    ],
    ids=str,
)  # fmt: skip
def test_what_the_contract_does_not_take_is_found_before_it_is_signed(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="not a letter"):
        replace(LETTER, **wrong)


def test_a_letter_is_not_printed() -> None:
    shown = repr(LETTER)
    assert ADULT not in shown and "kallelse" not in shown and "Välkommen" not in shown
    assert isinstance(LETTER, Delivery)


# --- answers --------------------------------------------------------------------------------------------------------------


def test_a_receipt_for_another_or_for_several_is_no_receipt() -> None:
    answer = golden("deliver-secure")
    for body in (
        answer.body.replace(ADULT.encode(), b"197508099806"),
        answer.body.replace(b"<s:Status>", b"<s:Status><s:RecipientId>197508099806</s:RecipientId></s:Status><s:Status>", 1),
    ):
        assert body != answer.body
        with pytest.raises(Uncertain, match="another_answer"):
            wire.decode(ADULT, Answer(200, body, {}))


@pytest.mark.parametrize(
    ("changed", "because"),
    [
        ({}, "reachable"), ({"kind": "Not"}, "no_mailbox"), ({"kind": "Anonymous"}, "no_mailbox"), ({"pending": True}, "pending"),
        ({"sender_accepted": False}, "sender_not_accepted"), ({"supplier": False}, "no_supplier"), ({"operator": None}, "unknown_operator"),
        ({"address": ""}, "no_address"), ({"address": "http://mmp.invalid/x"}, "no_address"),
        ({"address": "ftp://mmp.invalid/x"}, "no_address"),
        ({"address": "https://us:er@mmp.invalid/x"}, "no_address"), ({"address": "https://mmp.invalid:x/"}, "no_address"),
        ({"address": "https://mmp.invalid/?to=1"}, "no_address"), ({"address": "https://mmp.invalid.evil.invalid/x"}, "host_not_allowed"),
        ({"address": "https://evil.invalid/mmp.invalid"}, "host_not_allowed"), ({"address": "http://127.0.0.1/x"}, "host_not_allowed"),
        ({"address": "https://MMP.invalid/x"}, "reachable"),
    ],
    ids=str,
)  # fmt: skip
def test_a_mailbox_is_reachable_only_if_every_row_of_the_rule_is_met(changed: dict[str, Any], because: str) -> None:
    account = replace(Account("Secure", False, True, True, "minmyndighetspost", "https://mmp.invalid/service/v3"), **changed)
    found = judge(account, HOSTS)
    assert found.because == because and found.reachable == (because == "reachable") and bool(found.address) == found.reachable


def test_an_operator_is_known_by_its_number_before_its_name() -> None:
    """Somebody called Kivra with another's number is that other; an unknown name and number is nobody we speak to."""
    answer = golden("is-reachable")
    billo = Answer(200, answer.body.replace(b"165568402266", b"165591386718"), {})
    assert recipients.decode(PEOPLE, HOSTS, billo)[ADULT].operator == "billo"
    stranger = Answer(200, answer.body.replace(b"165568402266", b"162021000000").replace(b">Kivra<", b">Kivra AB<"), {})
    assert recipients.decode(PEOPLE, HOSTS, stranger)[ADULT].because == "unknown_operator"


def test_people_are_asked_about_once_in_questions_that_the_service_takes_and_reserve_numbers_never() -> None:
    people = [f"19800101{number:04}" for number in range(2 * RECIPIENTS_MAX + 1)]
    chunks = recipients.chunks([*people, *people, "991981000010", "98240301AA06", "nobody"])
    assert [len(chunk) for chunk in chunks] == [RECIPIENTS_MAX, RECIPIENTS_MAX, 1] and list(chain(*chunks)) == people
    for wrong in (people, ["991981000010"], [people[0], people[0]]):
        with pytest.raises(ValueError, match="chunks"):
            recipients.encode(NUMBER, wrong)


def test_answers_that_others_published_are_read() -> None:
    """Fixtures of another mediator's: three people, each with another state, and a receipt."""
    folder = "minameddelanden/src/integration-test/**"
    body = original(f"{folder}/test2*/response/recipient.xml").read_bytes()
    people = ["200001102391", "201001212388", "201301172399"]
    found = recipients.decode(people, {"mm.kivra.com"}, Answer(200, body, {}))
    assert [found[person].because for person in people] == ["reachable", "sender_not_accepted", "no_mailbox"]
    assert found[people[0]].address == "https://mm.kivra.com/service/v3"
    receipt = original(f"{folder}/test1*/response/deliverSecure.xml").read_bytes()
    recipient = receipt.decode().partition("RecipientId>")[2][:12]
    assert wire.decode(recipient, Answer(200, receipt, {})).transaction == "3832352f-fa74-4c17-ab6a-a6e3ab8324f3"


# --- schemas --------------------------------------------------------------------------------------------------------------

EXCHANGES = {"is-reachable": "recipient-v3.xsd", "deliver-secure": "service-v3.xsd", "not-delivered": "service-v3.xsd"}
PUBLISHED_NAME = {"recipient-v3.xsd": "schema/v3/Recipient.xsd", "service-v3.xsd": "schema/v3/Service.xsd"}


def messages() -> list[tuple[str, xml.Element]]:
    """Every golden message with the schema of its content."""
    found = [(EXCHANGES[name], body_of(golden(name).body)) for name in EXCHANGES]
    for name in ("is-reachable", "deliver-secure"):
        raw = (GOLDEN / "mina_meddelanden" / f"{name}.request.http").read_bytes().partition(b"\n\n")[2]
        found.append((EXCHANGES[name], body_of(raw)))
    return found


def verdict(check_by: xml.Schema, root: xml.Element) -> bool:
    try:
        check_by.check(root)
    except Malformed:
        return False
    return True


def test_golden_messages_follow_our_schemas() -> None:
    for name, root in messages():
        schema(name).check(root)
    detail = node(body_of(golden("fault").body), "detail")
    schema("common-v3.xsd").check(xml.parse(xml.serialise(detail[0])))


def test_golden_messages_follow_the_published_schemas() -> None:
    for name, root in messages():
        xml.Schema(original(PUBLISHED + PUBLISHED_NAME[name])).check(root)
    detail = node(body_of(golden("fault").body), "detail")
    xml.Schema(original(PUBLISHED + "schema/v3/Common.xsd")).check(xml.parse(xml.serialise(detail[0])))


def spoilt(root: xml.Element) -> list[tuple[bool, xml.Element]]:
    """The message with each element in turn left out, doubled, moved before its sibling, renamed, given other texts; and
    whether that was within a signature."""
    data, found = xml.serialise(root), []
    for place in range(1, len(list(root.iter()))):
        for spoil in (_remove, _double, _swap, _rename, *(_say(text) for text in TEXTS)):
            fresh = xml.parse(data)
            of = list(fresh.iter())[place]
            found.append((str(of.tag).startswith(DSIG), fresh))
            spoil(of)
    return found


TEXTS = ("", "x", "x" * 2_000, "991981000010", "162321000016", "2026-03-02", "true", "2")


def _parent(of: xml.Element) -> xml.Element:
    parent = of.getparent()
    assert parent is not None
    return parent


def _remove(of: xml.Element) -> None:
    _parent(of).remove(of)


def _double(of: xml.Element) -> None:
    of.addnext(of.__copy__())


def _swap(of: xml.Element) -> None:
    before = of.getprevious()
    if before is not None:
        of.addnext(before)


def _rename(of: xml.Element) -> None:
    of.tag = f"{of.tag}X"


def _say(text: str) -> Callable[[xml.Element], None]:
    def say(of: xml.Element) -> None:
        if len(of) == 0:
            of.text = text

    return say


def test_our_schemas_and_the_published_ones_take_and_refuse_the_same_spoilt_messages() -> None:
    """But for signatures, where ours take the one agreed shape alone: there they may refuse more, never less."""
    refused = 0
    for name, root in messages():
        ours, theirs = schema(name), xml.Schema(original(PUBLISHED + PUBLISHED_NAME[name]))
        for in_signature, changed in spoilt(root):
            here, there = verdict(ours, changed), verdict(theirs, changed)
            refused += not there
            assert here == there or (in_signature and there and not here), xml.serialise(changed)[:2_000]
    assert refused > 300


@pytest.mark.parametrize(
    ("file", "operation", "published"), [("recipient", "isReachable", "Recipient"), ("service", "deliverSecure", "Service")]
)
def test_our_wsdl_has_the_operation_as_the_published_one_does(file: str, operation: str, published: str) -> None:
    def shape(path: Path, contract_is_ours: bool) -> list[str]:
        """Target namespace, style, action and the elements of request, answer and fault."""
        root = xml.parse(path.read_bytes())
        wsdl, soap = "{http://schemas.xmlsoap.org/wsdl/}", "{http://schemas.xmlsoap.org/wsdl/soap/}"
        found = [root.get("targetNamespace") or ""]
        port = next(each for each in root.iter(f"{wsdl}portType") if contract_is_ours or (each.get("name") or "").endswith("v3"))
        for part in node(port, f"{wsdl}operation[@name='{operation}']"):
            message = node(root, f"{wsdl}message[@name='{(part.get('message') or '').partition(':')[2]}']/{wsdl}part")
            prefix, _, name = (message.get("element") or "").partition(":")
            found.append(f"{part.tag} {{{root.nsmap[prefix]}}}{name}")
        for binding in root.iter(f"{wsdl}binding"):
            bound = binding.find(f"{wsdl}operation[@name='{operation}']/{soap}operation")
            if bound is not None:
                found += [node(binding, f"{soap}binding").get("style") or "", bound.get("soapAction") or ""]
        return found

    ours = CONTRACTS / f"{file}.wsdl"
    assert len(shape(ours, True)) == 6 and shape(ours, True) == shape(original(f"{PUBLISHED}{published}.wsdl"), False)


def test_our_wsdl_loads_and_writes_the_question_that_we_write() -> None:
    written = Contract(CONTRACTS / "recipient.wsdl", "isReachable").encode({"senderOrgNr": NUMBER, "recipientId": PEOPLE})
    assert xml.canonical(_plain(body_of(written))) == xml.canonical(_plain(body_of(recipients.encode(NUMBER, PEOPLE).body)))


def _plain(root: xml.Element) -> xml.Element:
    """Without prefixes, which differ."""
    made = xml.element(str(root.tag), root.text, nsmap={None: str(root.tag)[1:].partition("}")[0]})
    for child in root:
        made.append(_plain(child))
    return made
