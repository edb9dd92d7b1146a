"""`sd NOUN VERB` for every operation of the catalogue.

An operation `locations.add` is the command `sd location add`; its arguments come from its request,
its help from its docstring. What a hand-made command does better takes the place of the derived
one; what no operation does, such as watching a job, stands beside them.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click
import msgspec

import sd_wire.catalogue  # noqa: F401 - fills the catalogue
from sd_client.cli import dupes, index, job, names, past, trashed
from sd_client.cli.command import Command, Group
from sd_client.cli.derive import Field, Role, fields_of, parameter
from sd_client.cli.session import Session
from sd_client.cli.values import dashed, is_exact
from sd_client.cli.views import short, show
from sd_client.cli.waiting import ask_first
from sd_client.cli.watch import watch
from sd_wire.errors import InvalidPayload, JobNotFound, PathNotIndexed, SdError
from sd_wire.operation import CATALOGUE, Operation
from sd_wire.operations.core import GetStatus
from sd_wire.types.jobs import JobReceipt

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

NOUNS = {
    "libraries": "library",
    "locations": "location",
    "indexing": "index",
    "files": "file",
    "jobs": "job",
    "volumes": "volume",
    "devices": "device",
    "duplicates": "dupes",
}
"""Nouns whose singular is another word. Every other noun is a command as it stands."""

ABOUT = {
    "library": "A library is an index of folders, in a folder of its own: NAME.sdlibrary. Commands"
    " work in the one that is open; of several, --library says in which.",
    "location": "A location is a folder that a library indexes, with all that is below it. LOCATION"
    " is its name or its path, or its id or the beginning of that.",
    "index": "To index is to read the locations of a library: what is there, what has changed,"
    " which files have the same content.",
    "job": "A job is work that goes on in the daemon after the command that began it, such as"
    " indexing. It keeps its place when it pauses and when the daemon stops. JOB is its id or the"
    " beginning of that, or its name.",
    "file": "What the index knows about files. FILE is a path or an id.",
    "volume": "A volume is a mounted filesystem.",
    "device": "A device is a machine that a library knows.",
    "config": "The settings of the daemon (app), which are in its spacedrive.json, and those of a"
    " library.",
    "network": "How the daemon reaches other devices.",
    "trash": "What was deleted and can come back: the trashes of the daemon's user, one on each"
    " filesystem, which other programs use as well. Without a verb it is listed.",
    "dupes": "Files with the same content. Without a verb they are listed.",
    "validation": "Whether files can be read, and are what they were; 'sd verify' does all of it.",
    "history": "What was done to files, newest first; 'sd undo' takes it back. Without a verb it is"
    " listed.",
    "core": "The daemon as a whole.",
    "test": "A message there and back, to see whether somebody answers.",
}
"""What a noun means, for who does not know it."""

HAND_MADE: dict[str, dict[str, click.Command]] = {
    "job": {"list": job.list_command, "watch": job.watch_command},
    "index": {"verify": index.verify},
    "trash": {"list": trashed.list_command, "restore": trashed.restore, "empty": trashed.empty},
    "dupes": {"list": dupes.list_command, "resolve": dupes.resolve},
    "history": {"list": past.list_command},
}

USUAL = {"trash": "list", "dupes": "list", "history": "list"}
"""Nouns that mean something without a verb, and which verb it is."""

ASKS_FIRST = {"libraries.delete": "Delete this library?"}
"""Operations that a person is asked about before."""

ABSENT: dict[str, Callable[[Any], SdError]] = {
    "jobs.info": lambda request: JobNotFound(job=request.job_id),
    "files.by_id": lambda request: PathNotIndexed(path=request.file_id),
    "files.by_path": lambda request: PathNotIndexed(path=request.path),
}
"""Operations that answer null, and what is wrong then with a command that named something."""


def place_of(operation: Operation) -> tuple[str, str]:
    """The noun and the verb of an operation on the command line."""
    first, _, rest = operation.name.partition(".")
    return NOUNS.get(first, first), dashed(rest.replace(".", "-"))


class Noun(Group):
    """The operations of one noun."""

    def __init__(self, name: str) -> None:
        self._operations = {
            verb: operation
            for operation in CATALOGUE.values()
            for group, verb in [place_of(operation)]
            if group == name
        }
        self._hand_made = HAND_MADE.get(name, {})
        verbs = list(dict.fromkeys([*self._operations, *self._hand_made]))
        super().__init__(
            name,
            help=ABOUT[name],
            examples=[f"sd {name} {verb} --help" for verb in verbs[:1]],
        )

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Without a verb, the usual one is meant."""
        usual = USUAL.get(self.name or "")
        if usual and (not args or (args[0].startswith("-") and args[0] not in ("-h", "--help"))):
            args = [usual, *args]
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Verbs in the order of their declaration, hand-made ones last."""
        return list(dict.fromkeys([*self._operations, *self._hand_made]))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """A hand-made command, or the operation's."""
        if cmd_name in self._hand_made:
            return self._hand_made[cmd_name]
        operation = self._operations.get(cmd_name)
        return None if operation is None else derived(operation)


def noun(name: str) -> Noun:
    """The group of a noun."""
    return Noun(name)


