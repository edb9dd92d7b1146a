"""Command-line parameters, derived from the request struct of an operation.

A required field is an argument, every other one an option; its documentation is the help. Which
word a field takes follows from its type, and for three sorts of field from its name: a path is
made absolute, an id of a library, location, job or file may be given by what a person calls it,
and exact bytes, such as `path_bytes`, are filled in where the text beside them is not UTF-8.
"""

from __future__ import annotations

import types
from enum import Enum, StrEnum
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, Union, get_args, get_origin
from uuid import UUID

import click
import msgspec

from sd_client.cli.values import AbsolutePath, Choice, Json, dashed
from sd_wire.types.paths import PathInput, SdPathBatch

if TYPE_CHECKING:
    from sd_wire.operation import Operation


class Role(StrEnum):
    """What a field means, where its type does not say it."""

    VALUE = "value"
    PATH = "path"
    LIBRARY = "library"
    LOCATION = "location"
    JOB = "job"
    FILE = "file"


class Field(NamedTuple):
    """A field of a request as the command line sees it."""

    name: str
    kind: Any  # its type without None, Annotated and list
    many: bool
    optional: bool  # null is allowed
    required: bool
    documentation: str
    default: Any
    role: Role
    takes_sd_path: bool = False
    is_batch: bool = False  # its paths stand in an object of their own


_ROLES = {
    "library_id": Role.LIBRARY,
    "location_id": Role.LOCATION,
    "location_uuid": Role.LOCATION,
    "job_id": Role.JOB,
    "file_id": Role.FILE,
    "entry_uuid": Role.FILE,
}


def fields_of(operation: Operation) -> list[Field]:
    """The fields that can be given on a command line."""
    found = []
    for info in msgspec.structs.fields(operation.request):
        field = _field(operation, info)
        # An optional library is what --library names, for every operation.
        if field.kind is bytes or (field.role is Role.LIBRARY and not field.required):
            continue
        found.append(field)
    return found


def _field(operation: Operation, info: msgspec.structs.FieldInfo) -> Field:
    kind, documentation = _unwrap(info.type)
    many = False
    kind, optional = _without_null(kind)
    kind, inner = _unwrap(kind)
    documentation = documentation or inner
    if get_origin(kind) is list:
        many = True
        kind, _ = _unwrap(get_args(kind)[0])
    is_batch = kind is SdPathBatch
    takes_sd_path = is_batch or kind == PathInput
    default = None if info.default is msgspec.NODEFAULT else info.default
    role = _role(operation, info.name, kind, takes_sd_path=takes_sd_path)
    return Field(
        info.name,
        kind,
        many or is_batch,
        optional,
        info.required,
        documentation,
        default,
        role,
        takes_sd_path,
        is_batch,
    )


def _without_null(kind: Any) -> tuple[Any, bool]:
    """The type without None, and whether that was in it."""
    if kind == PathInput or get_origin(kind) not in (Union, types.UnionType):
        return kind, False
    members = get_args(kind)
    rest = [member for member in members if member is not type(None)]
    optional = len(rest) < len(members)
    if len(rest) == 1:
        return rest[0], optional
    return (PathInput if set(rest) == set(get_args(PathInput)) else Any), optional


def _unwrap(annotation: Any) -> tuple[Any, str]:
    """The type inside Annotated, and the documentation beside it."""
    if get_origin(annotation) is not Annotated:
        return annotation, ""
    kind, *notes = get_args(annotation)
    texts = [note.description for note in notes if isinstance(note, msgspec.Meta)]
    return kind, next((text for text in texts if text), "")


def _role(operation: Operation, name: str, kind: Any, *, takes_sd_path: bool) -> Role:
    if takes_sd_path or (kind is str and (name in ("path", "paths") or name.endswith("_path"))):
        return Role.PATH
    if kind is UUID and name == "id" and operation.name.startswith("locations."):
        return Role.LOCATION
    return _ROLES.get(name, Role.VALUE) if kind is UUID else Role.VALUE


_PLAIN_TYPES: dict[Any, click.ParamType[Any, Any]] = {
    int: click.INT,
    float: click.FLOAT,
    str: click.STRING,
    UUID: click.UUID,
}


def _type_of(field: Field) -> click.ParamType[Any, Any]:
    if field.role is Role.PATH:
        return AbsolutePath()
    if field.role is not Role.VALUE:
        return click.STRING
    if isinstance(field.kind, type) and issubclass(field.kind, Enum):
        return Choice.of(field.kind)
    return _PLAIN_TYPES.get(field.kind, Json())


def parameter(field: Field) -> click.Parameter:
    """The argument or option of a field."""
    if field.required:
        return Argument(
            [field.name],
            type=_type_of(field),
            nargs=-1 if field.many else 1,
            required=True,
            metavar=metavar(field),
            documentation=field.documentation,
        )
    flag = "--" + field.name.replace("_", "-")
    if field.kind is bool:
        opposite = flag.replace("--no-", "--") if flag.startswith("--no-") else f"--no-{flag[2:]}"
        return click.Option(
            [f"{flag}/{opposite}", field.name],
            default=None,
            help=_with_default(field, "yes" if field.default else ""),
        )
    shown = dashed(field.default.value) if isinstance(field.default, Enum) else field.default
    return click.Option(
        [flag, field.name],
        type=_type_of(field),
        multiple=field.many,
        default=None,
        metavar=None if isinstance(_type_of(field), Choice) else metavar(field),
        help=_with_default(field, str(shown).lower() if shown not in (None, "", False) else ""),
    )


def _with_default(field: Field, default: str) -> str:
    return f"{field.documentation}  [default: {default}]" if default else field.documentation


def metavar(field: Field) -> str:
    """The word that stands for a value in the help."""
    if field.role not in (Role.VALUE, Role.PATH):
        return field.role.name
    if field.role is Role.PATH:
        return "PATH..." if field.many else "PATH"
    if not field.required and field.kind in (int, float):
        return "NUMBER"
    return "JSON" if isinstance(_type_of(field), Json) else field.name.upper()


class Argument(click.Argument):
    """An argument with a line of help, which older versions of click leave to the prose."""

    def __init__(self, names: list[str], *, documentation: str, **settings: Any) -> None:
        super().__init__(names, **settings)
        self.documentation = documentation

    def get_help_record(self, ctx: click.Context) -> tuple[str, str]:
        """What stands in the help."""
        return self.metavar or self.human_readable_name, self.documentation
