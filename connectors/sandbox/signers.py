"""Who signs and seals letters in the sandbox: a test authority, and RSA keys with certificates of a sender and a mediator.

Made once, beside the hub's other secrets; whichever process is first makes them, the others find them (the directory
appears whole or not at all). The authority's key is not kept: nobody can make a further mediator that the stand-ins
would trust. Deliveries are signed with rsa-sha256, so the keys are RSA.
"""

import os
import shutil
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import mkdtemp
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

MEDIATOR: Final = "162021009990"
"""The stand-in mediator's organisation number; no body has it."""
RSA_BITS: Final = 2_048
VALID_FROM: Final = datetime(2020, 1, 1, tzinfo=UTC)
VALID_FOR: Final = timedelta(days=365 * 80)
"""The sandbox's clock may be moved by years."""


@dataclass(frozen=True, slots=True)
class Files:
    """Where they lie; the first four under the names that the settings `[peers.mina_meddelanden]` have."""

    sender_key_file: Path
    sender_certificate_file: Path
    mediator_key_file: Path
    mediator_certificate_file: Path
    authority_file: Path


@dataclass(frozen=True, slots=True)
class Trust:
    """What the stand-in operators check signatures by."""

    authority: x509.Certificate
    mediator: str
    """The organisation number of the one mediator that is registered with them."""


def files(secrets: Path, sender: str) -> Files:
    """The paths of a sender's, whether or not they are there yet."""
    folder = secrets / f"mina-meddelanden-{sender}"
    return Files(folder / "sender.key", folder / "sender.crt", folder / "mediator.key", folder / "mediator.crt", folder / "authority.crt")


def kept(secrets: Path, sender: str) -> Files:
    """The files of a sender's, made on first use. Takes about a second then."""
    found = files(secrets, sender)
    folder = found.authority_file.parent
    if folder.is_dir():
        return found
    secrets.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = Path(mkdtemp(prefix=".mina-meddelanden-", dir=secrets))
    try:
        _make(fresh, found, sender)
        try:
            fresh.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise  # else another process was first: theirs count
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return found


def trust(found: Files) -> Trust:
    """For the stand-in operators."""
    return Trust(x509.load_pem_x509_certificate(found.authority_file.read_bytes()), MEDIATOR)


def _make(folder: Path, names: Files, sender: str) -> None:
    authority_key = _key()
    subject = _subject("Sandbox test authority", "")
    authority = _certificate(authority_key, subject, authority_key, subject, authority=True)
    made = {
        "sender": _issued(_subject("Sandbox sender", sender), authority_key, subject),
        "mediator": _issued(_subject("Sandbox mediator", MEDIATOR), authority_key, subject),
    }
    pem = {"authority_file": authority.public_bytes(Encoding.PEM)}
    for name, (key, certificate) in made.items():
        pem[f"{name}_key_file"] = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        pem[f"{name}_certificate_file"] = certificate.public_bytes(Encoding.PEM)
    for name, path in asdict(names).items():
        with os.fdopen(os.open(folder / path.name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            out.write(pem[name])


def _issued(subject: x509.Name, by: RSAPrivateKey, issuer: x509.Name) -> tuple[RSAPrivateKey, x509.Certificate]:
    key = _key()
    return key, _certificate(key, subject, by, issuer, authority=False)


def _certificate(key: RSAPrivateKey, subject: x509.Name, by: RSAPrivateKey, issuer: x509.Name, *, authority: bool) -> x509.Certificate:
    made = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    made = made.serial_number(x509.random_serial_number()).not_valid_before(VALID_FROM).not_valid_after(VALID_FROM + VALID_FOR)
    return made.add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True).sign(by, hashes.SHA256())


def _subject(name: str, number: str) -> x509.Name:
    """With the number where receivers look for it (`serialNumber=16…`)."""
    parts = [(NameOID.COUNTRY_NAME, "SE"), (NameOID.ORGANIZATION_NAME, name), (NameOID.COMMON_NAME, name)]
    if number:
        parts.append((NameOID.SERIAL_NUMBER, number))
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in parts])


def _key() -> RSAPrivateKey:
    return generate_private_key(public_exponent=65_537, key_size=RSA_BITS)
