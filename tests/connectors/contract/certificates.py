"""Throwaway certificates for tests: an authority, a server `localhost`, and an organisation with its number."""

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

FROM = datetime(2020, 1, 1, tzinfo=UTC)


@dataclass
class Issued:
    certificate: x509.Certificate
    key: rsa.RSAPrivateKey

    def pem(self) -> bytes:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + self.certificate.public_bytes(Encoding.PEM)


@dataclass
class Certificates:
    """TLS contexts of both sides."""

    server: ssl.SSLContext
    client: ssl.SSLContext
    without_certificate: ssl.SSLContext
    stranger_to_us: ssl.SSLContext
    """A client that does not know the server's authority."""


def issue(common: str, number: str, by: Issued | None = None, days: int = 365 * 30, start: datetime = FROM, bits: int = 2048) -> Issued:
    """A certificate whose subject has `serialNumber=<number>`; self-signed without `by`."""
    key = rsa.generate_private_key(65537, bits)
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "SE"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, common),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
            x509.NameAttribute(NameOID.SERIAL_NUMBER, number),
        ]
    )
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.certificate.subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=by is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(by.key if by else key, hashes.SHA256())
    )
    return Issued(made, key)


def certificates(folder: Path) -> Certificates:
    """All four contexts, with one authority."""
    authority = issue("Test CA", "0")
    paths = {}
    for name, issued in (
        ("ca", authority),
        ("server", issue("localhost", "1", authority)),
        ("us", issue("Region", "162321000016", authority)),
    ):
        paths[name] = folder / f"{name}.pem"
        paths[name].write_bytes(issued.pem())
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=paths["ca"])
    server.verify_mode = ssl.CERT_REQUIRED
    server.load_cert_chain(paths["server"])
    client = ssl.create_default_context(cafile=paths["ca"])
    client.load_cert_chain(paths["us"])
    bare = ssl.create_default_context(cafile=paths["ca"])
    stranger = ssl.create_default_context()
    stranger.load_cert_chain(paths["us"])
    return Certificates(server, client, bare, stranger)
