"""XML signatures of deliveries (XML-DSig core, enveloped), made and checked. The one door for signxml. Pure.

Shape (notes 1.7, the same in two other clients and in the published sample): one reference to the whole document, the
enveloped-signature transform alone, exclusive C14N of SignedInfo, rsa-sha256, sha256, the certificate with its subject.
Without a C14N transform the digest is over inclusive C14N; in the default-namespace form both give the same bytes.

Whether a certificate is trusted is not asked here: a checker tells whose it says it is, its caller decides.
"""

import base64
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final, Self

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import NameOID
from signxml.algorithms import CanonicalizationMethod, DigestAlgorithm, SignatureConstructionMethod, SignatureMethod
from signxml.exceptions import SignXMLException
from signxml.signer import XMLSigner
from signxml.verifier import SignatureConfiguration, XMLVerifier

from connectors.mina_meddelanden.names import DSIG
from schemas import xml
from schemas.errors import Malformed

_DSIG: Final = DSIG[1:-1]
_ENVELOPED: Final = f"{_DSIG}enveloped-signature"
RSA_BITS_MIN: Final = 2_048
_LIMITS: Final = xml.Limits(body_bytes_max=4 * 1024 * 1024, markup_max=5_000, attributes_max=60_000, depth_max=32)


class BadSignature(ValueError):
    """A signature that does not hold, or has not the agreed shape. The reason is safe to log."""


@dataclass(frozen=True, slots=True)
class Signatory:
    """A key and its certificate, whose subject has the organisation's number (`serialNumber=16…`)."""

    key: RSAPrivateKey = field(repr=False)
    certificate: x509.Certificate = field(repr=False)

    @classmethod
    def read(cls, key_file: Path, certificate_file: Path) -> Self:
        """From PEM files. Raises `ValueError`, naming the file, where they are not an RSA key and its certificate; `OSError`."""
        try:
            key = load_pem_private_key(key_file.read_bytes(), password=None)
            certificate = x509.load_pem_x509_certificate(certificate_file.read_bytes())
        except (ValueError, TypeError):
            raise ValueError(f"{key_file}, {certificate_file}: should be a PEM key without password and a PEM certificate") from None
        if not isinstance(key, RSAPrivateKey) or key.key_size < RSA_BITS_MIN:
            raise ValueError(f"{key_file}: should be an RSA key of at least {RSA_BITS_MIN} bits, as deliveries are signed with rsa-sha256")
        if certificate.public_key() != key.public_key():
            raise ValueError(f"{certificate_file}: is not the certificate of {key_file}")
        return cls(key, certificate)

    @property
    def organisation(self) -> str:
        return organisation(self.certificate)


def organisation(certificate: x509.Certificate) -> str:
    """The number in the subject's `serialNumber`, empty if there is none or more than one."""
    found = certificate.subject.get_attributes_for_oid(NameOID.SERIAL_NUMBER)
    return str(found[0].value) if len(found) == 1 else ""


def sign(document: xml.Element, by: Signatory) -> xml.Element:
    """The document with its signature as last child, read back from its bytes. The same input gives the same bytes."""
    signer = XMLSigner(
        method=SignatureConstructionMethod.enveloped,
        signature_algorithm=SignatureMethod.RSA_SHA256,
        digest_algorithm=DigestAlgorithm.SHA256,
        c14n_algorithm=CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0,
    )
    signer.namespaces = {None: _DSIG}  # type: ignore[dict-item]  # the default namespace, as the library's own words have it
    key_info = xml.element(f"{DSIG}KeyInfo", nsmap={None: _DSIG})
    data = xml.child(key_info, f"{DSIG}X509Data")
    xml.child(data, f"{DSIG}X509SubjectName", by.certificate.subject.rfc4514_string({NameOID.SERIAL_NUMBER: "SERIALNUMBER"}))
    xml.child(data, f"{DSIG}X509Certificate", base64.b64encode(by.certificate.public_bytes(Encoding.DER)).decode())
    made = signer.sign(document, key=by.key, cert=[by.certificate], key_info=key_info, exclude_c14n_transform_element=True)
    return xml.parse(xml.serialise(made, declaration=False), _LIMITS)


def check(document: xml.Element, at: datetime) -> x509.Certificate:
    """The certificate whose key signed this whole document, valid at `at`. Raises `BadSignature`.

    Only the agreed shape is looked at: a reference to anything but the whole document, or a further transform, would
    let somebody sign one thing and show another (signature wrapping).
    """
    signatures = document.findall(f"{DSIG}Signature")
    if len(signatures) != 1 or document[-1] is not signatures[0]:
        raise BadSignature("the signature is not the last child, once")
    references = signatures[0].findall(f"{DSIG}SignedInfo/{DSIG}Reference")
    if len(references) != 1 or references[0].get("URI") != "":
        raise BadSignature("what is signed is not the whole document")
    transforms = references[0].findall(f"{DSIG}Transforms/{DSIG}Transform")
    if [transform.get("Algorithm") for transform in transforms] != [_ENVELOPED]:
        raise BadSignature("the transforms are not the agreed one")
    certificate = _certificate(signatures[0])
    try:
        XMLVerifier().verify(
            document,
            x509_cert=certificate,
            expect_config=SignatureConfiguration(
                location="./",
                expect_references=1,
                signature_methods=frozenset({SignatureMethod.RSA_SHA256}),
                digest_algorithms=frozenset({DigestAlgorithm.SHA256}),
                verification_time=at,
            ),
        )
    except (SignXMLException, xml.LibraryError, ValueError, TypeError) as fault:
        raise BadSignature(type(fault).__name__) from None
    return certificate


def _certificate(signature: xml.Element) -> x509.Certificate:
    found = signature.findall(f"{DSIG}KeyInfo/{DSIG}X509Data/{DSIG}X509Certificate")
    try:
        if len(found) != 1:
            raise Malformed([("", "has not one certificate")])
        return x509.load_der_x509_certificate(base64.b64decode((found[0].text or "").encode(), validate=False))
    except ValueError:
        raise BadSignature("the certificate cannot be read") from None
