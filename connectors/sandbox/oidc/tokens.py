"""Signing: the issuer's RSA key, made on first use and kept, its JWKS (RFC 7517), and the tokens (RFC 9068, OIDC Core 2).

Times are the wall clock's: a token is about who logged in now, and must not expire because the hub's clock was moved.
"""

import os
from base64 import urlsafe_b64encode
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import jwt
import orjson
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from connectors.sandbox.oidc.accounts import User

RSA_BITS: Final = 2_048
LIFETIME: Final = timedelta(hours=1)
KEY_FILE: Final = "sandbox-oidc.pem"
SCOPE: Final = "hub"


class Signer:
    """Makes tokens of one issuer for one audience."""

    def __init__(self, key: rsa.RSAPrivateKey, issuer: str, audience: str) -> None:
        self._key = key
        self.issuer = issuer
        self.audience = audience
        numbers = key.public_key().public_numbers()
        public = {"e": _base64(numbers.e), "kty": "RSA", "n": _base64(numbers.n)}
        thumbprint = sha256(orjson.dumps(public, option=orjson.OPT_SORT_KEYS)).digest()  # RFC 7638
        self.kid = urlsafe_b64encode(thumbprint).rstrip(b"=").decode()
        self.jwks: dict[str, Any] = {"keys": [{**public, "use": "sig", "alg": "RS256", "kid": self.kid}]}

    def access_token(self, client: str, now: datetime, user: User | None = None, reader: str | None = None) -> str:
        """For the hub's services. `reader` is the opaque key of a resident that the app acts for."""
        about = user.claims() if user is not None else {}
        if reader is not None:
            about["reader"] = reader
        claims = {"aud": self.audience, "sub": user.login if user is not None else client, "scope": SCOPE}
        return self._sign({**about, **claims, "client_id": client, "azp": client, "jti": str(uuid4())}, now, "at+jwt")

    def id_token(self, client: str, now: datetime, user: User, nonce: str | None) -> str:
        """For the client that the user logged in to."""
        claims = {**user.claims(), "aud": client, "sub": user.login, "azp": client, "auth_time": int(now.timestamp())}
        return self._sign({**claims, "nonce": nonce} if nonce is not None else claims, now, "JWT")

    def read(self, token: str) -> dict[str, Any]:
        """The claims of an access token of ours; `jwt.InvalidTokenError` else."""
        claims: dict[str, Any] = jwt.decode(
            token, self._key.public_key(), algorithms=["RS256"], issuer=self.issuer, audience=self.audience
        )
        return claims

    def _sign(self, claims: dict[str, Any], now: datetime, kind: str) -> str:
        times = {"iss": self.issuer, "iat": int(now.timestamp()), "exp": int((now + LIFETIME).timestamp())}
        return jwt.encode({**claims, **times}, self._key, algorithm="RS256", headers={"kid": self.kid, "typ": kind})


def kept_key(directory: Path) -> rsa.RSAPrivateKey:
    """The issuer's key from its file, made on first use: tokens stay good when the sandbox starts again."""
    path = directory / KEY_FILE
    if path.exists():
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
        assert isinstance(key, rsa.RSAPrivateKey)
        return key
    key = rsa.generate_private_key(public_exponent=65_537, key_size=RSA_BITS)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_suffix(f".{os.getpid()}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
        out.write(pem)
    fresh.replace(path)
    return key


def _base64(number: int) -> str:
    """Base64urlUInt (RFC 7518 section 2)."""
    return urlsafe_b64encode(number.to_bytes((number.bit_length() + 7) // 8, "big")).rstrip(b"=").decode()
