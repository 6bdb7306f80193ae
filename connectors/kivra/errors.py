"""What Kivra's error codes mean for a letter, one row each (kivra-api-errors; the API's section "Error codes").

A code has five digits, of which the first three are the HTTP status. The status alone misleads in one place: 401 is both
"your token has run out" (401 00 to 04) and "this person takes no mail from you" (401 05), which no new token mends.
"""

from typing import Final

import orjson

from connectors.peer import Answer, Row, failed, failed_status, retry_after_s
from schemas.errors import PeerFailure

ERRORS: Final = (
    Row("40000", "rejected", "the request does not pass their validation, today or tomorrow"),
    Row("40001", "rejected", "an invalid request is not to be repeated as it is"),
    Row("40003", "unavailable", "our token lacks the scope: nothing was done, an operator mends it"),
    Row("40008", "rejected", "the JSON is malformed: a fault of ours that repeating does not mend"),
    Row("40009", "rejected", "the number has not the form that they take; nobody there has it"),
    Row("40012", "rejected", "the type of the content is not one of theirs"),
    Row("40015", "unavailable", "the token is invalid: a new one is fetched"),
    Row("40019", "rejected", "a file cannot be used"),
    Row("40024", "rejected", "no receiver: a fault of ours"),
    Row("40026", "rejected", "the JSON is no object: a fault of ours"),
    Row("40028", "rejected", "a file of a type that they do not take (C10)"),
    Row("40032", "rejected", "nobody there has this number: the next channel (R12)"),
    Row("40035", "rejected", "a header is missing: a fault of ours"),
    Row("40038", "rejected", "a link that they have not approved"),
    Row("40047", "rejected", "a PDF that they cannot read"),
    Row("40059", "rejected", "the content breaks their schema"),
    Row("40100", "unavailable", "our token is not taken: a new one is fetched"),
    Row("40101", "unavailable", "our credentials: nothing was done, an operator mends it"),
    Row("40102", "unavailable", "our credentials: nothing was done, an operator mends it"),
    Row("40103", "unavailable", "our credentials: nothing was done, an operator mends it"),
    Row("40104", "unavailable", "our credentials: nothing was done, an operator mends it"),
    Row("40105", "rejected", "the recipient takes no mail from this sender: the next channel (R12)"),
    Row("40110", "rejected", "they would have to print it, which is not theirs to do for us"),
    Row("40113", "rejected", "nobody there has this number: the next channel (R12)"),
    Row("40300", "unavailable", "our rights at theirs: nothing was done, an operator mends it"),
    Row("40317", "rejected", "a minor: they take no authority mail (R8)"),
    Row("40318", "rejected", "a minor: they take no authority mail (R8)"),
    Row("40400", "unavailable", "a wrong address or tenant: nothing was done, an operator mends it"),
    Row("40902", "rejected", "the mailbox is deactivated: the next channel (R12)"),
    Row("41300", "rejected", "too large (C10)"),
    Row("42200", "rejected", "understood, and not possible"),
    Row("42221", "rejected", "a type that cannot be retained: a fault of ours"),
    Row("42900", "unavailable", "more than 50 to one recipient within a minute: not taken, later"),
    Row("50000", "uncertain", "a fault of theirs after the letter had arrived; a repeat is recognised"),
    Row("50200", "uncertain", "lost between their front and their core; a repeat is recognised"),
    Row("50300", "unavailable", "they say that they did not serve it"),
    Row("50301", "unavailable", "they say that they did not serve it"),
    Row("50400", "uncertain", "their front had no answer from their core in time; a repeat is recognised"),
)
ROWS: Final = {row.code: row for row in ERRORS}
TOKEN_CODES: Final = frozenset({"40015", "40100", "40101", "40102", "40103", "40104"})
"""With these (or with a bare 401) the token may have run out: one new token is tried."""


def code_of(answer: Answer) -> str:
    """The five digits of an error answer, only where body, header and status agree; else empty: a proxy knows no codes."""
    try:
        told = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return ""
    code = str(told.get("code", "")) if isinstance(told, dict) else ""
    agreed = code == answer.headers.get("x-error-code", code) and code[:3] == str(answer.status)
    return code if agreed and len(code) == 5 and code.isascii() and code.isdigit() else ""


def failure_of(answer: Answer, *, changes: bool) -> PeerFailure:
    """The failure that an answer is: by its row, else by its status with the code told beside."""
    code = code_of(answer)
    row = ROWS.get(code)
    if row is None:
        return failed_status(answer, changes=changes, detail=code)
    failure = row.failure if changes or row.failure != "uncertain" else "unavailable"
    return failed(failure, code, retry_after_s=retry_after_s(answer.headers))


def token_ran_out(answer: Answer) -> bool:
    """Whether a new token may help: nothing was done, and the answer is about us, not about the recipient."""
    code = code_of(answer)
    return code in TOKEN_CODES or (answer.status == 401 and code not in ROWS)
