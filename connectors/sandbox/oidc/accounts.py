"""Who the stand-in issuer knows: machine clients and staff, as tables. Their secrets are no secrets, hence sandbox only."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

SECRET_PREFIX: Final = "sandbox-"  # noqa: S105 - published in the contract
PASSWORD: Final = "sandbox"  # noqa: S105 - published in the contract
UNITS: Final = ("SE2321000016-A1", "SE2321000016-B2")
PROVIDER: Final = "SE2321000016-P1"

CLIENTS: Final = frozenset({"ehr-takecare", "ehr-sectra", "app", "portal", "operator"})
LOGIN_CLIENT: Final = "portal"
"""The client that staff log in through when a password grant names none."""


@dataclass(frozen=True, slots=True)
class User:
    """A member of staff with what a SITHS card and the local permissions would tell."""

    login: str
    name: str
    hsa_id: str
    role: str
    permissions: tuple[str, ...]
    units: tuple[str, ...] = UNITS

    def claims(self) -> dict[str, object]:
        """Claims of both tokens. `employeeHsaId` is the name that Inera's IdP gives it."""
        return {
            "name": self.name,
            "preferred_username": self.login,
            "hsa_id": self.hsa_id,
            "employeeHsaId": self.hsa_id,
            "healthCareProviderHsaId": PROVIDER,
            "role": self.role,
            "units": list(self.units),
            "permissions": list(self.permissions),
        }


_STAFF: Final = ("print", "bookings", "residents", "accounts")
USERS: Final[Mapping[str, User]] = MappingProxyType(
    {
        user.login: user
        for user in (
            User("lisa", "Lisa Lindmyr", "SE2321000016-LISA", "staff", _STAFF),
            User("olle", "Olle Operatör", "SE2321000016-OLLE", "operator", ("operate",)),
            User("petra", "Petra Prästkulla", "SE2321000016-PETRA", "staff", (*_STAFF, "protected", "reports")),
        )
    }
)


def client_is_right(client: str, secret: str) -> bool:
    """Whether a client's secret is its own. Nothing here is worth a timing attack."""
    return client in CLIENTS and secret == SECRET_PREFIX + client


def user_is_right(login: str, password: str) -> User | None:
    """The user, if the password is right."""
    return USERS.get(login) if password == PASSWORD else None
