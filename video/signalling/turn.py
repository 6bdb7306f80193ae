"""Short-lived credentials for coturn (`use-auth-secret`, draft-uberti-behave-turn-rest-00): a name with its end, and its HMAC."""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

LIFETIME_S: Final = 6 * 3600


def ice_servers(urls: Sequence[str], secret: str, pid: str, now: datetime) -> list[dict[str, Any]]:
    """What a page gives to `RTCPeerConnection`; nothing where no TURN server is set. `pid` is opaque: it is all that coturn logs."""
    if not urls or not secret:
        return []
    username = f"{int(now.timestamp()) + LIFETIME_S}:{pid}"
    credential = base64.b64encode(hmac.new(secret.encode(), username.encode(), hashlib.sha1).digest()).decode()
    return [{"urls": list(urls), "username": username, "credential": credential}]
