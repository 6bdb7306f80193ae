"""Where the broker is and who we are to it: the arguments every aiokafka client shares."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class KafkaAccess:
    """A broker and a principal. Without a user there is no SASL, without a TLS context no TLS."""

    bootstrap: str
    """`host:port`, more of them divided by commas."""
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    mechanism: str = "SCRAM-SHA-512"
    tls: ssl.SSLContext | None = field(default=None, repr=False)

    def client_arguments(self) -> dict[str, Any]:
        """Keyword arguments for `AIOKafkaConsumer`, `AIOKafkaProducer` and the admin client."""
        arguments: dict[str, Any] = {"bootstrap_servers": self.bootstrap.split(",")}
        protocol = ("SASL_" if self.user is not None else "") + ("SSL" if self.tls is not None else "PLAINTEXT")
        arguments["security_protocol"] = protocol
        if self.tls is not None:
            arguments["ssl_context"] = self.tls
        if self.user is not None:
            arguments |= {
                "sasl_mechanism": self.mechanism,
                "sasl_plain_username": self.user,
                "sasl_plain_password": self.password,
            }
        return arguments
