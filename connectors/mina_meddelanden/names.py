"""Namespaces and limits of Mina meddelanden, version 3 (which reuses types of versions 1 and 2)."""

import re
from typing import Final

_ROOT: Final = "http://minameddelanden.gov.se/schema/"
RECIPIENT: Final = f"{{{_ROOT}Recipient}}"
RECIPIENT_V3: Final = f"{{{_ROOT}Recipient/v3}}"
SENDER: Final = f"{{{_ROOT}Sender}}"
SERVICE: Final = f"{{{_ROOT}Service}}"
SERVICE_V3: Final = f"{{{_ROOT}Service/v3}}"
MESSAGE: Final = f"{{{_ROOT}Message}}"
MESSAGE_V2: Final = f"{{{_ROOT}Message/v2}}"
MESSAGE_V3: Final = f"{{{_ROOT}Message/v3}}"
COMMON_V3: Final = f"{{{_ROOT}Common/v3}}"
DSIG: Final = "{http://www.w3.org/2000/09/xmldsig#}"
SOAP: Final = "{http://schemas.xmlsoap.org/soap/envelope/}"

HEADERS: Final = {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": '""'}
SOAP_BYTES_MAX: Final = 2_097_152
"""A message with all its attachments, as it is sent."""
ANSWER_BYTES_MAX: Final = 1024 * 1024
RECIPIENTS_MAX: Final = 1000
RECIPIENT_ID: Final = re.compile(
    r"16\d{10}|(18|19|20)\d{2}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])\d{4}|(18|19|20)\d{2}(0[1-9]|1[0-2])\d{6}", re.ASCII
)
"""Personal, coordination and organisation numbers; a reserve number is none, so its holder has no mailbox (P2)."""
SENDER_ID: Final = re.compile(r"16\d{10}", re.ASCII)
UUID_FORM: Final = re.compile(r"[0-9A-Fa-f]{8}-([0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}")
"""What a reference of theirs may look like to be logged; no personal number does."""
