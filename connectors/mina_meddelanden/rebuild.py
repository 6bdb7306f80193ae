"""What was signed, from what stands on the wire. Pure.

The sealed delivery travels as `{Service/v3}deliverSecure` within the SOAP body: the root that was signed is not there,
and the stacks in between write prefixes of their own. A receiver has to write it anew in the default-namespace form
(`delivery`); a check in place finds other bytes. Signature elements keep their prefix: it stands in what they signed.
"""

from typing import Final

from connectors.mina_meddelanden.names import DSIG, MESSAGE_V3, SERVICE_V3, SOAP
from schemas import xml
from schemas.errors import Malformed

_LIMITS: Final = xml.Limits(body_bytes_max=4 * 1024 * 1024, markup_max=5_000, attributes_max=60_000, depth_max=32)
"""Attributes are counted as equals signs: base64 may end in two."""
_XML: Final = "{http://www.w3.org/XML/1998/namespace}"


def sealed(document: bytes) -> xml.Element:
    """The `SealedDelivery` of a SOAP request, or of a document that is one. Raises `Malformed`."""
    root = xml.parse(document, _LIMITS)
    if root.tag == f"{SOAP}Envelope":
        found = root.findall(f"{SOAP}Body/{SERVICE_V3}deliverSecure/{SERVICE_V3}deliverSecure")
        if len(found) != 1:
            raise Malformed([("/Envelope/Body/deliverSecure", "should stand there once")])
        root = found[0]
    elif root.tag != f"{MESSAGE_V3}SealedDelivery":
        raise Malformed([("", "is neither a SOAP envelope nor a sealed delivery")])
    return _default_form(root, f"{MESSAGE_V3}SealedDelivery")


def signed(sealed_delivery: xml.Element) -> xml.Element:
    """The `SignedDelivery` within a sealed one, as the document it was. Raises `Malformed`."""
    found = sealed_delivery.findall(f"{MESSAGE_V3}SignedDelivery")
    if len(found) != 1:
        raise Malformed([("/SealedDelivery/SignedDelivery", "should stand there once")])
    return _default_form(found[0], f"{MESSAGE_V3}SignedDelivery")


def _default_form(root: xml.Element, tag: str) -> xml.Element:
    """A copy of `root` named `tag`, read back from its bytes so that no declaration from around it remains."""
    made = _copy(root, tag, None)
    return xml.parse(xml.serialise(made, declaration=False), _LIMITS)


def _copy(node: xml.Element, tag: str, signature: str | None) -> xml.Element:
    """Depth is bounded by the limits of `parse`. `signature` is the prefix within a Signature, where it has one."""
    namespace = tag[1:].partition("}")[0] if tag.startswith("{") else ""
    inside = tag.startswith(DSIG)
    prefix = (node.prefix if inside else None) or None
    made = xml.element(tag, nsmap={prefix: namespace} if namespace else None)
    made.text, made.tail = node.text, node.tail
    for name, value in node.items():
        if str(name).startswith("{") and not str(name).startswith(_XML):
            raise Malformed([("", "has an attribute with a prefix, which no signed form of a delivery has")])
        made.set(name, value)
    for child in node:
        made.append(_copy(child, str(child.tag), prefix))
    return made
