"""The sandbox's own certificates: an authority, a server on loopback, and the hub as a client. Made on first use, kept.

They prove nothing outside this machine; they let every part speak to the stand-ins as it will to the real systems: TLS with a
certificate on both sides. Several parts may start at once, so a whole directory is made beside its place and moved there;
whoever comes second reads what the first one made.
"""

from __future__ import annotations

import ipaddress
import os
import secrets as chance
import shutil
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

FROM: Final = datetime(2020, 1, 1, tzinfo=UTC)
VALID: Final = timedelta(days=365 * 40)
HOSTS: Final = (x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1")))


class Files(NamedTuple):
    """PEM files, readable by their owner only."""

    authority: Path
    server: Path
    server_key: Path
    client: Path
    client_key: Path


def kept(secrets_dir: Path) -> Files:
    """The files, made on first use."""
    place = secrets_dir / "sandbox-peers"
    files = Files(*(place / f"{name.replace('_', '-')}.pem" for name in Files._fields))
    if not place.exists():
        _make(place)
    return files


def server_tls(files: Files) -> ssl.SSLContext:
    """A server whose clients must show a certificate of its authority."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(files.authority))
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(files.server, files.server_key)
    return context


def _make(place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = place.with_name(f".{place.name}.{os.getpid()}.{chance.token_hex(4)}")
    fresh.mkdir(mode=0o700)
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority = _certificate("Sandbox authority", authority_key, None, authority_key)
    _write(fresh / "authority.pem", authority.public_bytes(Encoding.PEM))
    for name, usage in (("server", ExtendedKeyUsageOID.SERVER_AUTH), ("client", ExtendedKeyUsageOID.CLIENT_AUTH)):
        key = ec.generate_private_key(ec.SECP256R1())
        made = _certificate(f"Sandbox {name}", key, (authority, usage), authority_key)
        _write(fresh / f"{name}.pem", made.public_bytes(Encoding.PEM))
        _write(fresh / f"{name}-key.pem", key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    try:
        fresh.rename(place)
    except OSError:  # another part was first
        shutil.rmtree(fresh)
        if not place.exists():
            raise


def _certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    by: tuple[x509.Certificate, x509.ObjectIdentifier] | None,
    signer: ec.EllipticCurvePrivateKey,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by[0].subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(FROM)
        .not_valid_after(FROM + VALID)
        .add_extension(x509.BasicConstraints(ca=by is None, path_length=0 if by is None else None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .add_extension(_key_usage(is_authority=by is None), critical=True)
    )
    if by is not None:
        made = made.add_extension(x509.ExtendedKeyUsage([by[1]]), critical=False)
        made = made.add_extension(x509.SubjectAlternativeName(HOSTS), critical=False)
    return made.sign(signer, hashes.SHA256())


def _key_usage(*, is_authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_authority, key_cert_sign=is_authority, crl_sign=is_authority, content_commitment=False,
        key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _write(path: Path, data: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as out:
        out.write(data)
        out.flush()
        os.fsync(out.fileno())