def derived(operation: Operation) -> Command:
    """The command of an operation."""
    fields = fields_of(operation)
    parameters = [parameter(field) for field in fields]
    if starts_job(operation):
        parameters.append(
            click.Option(["--wait"], is_flag=True, help="wait for the job and show its progress")
        )
    if operation.name in ASKS_FIRST:
        parameters.append(click.Option(["--yes"], is_flag=True, help="do not ask"))

    def run(**values: Any) -> None:
        session = click.get_current_context().find_root().ensure_object(Session)
        _run(session, operation, fields, values)

    made = Command(
        place_of(operation)[1],
        callback=run,
        params=parameters,
        help=" ".join(operation.documentation.split()),
        examples=[example(operation, fields)],
    )
    made.operation = operation
    return made


def starts_job(operation: Operation) -> bool:
    """Whether the answer names a job that goes on."""
    result = operation.result
    if result is JobReceipt:
        return True
    named = getattr(result, "__struct_fields__", ())
    return operation.kind == "action" and "job_id" in named and "jobs." not in operation.name


def _run(
    session: Session, operation: Operation, fields: list[Field], values: dict[str, Any]
) -> None:
    wait = values.pop("wait", False)
    confirmed = values.pop("yes", False)
    request = request_of(session, operation, fields, values)
    if operation.name in ASKS_FIRST and not confirmed:
        ask_first(session, ASKS_FIRST[operation.name], confirmed=False)
    raw = session.raw(operation, request, _library_in(request))
    result = msgspec.json.decode(raw)
    if result is None and operation.name in ABSENT:
        raise ABSENT[operation.name](request)
    started = _job_in(operation, result)
    if session.output.json:
        if not (wait and started):
            session.output.document(raw)
    else:
        show(session.output, operation.name, result)
    if started and wait:
        watch(session, started)
    elif started:
        session.output.remark(f"'sd job watch {short(str(started))}' shows how far it is")


def _library_in(request: Any) -> str | None:
    found = getattr(request, "library_id", None)
    return None if found is None else str(found)


def _job_in(operation: Operation, result: Any) -> UUID | None:
    if not starts_job(operation) or not isinstance(result, dict):
        return None
    found = result.get("job_id") or (result.get("id") if operation.result is JobReceipt else None)
    return names.whole_id(found) if found else None


def request_of(
    session: Session, operation: Operation, fields: list[Field], values: dict[str, Any]
) -> Any:
    """The request that the words of a command line make."""
    payload: dict[str, Any] = {}
    for field in fields:
        value = values.get(field.name)
        if value is None or (field.many and not value and not field.required):
            continue
        items = [
            _item(session, operation, field, item) for item in (value if field.many else [value])
        ]
        payload[field.name] = items if field.many else items[0]
        if field.is_batch:
            payload[field.name] = {"paths": items}
        if not field.takes_sd_path and not is_exact(str(value)):
            payload.update(_exact(operation, field, value))
    try:
        return msgspec.convert(payload, operation.request)
    except msgspec.ValidationError as error:
        raise InvalidPayload(method=operation.name, reason=str(error)) from error


def _item(session: Session, operation: Operation, field: Field, value: Any) -> Any:
    library = None if operation.scope == "core" else session.library_id()
    if field.role is Role.LIBRARY:
        return str(names.library_id(session.client, value))
    if field.role is Role.LOCATION:
        return str(names.location_id(session.client, value, library))
    if field.role is Role.JOB:
        return str(names.job_id(session.client, value, library))
    if field.role is Role.FILE:
        return str(names.file_id(session.client, value, library))
    if field.takes_sd_path and not is_exact(value):
        slug = session.call(GetStatus()).device_info.slug
        exact = os.fsencode(value)
        text = exact.decode("utf-8", "replace")
        return {"Physical": {"device_slug": slug, "path": text, "path_bytes": exact}}
    return value


def _exact(operation: Operation, field: Field, value: Any) -> dict[str, Any]:
    """The bytes of a text that is not UTF-8, beside the text, where the operation takes them."""
    beside = f"{field.name}_bytes"
    if beside not in operation.request.__struct_fields__ or field.many:
        raise click.UsageError("only paths may have bytes that are not UTF-8")
    exact = os.fsencode(value)
    return {field.name: exact.decode("utf-8", "replace"), beside: exact}


_SAMPLES = {
    Role.PATH: "~/Pictures",
    Role.LIBRARY: "Home",
    Role.LOCATION: "Pictures",
    Role.JOB: "3f2a",
    Role.FILE: "~/Pictures/sunset.jpg",
}
_SAMPLE_WORDS = {"name": "Home", "new_name": "Photos", "message": "hello", "query": "sunset"}
_SAMPLE_PATHS = {"export_path": "~/backup"}
_EXAMPLES = {
    "libraries.open": "~/backup",
    "locations.export": "Pictures ~/pictures.sql",
    "locations.import": "~/pictures.sql",
    "locations.update": "Pictures --name Photos",
    "config.app.update": "--log-level debug",
    "config.library.update": "--no-hidden",
}


def example(operation: Operation, fields: list[Field]) -> str:
    """A command line that could be typed."""
    group, verb = place_of(operation)
    words = ["sd", group, verb]
    if operation.name in _EXAMPLES:
        return " ".join([*words, _EXAMPLES[operation.name]])
    for field in fields:
        if field.required:
            sample = _SAMPLE_PATHS.get(field.name) or _SAMPLES.get(field.role)
            words.append(sample or _SAMPLE_WORDS.get(field.name, field.name.upper()))
    return " ".join(words)
