"""Mutual TLS: a certificate of a CA that the settings trust, mapped to a client by its common name."""

import datetime
import ssl
from pathlib import Path

import aiohttp
import orjson
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from config.settings import Settings, TlsTable
from connectors.gateway.__main__ import tls_of
from connectors.gateway.assembly import assemble
from connectors.gateway.options import Limits
from connectors.gateway.web import Server
from tests.connectors.gateway_support import EVENTS, STRUCTURED, Log, event, ports_with, until

NOW = datetime.datetime.now(datetime.UTC)


def certificate(directory: Path, name: str, signer: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None = None):  # type: ignore[no-untyped-def]
    """A certificate and key as files; self-signed (a CA) without a signer."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    issuer, signing = (signer[0].subject, signer[1]) if signer else (subject, key)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - datetime.timedelta(hours=1))
        .not_valid_after(NOW + datetime.timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=signer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(signing, hashes.SHA256())
    )
    (directory / f"{name}.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (directory / f"{name}.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return made, key


@pytest.mark.parametrize(
    ("client", "status"),
    [("takecare.example", 202), ("stranger.example", 401), (None, 401)],
)
async def test_a_client_certificate_names_the_client(tmp_path: Path, client: str | None, status: int) -> None:
    ca = certificate(tmp_path, "ca")
    certificate(tmp_path, "gateway", ca)
    tls = TlsTable(
        certificate_file=str(tmp_path / "gateway.pem"),
        key_file=str(tmp_path / "gateway.key"),
        client_ca_file=str(tmp_path / "ca.pem"),
    )
    theirs = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    if client is not None:
        certificate(tmp_path, client, ca)
        theirs.load_cert_chain(tmp_path / f"{client}.pem", tmp_path / f"{client}.key")
    log = Log()
    limits = Limits()
    app, publisher = assemble(ports_with(log, limits, client_of_certificate={"takecare.example": "ehr-takecare"}))
    server = Server(app, limits)
    publisher.start()
    await until(lambda: publisher.ready)
    await server.start("127.0.0.1", 0, tls_of(Settings(tls=tls)))
    try:
        async with aiohttp.ClientSession() as session:
            answer = await session.post(
                f"https://localhost:{server.port}{EVENTS}",
                data=orjson.dumps(event()),
                headers={"Content-Type": STRUCTURED},
                ssl=theirs,
            )
            assert answer.status == status
            answer.close()
    finally:
        await server.stop()
        await publisher.stop()


async def test_a_certificate_of_another_ca_does_not_get_through_the_handshake(tmp_path: Path) -> None:
    ca, other = certificate(tmp_path, "ca"), certificate(tmp_path, "other")
    certificate(tmp_path, "gateway", ca)
    certificate(tmp_path, "takecare.example", other)
    tls = TlsTable(
        certificate_file=str(tmp_path / "gateway.pem"),
        key_file=str(tmp_path / "gateway.key"),
        client_ca_file=str(tmp_path / "ca.pem"),
    )
    theirs = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    theirs.load_cert_chain(tmp_path / "takecare.example.pem", tmp_path / "takecare.example.key")
    limits = Limits()
    app, publisher = assemble(ports_with(Log(), limits))
    server = Server(app, limits)
    await server.start("127.0.0.1", 0, tls_of(Settings(tls=tls)))
    try:
        async with aiohttp.ClientSession() as session:
            with pytest.raises((aiohttp.ClientError, ConnectionError)):
                await session.post(f"https://localhost:{server.port}{EVENTS}", data=b"{}", ssl=theirs)
    finally:
        await server.stop()
        await publisher.stop()
