"""A JSON Schema of the contract in words: for the documents, and for the command line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

Schema = dict[str, Any]

_FORMATS = {"date-time": "time", "uuid": "UUID"}
_INT64 = (-(2**63), 2**63 - 1)  # limits that nobody needs to be told


class Field(NamedTuple):
    """One field of an object."""

    name: str
    kind: str
    required: bool
    default: str  # as JSON; empty where there is none to name
    about: str


def fields_of(schema: Schema, named: Callable[[str], str] = str) -> list[Field]:
    """The fields of an object, in the order of their declaration."""
    required = schema.get("required", ())
    return [
        Field(
            name,
            kind_of(field, named),
            name in required,
            json.dumps(field["default"]) if "default" in field else "",
            field.get("description", ""),
        )
        for name, field in schema.get("properties", {}).items()
    ]


def kind_of(schema: Schema, named: Callable[[str], str] = str) -> str:
    """What a value may be. `named` writes the name of a type."""
    if "$ref" in schema:
        return named(schema["$ref"].rpartition("/")[2])
    for either in ("anyOf", "oneOf"):
        if either in schema:
            return " | ".join(kind_of(one, named) for one in schema[either])
    if "enum" in schema or "const" in schema:
        return " | ".join(json.dumps(one) for one in schema.get("enum", [schema.get("const")]))
    return _plain(schema, named)


def _plain(schema: Schema, named: Callable[[str], str]) -> str:
    kind = schema.get("type", "anything")
    if kind == "array":
        return f"list of {_grouped(kind_of(schema.get('items', {}), named))}"
    if kind == "object":
        inner = schema.get("additionalProperties")
        return f"map of {_grouped(kind_of(inner, named))}" if isinstance(inner, dict) else "object"
    if kind == "string":
        if "contentEncoding" in schema:
            return str(schema["contentEncoding"])
        return _FORMATS.get(schema.get("format", ""), "text") + _limits(schema, "Length")
    return str(kind) + _limits(schema, "imum")


def _grouped(kind: str) -> str:
    return f"({kind})" if " | " in kind else kind


def _limits(schema: Schema, what: str) -> str:
    least, most = schema.get(f"min{what}"), schema.get(f"max{what}")
    unit = " characters" if what == "Length" else ""
    if (least, most) in ((None, None), _INT64):
        return ""
    if least is not None and most is not None:
        return f" ({least} to {most}{unit})"
    return f" (at least {least}{unit})" if most is None else f" (at most {most}{unit})"
