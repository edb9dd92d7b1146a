"""Write the documents that follow from the declarations: api.md, events.md, types.md, errors.md,
schema.json and schema.graphql.

python docs/derive.py            write them
python docs/derive.py --check    exit 1 if one of them is not what it should be
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import msgspec
from written import write_or_check

from sd_client.graphql.schema import schema_text
from sd_wire.describe import contract
from sd_wire.errors import ExitStatus
from sd_wire.subscribing import NEVER_SENT
from sd_wire.words import fields_of, kind_of

HERE = Path(__file__).parent
NOTE = "<!-- Derived from the declarations by docs/derive.py; do not edit. -->"
CONTRACT: dict[str, Any] = msgspec.to_builtins(contract())
TYPES: dict[str, Any] = CONTRACT["$defs"]


def cell(text: str) -> str:
    """Text in a table."""
    return text.replace("|", "\\|").replace("\n", " ")


def linked(name: str) -> str:
    """The name of a type, leading to where it is explained."""
    return f"[{name}](types.md#{name.lower()})"


def name_of(schema: dict[str, Any]) -> str:
    """The type that a schema refers to, or nothing."""
    return str(schema.get("$ref", "")).rpartition("/")[2]


def field_rows(struct: dict[str, Any]) -> list[str]:
    """A table of the fields of an object."""
    fields = fields_of(struct, linked)
    has_meaning = any(field.about for field in fields)
    rows = ["| field | type | default |", "| --- | --- | --- |"]
    if has_meaning:
        rows = ["| field | type | default | meaning |", "| --- | --- | --- | --- |"]
    for field in fields:
        default = f"`{field.default}`" if field.default else "" if field.required else "left out"
        cells = [f"`{field.name}`", cell(field.kind), cell(default)]
        rows.append(f"| {' | '.join([*cells, cell(field.about)] if has_meaning else cells)} |")
    return rows


def operation_text(operation: dict[str, Any]) -> list[str]:
    """The section of one operation."""
    lines = [f"### {operation['name']}", "", operation["documentation"], ""]
    lines.append(
        f"`{operation['method']}` · {operation['scope']} · needs `{operation['permission']}`"
        f" · answers {kind_of(operation['result'], linked)}"
    )
    request = TYPES[name_of(operation["request"])]
    if request["properties"]:
        lines += ["", *field_rows(request)]
    if operation["errors"]:
        codes = ", ".join(f"[`{code}`](errors.md)" for code in operation["errors"])
        lines += ["", f"Errors of its own: {codes}"]
    return [*lines, ""]


def api() -> str:
    """docs/api.md."""
    lines = [NOTE, "", "# Operations", ""]
    lines += ["How they are called is in [protocol.md](protocol.md), what the types of fields and"]
    lines += ["results are in [types.md](types.md).", ""]
    noun = ""
    for operation in CONTRACT["operations"]:
        if operation["name"].split(".")[0] != noun:
            noun = operation["name"].split(".")[0]
            lines += [f"## {noun}", ""]
        lines += operation_text(operation)
    return "\n".join(lines).rstrip() + "\n"


def event_text(event: dict[str, Any]) -> list[str]:
    """The section of one event."""
    marks = [
        *(["may come many times a second"] if event["noisy"] else []),
        *(["only for subscriptions that name it"] if event["asked_for"] else []),
    ]
    lines = [f"## {event['name']}", "", event["documentation"]]
    lines += ["", f"({'; '.join(marks)})"] if marks else []
    if "const" in event["schema"]:
        return [*lines, "", f'On the wire: `"{event["name"]}"`', ""]
    behind = name_of(event["schema"]["properties"][event["name"]])
    if behind != event["name"]:
        return [*lines, "", f"Behind its name stands a {linked(behind)}.", ""]
    return [*lines, "", *field_rows(TYPES[behind]), ""]


def events() -> str:
    """docs/events.md."""
    lines = [NOTE, "", "# Events", ""]
    lines += ["How to subscribe is in [protocol.md](protocol.md#events). On the wire an event is"]
    lines += ["`{NAME:{FIELDS}}`, or the bare name where it has no fields.", ""]
    for event in CONTRACT["events"]:
        lines += event_text(event)
    lines += ["# Never sent", ""]
    lines += ["Existing clients know these as well. They may be asked for, and never come.", ""]
    lines += ["| event | why |", "| --- | --- |"]
    lines += [f"| {name} | {why} |" for name, why in sorted(NEVER_SENT.items())]
    return "\n".join(lines).rstrip() + "\n"


def type_text(name: str) -> list[str]:
    """The section of one type."""
    schema = TYPES[name]
    lines = [f"## {name}", ""]
    if "description" in schema:
        lines += [" ".join(schema["description"].split()), ""]
    if schema.get("properties"):
        lines += [*field_rows(schema), ""]
    elif schema.get("type") == "object":
        lines += ["It has no fields.", ""]
    else:
        lines += [f"One of {kind_of(schema, linked)}", ""]
    return lines


def types() -> str:
    """docs/types.md: every type that is not a request or an event, which api.md and events.md
    have."""
    elsewhere = {name_of(operation["request"]) for operation in CONTRACT["operations"]}
    elsewhere |= {event["name"] for event in CONTRACT["events"]} - {"LogMessage"}
    messages = [
        name
        for whole in ("Request", "Reply")
        for name in [whole, *filter(None, map(name_of, TYPES[whole]["oneOf"]))]
    ]
    lines = [NOTE, "", "# Types", ""]
    lines += ["What stands in requests, results and events. A field without a default is always"]
    lines += ["there. A time is RFC 3339 in UTC, a UUID its usual text. What is not listed may"]
    lines += ["come from a newer daemon, and is to be ignored.", ""]
    for name in TYPES:
        if name == "Event":
            lines += ["## Event", "", "One of [events.md](events.md).", ""]
        elif name not in elsewhere and name not in messages:
            lines += type_text(name)
    lines += ["# Messages", "", "Requests, then replies, with all that may stand beside them.", ""]
    for name in messages:
        lines += type_text(name)
    return "\n".join(lines).rstrip() + "\n"


STATUS_MEANING = {
    ExitStatus.OK: "it worked",
    ExitStatus.FAILED: "it was tried and did not succeed, or not all of it did; where what went"
    " wrong is all of one kind, the status is that kind's; a question was answered with no;"
    " `sd index verify`: index and disk differ; `sd verify`: a file is damaged or cannot be read",
    ExitStatus.USAGE: "the command line or a value in it is wrong;"
    " `sd index verify`: that could not be found out",
    ExitStatus.NOT_RUNNING: "no daemon answers",
    ExitStatus.DENIED: "the operating system or the daemon refused",
    ExitStatus.NOT_FOUND: "what was named does not exist",
    ExitStatus.CONFLICT: "what should be made exists, or is in the way",
    ExitStatus.UNAVAILABLE: "busy, full, or too much at once: may work later or in smaller pieces",
    ExitStatus.DAMAGED: "data on the disk need attention first",
    ExitStatus.CONFIGURATION: "the daemon's own configuration is wrong: it cannot start",
    ExitStatus.INTERRUPTED: "Ctrl-C",
}


def errors() -> str:
    """docs/errors.md."""
    lines = [NOTE, "", "# Errors and exit statuses", "", "| status | meaning |", "| --- | --- |"]
    lines += [f"| {int(status)} | {STATUS_MEANING[status]} |" for status in ExitStatus]
    lines += ["", "| code | kind | sentence | hint | exit | retry |", "| - | - | - | - | - | - |"]
    for error in CONTRACT["errors"]:
        lines.append(
            f"| `{error['code']}` | {error['kind']} | {cell(error['message'])}"
            f" | {cell(error['hint'] or '')} | {error['exit_status']}"
            f" | {'yes' if error['retryable'] else ''} |"
        )
    return "\n".join(lines) + "\n"


def schema() -> str:
    """docs/schema.json: what `core.describe` answers."""
    return json.dumps(CONTRACT, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


DOCUMENTS = {
    "api.md": api,
    "events.md": events,
    "types.md": types,
    "errors.md": errors,
    "schema.json": schema,
    "schema.graphql": schema_text,
}


def main() -> int:
    """Write or check."""
    return write_or_check(HERE, {name: make() for name, make in DOCUMENTS.items()})


if __name__ == "__main__":
    sys.exit(main())
