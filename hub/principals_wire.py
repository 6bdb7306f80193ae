"""The requests of Kafka's protocol that aiokafka lacks: SCRAM users, and ACLs many at a time.

Shapes after Kafka's own definitions (`AlterUserScramCredentialsRequest.json`, `CreateAclsRequest.json`,
`DescribeAclsRequest.json`, `DeleteAclsRequest.json`). SCRAM after RFC 5802: the broker is given the salted password,
never the password.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Final

from aiokafka.protocol.admin import (
    CreateAclsRequest_v1,
    DeleteAclsRequest_v1,
    DescribeAclsRequest_v1,
)
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    CompactArray,
    CompactBytes,
    CompactString,
    Int8,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)

from schemas.principals import Acl

SCRAM_SHA_512: Final = 2
ITERATIONS: Final = 4096

_RESOURCE: Final = {"Topic": 2, "Group": 3}
_PATTERN: Final = {"Literal": 3, "Prefixed": 4}
_OPERATION: Final = {"Read": 3, "Write": 4, "Describe": 8}
_ALLOW: Final = 3
_ANY: Final = 1
_ANY_HOST: Final = "*"


class AlterScramResponse(Response):
    API_KEY = 51
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "results",
            CompactArray(
                ("user", CompactString("utf-8")),
                ("error_code", Int16),
                ("error_message", CompactString("utf-8")),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class AlterScramStruct(RequestStruct):
    API_KEY = 51
    API_VERSION = 0
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = AlterScramResponse
    SCHEMA = Schema(
        (
            "deletions",
            CompactArray(("name", CompactString("utf-8")), ("mechanism", Int8), ("tags", TaggedFields)),
        ),
        (
            "upsertions",
            CompactArray(
                ("name", CompactString("utf-8")),
                ("mechanism", Int8),
                ("iterations", Int32),
                ("salt", CompactBytes),
                ("salted_password", CompactBytes),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class AlterScram(Request[AlterScramStruct]):
    """Set the SCRAM-SHA-512 passwords of users: name -> (salt, password)."""

    API_KEY = 51

    def __init__(self, users: dict[str, tuple[bytes, str]]) -> None:
        self._rows: list[tuple[Any, ...]] = [
            (name, SCRAM_SHA_512, ITERATIONS, salt, salted(password, salt), {}) for name, (salt, password) in users.items()
        ]

    def build(self, request_struct_class: type[AlterScramStruct]) -> AlterScramStruct:
        return request_struct_class([], self._rows, {})


class DescribeScramResponse(Response):
    API_KEY = 50
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("error_code", Int16),
        ("error_message", CompactString("utf-8")),
        (
            "results",
            CompactArray(
                ("user", CompactString("utf-8")),
                ("error_code", Int16),
                ("error_message", CompactString("utf-8")),
                (
                    "credentials",
                    CompactArray(("mechanism", Int8), ("iterations", Int32), ("tags", TaggedFields)),
                ),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class DescribeScramStruct(RequestStruct):
    API_KEY = 50
    API_VERSION = 0
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = DescribeScramResponse
    SCHEMA = Schema(("users", CompactArray(("name", CompactString("utf-8")), ("tags", TaggedFields))), ("tags", TaggedFields))


class DescribeScram(Request[DescribeScramStruct]):
    """The users the broker knows."""

    API_KEY = 50

    def build(self, request_struct_class: type[DescribeScramStruct]) -> DescribeScramStruct:
        return request_struct_class(None, {})


def salted(password: str, salt: bytes) -> bytes:
    """SaltedPassword of RFC 5802 section 3: Hi(password, salt, i), which is PBKDF2."""
    return hashlib.pbkdf2_hmac("sha512", password.encode(), salt, ITERATIONS)


class CreateAcls(Request[CreateAclsRequest_v1]):
    API_KEY = 30

    def __init__(self, rows: Sequence[Acl]) -> None:
        self._rows = [_binding(row) for row in rows]

    def build(self, request_struct_class: type[CreateAclsRequest_v1]) -> CreateAclsRequest_v1:
        return request_struct_class(self._rows)


class DeleteAcls(Request[DeleteAclsRequest_v1]):
    API_KEY = 31

    def __init__(self, rows: Sequence[Acl]) -> None:
        self._rows = [_binding(row) for row in rows]

    def build(self, request_struct_class: type[DeleteAclsRequest_v1]) -> DeleteAclsRequest_v1:
        return request_struct_class(self._rows)


class DescribeAcls(Request[DescribeAclsRequest_v1]):
    """All ACLs there are."""

    API_KEY = 29

    def build(self, request_struct_class: type[DescribeAclsRequest_v1]) -> DescribeAclsRequest_v1:
        return request_struct_class(_ANY, None, _ANY, None, None, _ANY, _ANY)


def _binding(row: Acl) -> tuple[Any, ...]:
    kind, pattern = _RESOURCE[row.resource_type], _PATTERN[row.pattern]
    return kind, row.resource, pattern, row.principal, _ANY_HOST, _OPERATION[row.operation], _ALLOW


def bindings(described: Any) -> list[Acl]:
    """The ACLs in a broker's answer that have the form of ours; others are an operator's own and left alone."""
    kinds = {number: name for name, number in _RESOURCE.items()}
    patterns = {number: name for name, number in _PATTERN.items()}
    operations = {number: name for name, number in _OPERATION.items()}
    found: list[Acl] = []
    for kind, name, pattern, rules in described.resources:
        for principal, host, operation, permission in rules:
            if host == _ANY_HOST and permission == _ALLOW and operation in operations and kind in kinds:
                row: Any = (principal, operations[operation], kinds[kind], name, patterns[pattern])
                found.append(Acl(*row))
    return found
