"""`sd call` and `sd describe`: the daemon's operations, raw and explained."""

from __future__ import annotations

import os
import sys
from typing import Any

import click
import msgspec

from sd_client.cli.command import command
from sd_client.cli.output import BOLD, Output
from sd_client.cli.session import Session, pass_session
from sd_client.cli.tables import Column, table
from sd_wire.errors import InvalidPayload
from sd_wire.operation import CATALOGUE
from sd_wire.operations.core import Describe

OPERATIONS = [
    Column("METHOD", lambda row: row["method"]),
    Column("NEEDS", lambda row: row["permission"]),
    Column("WHAT IT DOES", lambda row: _first_sentence(row["documentation"]), gives_way=True),
]


def _first_sentence(text: str) -> str:
    return " ".join(text.split()).partition(". ")[0].removesuffix(".") + "."


@command(
    "call",
    "sd call query:libraries.list",
    """sd call query:search.files '{"query": "sunset"}'""",
    "sd call action:libraries.create.input - < library.json",
)
@click.argument("method")
@click.argument("payload", required=False)
@pass_session
def call(session: Session, method: str, payload: str | None) -> None:
    """Call an operation by its name, or by its name on the wire, with a payload in JSON, or with -
    from standard input. Prints the result as JSON."""
    data = sys.stdin.buffer.read() if payload == "-" else os.fsencode(payload or "null")
    method = _on_the_wire(method)
    try:
        msgspec.json.decode(data)
    except msgspec.DecodeError as error:
        reason = f"the payload is not valid JSON: {error}"
        raise InvalidPayload(method=method, reason=reason) from error
    raw = session.client.call_raw(method, msgspec.Raw(data), session.library_id())
    session.output.pretty(raw)


def _on_the_wire(method: str) -> str:
    """The method of an operation that is named as the documents name it: `libraries.list`."""
    if ":" in method:
        return method
    return CATALOGUE[method].method if method in CATALOGUE else method


@command("describe", "sd describe", "sd describe query:search.files")
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


def _explain(output: Output, operation: dict[str, Any], found: dict[str, Any]) -> None:
    output.line(output.paint(operation["method"], BOLD))
    output.line(operation["documentation"])
    output.line(f"\npermission: {operation['permission']}    scope: {operation['scope']}")
    mentioned: dict[str, Any] = {}
    for part in ("request", "result"):
        output.line(f"\n{output.paint(part, BOLD)}")
        output.pretty(_resolved(operation[part], found["types"], mentioned))
    for name, schema in mentioned.items():
        output.line(f"\n{output.paint(name, BOLD)}")
        output.pretty(schema)
    errors = {error["code"]: error["message"] for error in found["errors"]}
    if operation["errors"]:
        output.line(f"\n{output.paint('errors', BOLD)}")
    for code in operation["errors"]:
        output.line(f"{code}: {errors.get(code, '')}")


def _resolved(schema: Any, types: dict[str, Any], mentioned: dict[str, Any]) -> Any:
    """What a schema refers to at its top; what it refers to further in goes into `mentioned`."""
    name = schema.get("$ref", "").rpartition("/")[2]
    found = types.get(name, schema)
    _collect(found, types, mentioned)
    mentioned.pop(name, None)
    return found


def _collect(schema: Any, types: dict[str, Any], mentioned: dict[str, Any]) -> None:
    if isinstance(schema, list):
        for item in schema:
            _collect(item, types, mentioned)
    elif isinstance(schema, dict):
        name = str(schema.get("$ref", "")).rpartition("/")[2]
        if name in types and name not in mentioned:
            mentioned[name] = types[name]
            _collect(types[name], types, mentioned)
        for item in schema.values():
            _collect(item, types, mentioned)
