"""Write the documents that follow from the declarations: api.md, events.md, errors.md.

python docs/derive.py            write them
python docs/derive.py --check    exit 1 if one of them is not what it should be
"""

from __future__ import annotations

import sys
from inspect import cleandoc
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import msgspec

import sd_wire.operations  # noqa: F401  (declares the operations)
from sd_wire.errors import ExitStatus, SdError
from sd_wire.events import EVENTS, Event
from sd_wire.operation import CATALOGUE, Operation

HERE = Path(__file__).parent
NOTE = "<!-- Derived from the declarations by docs/derive.py; do not edit. -->"


def type_name(annotation: Any) -> str:
    """An annotation as a reader writes it."""
    if hasattr(annotation, "__metadata__"):
        return type_name(annotation.__origin__)
    origin, inner = get_origin(annotation), [type_name(one) for one in get_args(annotation)]
    if origin in (Union, UnionType):
        return " | ".join(one for one in inner if one != "UnsetType")
    if origin is not None:
        return f"{origin.__name__}[{', '.join(inner)}]"
    return "null" if annotation is type(None) else str(getattr(annotation, "__name__", annotation))


def note_of(annotation: Any) -> str:
    """The description of a field."""
    notes = getattr(annotation, "__metadata__", ())
    return " ".join(note.description for note in notes if getattr(note, "description", None))


def cell(text: str) -> str:
    """Text in a table."""
    return text.replace("|", "\\|").replace("\n", " ")


def field_rows(struct: type[msgspec.Struct]) -> list[str]:
    """A table of the fields of a struct."""
    hints: dict[str, Any] = get_type_hints(struct, include_extras=True)
    rows = ["| field | type | default | meaning |", "| --- | --- | --- | --- |"]
    for field in msgspec.structs.fields(struct):
        annotation = hints[field.name]
        default = "" if field.required else default_text(field)
        kind = cell(type_name(annotation))
        rows.append(
            f"| `{field.encode_name}` | `{kind}` | {default} | {cell(note_of(annotation))} |"
        )
    return rows


def default_text(field: msgspec.structs.FieldInfo) -> str:
    """The default of an optional field."""
    if field.default_factory is not msgspec.NODEFAULT:
        return "its defaults"
    encoded = msgspec.json.encode(field.default) if field.default is not msgspec.UNSET else b""
    return f"`{encoded.decode()}`" if encoded else "left out"


def operation_text(operation: Operation) -> list[str]:
    """The section of one operation."""
    lines = [f"### {operation.name}", "", cleandoc(operation.documentation), ""]
    lines.append(
        f"`{operation.method}` · {operation.scope} · needs `{operation.permission}`"
        f" · answers `{type_name(operation.result)}`"
    )
    if operation.request.__struct_fields__:
        lines += ["", *field_rows(operation.request)]
    if operation.errors:
        codes = ", ".join(f"`{error.code}`" for error in operation.errors)
        lines += ["", f"Errors of its own: {codes}"]
    return [*lines, ""]


def api() -> str:
    """docs/api.md."""
    lines = [NOTE, "", "# Operations", ""]
    nouns = sorted({name.split(".")[0] for name in CATALOGUE})
    for noun in nouns:
        lines += [f"## {noun}", ""]
        for name, operation in sorted(CATALOGUE.items()):
            if name.split(".")[0] == noun:
                lines += operation_text(operation)
    return "\n".join(lines).rstrip() + "\n"


def event_text(event: type[Event]) -> list[str]:
    """The section of one event."""
    marks = [
        *(["may come many times a second"] if event.noisy else []),
        *(["only for subscriptions that name it"] if event.asked_for else []),
    ]
    lines = [f"## {event.__name__}", "", cleandoc(event.__doc__ or "")]
    lines += ["", f"({'; '.join(marks)})"] if marks else []
    if event.__struct_fields__:
        hints = get_type_hints(event, include_extras=True)
        lines += ["", "| field | type |", "| --- | --- |"]
        lines += [
            f"| `{name}` | `{cell(type_name(hints[name]))}` |" for name in event.__struct_fields__
        ]
    return [*lines, ""]


def events() -> str:
    """docs/events.md."""
    lines = [NOTE, "", "# Events", ""]
    for _, event in sorted(EVENTS.items()):
        lines += event_text(event)
    return "\n".join(lines).rstrip() + "\n"


STATUS_MEANING = {
    ExitStatus.OK: "it worked",
    ExitStatus.FAILED: "it was tried and did not succeed; `sd index verify`: index and disk differ",
    ExitStatus.USAGE: "the command line or a value in it is wrong;"
    " `sd index verify`: that could not be found out",
    ExitStatus.NOT_RUNNING: "no daemon answers",
    ExitStatus.DENIED: "the operating system or the daemon refused",
    ExitStatus.NOT_FOUND: "what was named does not exist",
    ExitStatus.CONFLICT: "what should be made exists, or is in the way",
    ExitStatus.UNAVAILABLE: "busy, full, or too much at once: may work later or in smaller pieces",
    ExitStatus.DAMAGED: "data on the disk need attention first",
    ExitStatus.INTERRUPTED: "Ctrl-C",
}


def errors() -> str:
    """docs/errors.md."""
    lines = [NOTE, "", "# Errors and exit statuses", "", "| status | meaning |", "| --- | --- |"]
    lines += [f"| {int(status)} | {STATUS_MEANING[status]} |" for status in ExitStatus]
    lines += ["", "| code | kind | sentence | hint | exit | retry |", "| - | - | - | - | - | - |"]
    for code, cls in sorted(SdError.catalogue.items()):
        retry = "yes" if cls.retryable else ""
        lines.append(
            f"| `{code}` | {cls.kind} | {cell(cls.message)} | {cell(cls.hint or '')}"
            f" | {int(cls.exit_status)} | {retry} |"
        )
    return "\n".join(lines) + "\n"


def main() -> int:
    """Write or check."""
    wrong = []
    for name, text in (("api.md", api()), ("events.md", events()), ("errors.md", errors())):
        path = HERE / name
        if "--check" not in sys.argv:
            path.write_text(text, "utf-8")
        elif not path.exists() or path.read_text("utf-8") != text:
            wrong.append(name)
    if wrong:
        print(f"not up to date: {', '.join(wrong)}; run: make derived", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
