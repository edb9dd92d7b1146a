"""Values that GraphQL has no type for, each as the JSON that the wire has for it."""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
from graphql import GraphQLError, GraphQLScalarType

_LONG = 2**63


def _refused(name: str, value: object) -> GraphQLError:
    return GraphQLError(f"{name} cannot represent this value: {str(value)[:60]!r}")


def _long(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not -_LONG <= value < _LONG:
        raise _refused("Long", value)
    return value


def _uuid_out(value: Any) -> str:
    return str(value)


def _uuid_in(value: Any) -> UUID:
    try:
        return UUID(value)
    except (AttributeError, TypeError, ValueError):
        raise _refused("UUID", value) from None


def _time_out(value: Any) -> str:
    moment: datetime = value
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _time_in(value: Any) -> datetime:
    try:
        moment = msgspec.convert(value, datetime)
    except msgspec.ValidationError:
        raise _refused("DateTime", value) from None
    if moment.tzinfo is None:
        raise GraphQLError(f"DateTime needs a time zone: {value!r}")
    return moment


def _bytes_out(value: Any) -> str:
    return base64.b64encode(value).decode("ascii")


def _bytes_in(value: Any) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, TypeError, ValueError):
        raise _refused("Base64", value) from None


def _json_out(value: Any) -> Any:
    return msgspec.to_builtins(value)


Long = GraphQLScalarType(
    "Long",
    description="An integer of up to 64 bits. Sizes in bytes fit into a number of JavaScript.",
    coerce_output_value=_long,
    coerce_input_value=_long,
)

Uuid = GraphQLScalarType(
    "UUID",
    description="An id, as its usual text.",
    specified_by_url="https://www.rfc-editor.org/rfc/rfc9562",
    coerce_output_value=_uuid_out,
    coerce_input_value=_uuid_in,
)

DateTime = GraphQLScalarType(
    "DateTime",
    description="A time, RFC 3339, in UTC.",
    specified_by_url="https://www.rfc-editor.org/rfc/rfc3339",
    coerce_output_value=_time_out,
    coerce_input_value=_time_in,
)

Base64 = GraphQLScalarType(
    "Base64",
    description="Bytes: the exact name where one is not UTF-8.",
    specified_by_url="https://www.rfc-editor.org/rfc/rfc4648",
    coerce_output_value=_bytes_out,
    coerce_input_value=_bytes_in,
)

Json = GraphQLScalarType(
    "JSON",
    description="Any JSON: what the contract leaves open.",
    specified_by_url="https://www.rfc-editor.org/rfc/rfc8259",
    coerce_output_value=_json_out,
)
