"""How a command ends when it is not done: each way with its exit code and one line for whoever reads it."""

from __future__ import annotations

CODE_FAILED = 1
CODE_WRONG_USE = 2
CODE_UNREACHABLE = 3


class Stop(Exception):
    """A command ends here. The text is for people and holds no personal data."""

    code = CODE_FAILED


class CheckFailed(Stop):
    """What was asked about is not as it should be, or is not there."""


class WrongUse(Stop):
    code = CODE_WRONG_USE


class NotReachable(Stop):
    code = CODE_UNREACHABLE


_GONE = frozenset(
    {
        "CannotConnectNowError", "ConnectionDoesNotExistError", "ConnectionFailureError", "KafkaConnectionError",
        "KafkaTimeoutError", "NodeNotReadyError", "DeliveryFailed", "AdminShutdownError", "RequestTimedOutError",
    }
)  # fmt: skip


def is_unreachable(failure: BaseException) -> bool:
    """A server that went away while it was being used; told by name, so that nothing is imported to know it."""
    return isinstance(failure, ConnectionError | TimeoutError) or type(failure).__name__ in _GONE
