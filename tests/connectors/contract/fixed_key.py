"""A fixed RSA key of tests, as its two primes, so that golden signatures stay the same bytes. It guards nothing anywhere."""

from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from connectors.mina_meddelanden.signing import Signatory

_P = int(
    "f6d1432d0888693cf62aa03f31eaaf59be13916348fbd361a446b58435f5ea06e032d6b62605ba140ed48a095da90e26"
    "84407c6321fd435e59bcdf004c072d3918ae436c8bca7e4c51f2ad03bfb73712040d93f88d489dea374806cc8cd2f21a"
    "24b689eba341fe00d7960f4c378975d8a9929e9d4a7db945bb1f20d49886e4bb",
    16,
)
_Q = int(
    "cfcbfa46e7b39bf04542f669dfc536dc399961f8decebe9858f6fac13407483145bf74aa3f6507f7838494c7fd16d052"
    "5fa458e9f44f9db2c21e03fa18a0d82213010e611ff23707e326479c578e389631ccb695a6d255a9a46dc501eeba530e"
    "216e4c354878b7db15dbf9a3c26e46ad5b368dd8c1db04aef96883c720d2ad4d",
    16,
)
_E = 65537


def _key() -> rsa.RSAPrivateKey:
    d = pow(_E, -1, (_P - 1) * (_Q - 1))
    public = rsa.RSAPublicNumbers(_E, _P * _Q)
    return rsa.RSAPrivateNumbers(
        _P, _Q, d, rsa.rsa_crt_dmp1(d, _P), rsa.rsa_crt_dmq1(d, _Q), rsa.rsa_crt_iqmp(_P, _Q), public
    ).private_key()


def signatory(number: str, name: str = "Region Prov") -> Signatory:
    """The fixed key with a certificate of an organisation's; the same bytes each time."""
    key = _key()
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "SE"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, name),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
            x509.NameAttribute(NameOID.SERIAL_NUMBER, number),
        ]
    )
    made = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key()).serial_number(7)
    made = made.not_valid_before(datetime(2026, 1, 1, tzinfo=UTC)).not_valid_after(datetime(2036, 1, 1, tzinfo=UTC))
    return Signatory(key, made.sign(key, hashes.SHA256()))
