"""A request that is not taken: the problem to answer, as an exception that any step may raise."""

from collections.abc import Iterable, Mapping

from schemas.errors import FieldError, Malformed, Problem


class Refused(Exception):
    """`problem` is the answer; `headers` go with it (`Retry-After`, `WWW-Authenticate`)."""

    def __init__(self, problem: Problem, headers: Mapping[str, str] | None = None) -> None:
        self.problem = problem
        self.headers = dict(headers or {})
        super().__init__(problem.type.name)


def refused(name: str, detail: str = "", errors: Iterable[FieldError] = ()) -> Refused:
    """A refusal by the name of its row in the problem catalogue."""
    return Refused(Problem.of(name, detail, errors))


def malformed(fault: Malformed) -> Refused:
    """The refusal of input that broke its schema, a limit, or has an unknown type."""
    return Refused(Problem.from_malformed(fault))


def not_authenticated(detail: str) -> Refused:
    """401, with the scheme to use (RFC 6750 section 3)."""
    return Refused(Problem.of("not-authenticated", detail), {"WWW-Authenticate": 'Bearer realm="hub"'})


def unavailable(detail: str, retry_after_s: int) -> Refused:
    """503: nothing is wrong with the request, repeat it. The same event twice is one event."""
    return Refused(Problem.of("unavailable", detail), {"Retry-After": str(retry_after_s)})


def too_many(detail: str, retry_after_s: int) -> Refused:
    """429: this client's share is used up for the moment."""
    return Refused(Problem.of("too-many-requests", detail), {"Retry-After": str(retry_after_s)})
