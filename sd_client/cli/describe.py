"""`sd describe`: what the daemon can be asked, explained for a person.

It shows what the daemon says of itself, and not what this command was built with: the two may be
of different versions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
import msgspec

from sd_client.cli.command import command
from sd_client.cli.output import BOLD, DIM, Output
from sd_client.cli.session import Session, pass_session
from sd_client.cli.tables import Column, pad, table, width
from sd_wire.operations.core import Describe
from sd_wire.words import fields_of, kind_of

if TYPE_CHECKING:
    from collections.abc import Iterator

Schema = dict[str, Any]

OPERATIONS = [
    Column("METHOD", lambda row: row["method"]),
    Column("NEEDS", lambda row: row["permission"]),
    Column("WHAT IT DOES", lambda row: _first_sentence(row["documentation"]), gives_way=True),
]


def _first_sentence(text: str) -> str:
    return " ".join(text.split()).partition(". ")[0].removesuffix(".") + "."


@command("describe", "sd describe", "sd describe search.files")
@click.argument("method", required=False)
@pass_session
def describe(session: Session, method: str | None) -> None:
    """List the operations of the daemon, or explain one: what it takes, what it answers, how it
    can fail. With --json as JSON Schema."""
    raw = session.raw(Describe.operation, Describe(method))
    output = session.output
    if output.json:
        output.document(raw)
        return
    found = msgspec.json.decode(raw)
    if method is None:
        table(output, OPERATIONS, found["operations"])
        return
    for operation in found["operations"]:
        _explain(output, operation, found)


def _explain(output: Output, operation: Schema, found: Schema) -> None:
    types: dict[str, Schema] = found["$defs"]
    output.line(output.paint(operation["method"], BOLD))
    output.line(" ".join(operation["documentation"].split()))
    output.line(f"\npermission: {operation['permission']}    scope: {operation['scope']}")
    request = _names_in(operation["request"])[0]
    output.line(f"\n{output.paint('request', BOLD)}")
    _fields(output, types[request])
    output.line(f"\n{output.paint('result', BOLD)}: {kind_of(operation['result'])}")
    for name in _mentioned([operation["result"], *_kinds(types[request])], types):
        output.line(f"\n{output.paint(name, BOLD)}")
        _type(output, types[name])
    if found["errors"]:
        output.line(f"\n{output.paint('errors', BOLD)}")
        _aligned(output, [(error["code"], error["message"]) for error in found["errors"]])


def _type(output: Output, schema: Schema) -> None:
    if "description" in schema:
        output.line(output.paint(" ".join(schema["description"].split()), DIM))
    if schema.get("type") == "object":
        _fields(output, schema)
    else:
        output.line(f"  {kind_of(schema)}")


def _fields(output: Output, schema: Schema) -> None:
    rows: list[tuple[str, ...]] = []
    for field in fields_of(schema):
        usual = "required" if field.required else f"= {field.default}" if field.default else ""
        rows.append((field.name, field.kind, usual, field.about))
    if rows:
        _aligned(output, rows)
    else:
        output.line("  nothing")


def _aligned(output: Output, rows: list[tuple[str, ...]]) -> None:
    rooms = [max(width(cell) for cell in column) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [pad(cell, room, right=False) for cell, room in zip(row, rooms, strict=True)]
        output.line(f"  {'  '.join(cells)}".rstrip())


def _mentioned(schemas: list[Schema], types: dict[str, Schema]) -> list[str]:
    """The types that are referred to, and those that these refer to, as they are met."""
    found: dict[str, None] = {}
    waiting = [name for schema in schemas for name in _names_in(schema)]
    while waiting:
        name = waiting.pop(0)
        if name not in found:
            found[name] = None
            waiting += _names_in(types[name])
    return list(found)


def _kinds(schema: Schema) -> Iterator[Schema]:
    yield from schema.get("properties", {}).values()


def _names_in(part: Any) -> list[str]:
    if isinstance(part, list):
        return [name for item in part for name in _names_in(item)]
    if not isinstance(part, dict):
        return []
    if "$ref" in part:
        return [str(part["$ref"]).rpartition("/")[2]]
    return _names_in(list(part.values()))
