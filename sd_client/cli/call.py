"""`sd call`: any operation of the daemon, raw."""

from __future__ import annotations

import os
import sys

import click
import msgspec

import sd_wire.catalogue  # noqa: F401 - fills the catalogue
from sd_client.cli.command import command
from sd_client.cli.session import Session, pass_session
from sd_wire.errors import InvalidPayload
from sd_wire.operation import CATALOGUE


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
    """Call an operation by its name, or by its name on the wire. PAYLOAD is what it takes, in JSON;
    - reads that from standard input. Prints the result as JSON. 'sd describe' lists the operations
    and explains what each takes."""
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
