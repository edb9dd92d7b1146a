"""What the contract says of a type, as GraphQL looks at it: what it is, and whether it may be null.

msgspec knows the types of a struct's fields with everything that their annotations say. Here they
are taken apart as far as both sides of a schema, outputs and inputs, need it.
"""

from __future__ import annotations

from inspect import cleandoc
from typing import Any, NamedTuple

import msgspec
from graphql import GraphQLBoolean, GraphQLFloat, GraphQLInt, GraphQLScalarType, GraphQLString
from msgspec import inspect

from sd_client.graphql.scalars import Base64, DateTime, Json, Long, Uuid
from sd_wire.operation import ID_OF

_INT32 = 2**31

_SCALARS: dict[type, GraphQLScalarType] = {
    inspect.StrType: GraphQLString,
    inspect.LiteralType: GraphQLString,
    inspect.BoolType: GraphQLBoolean,
    inspect.FloatType: GraphQLFloat,
    inspect.DateTimeType: DateTime,
    inspect.UUIDType: Uuid,
    inspect.BytesType: Base64,
    inspect.DictType: Json,
    inspect.AnyType: Json,
    inspect.NoneType: Json,
}

_PLAIN: dict[type[inspect.Type], type[Any]] = {
    inspect.StrType: str,
    inspect.IntType: int,
    inspect.FloatType: float,
    inspect.BoolType: bool,
    inspect.ListType: list,
}

ABOUT = "description"


class Shape(NamedTuple):
    """A type without its null."""

    kinds: tuple[inspect.Type, ...]  # several: one of them
    nullable: bool
    about: str | None
    noun: str | None = None  # whose id it is, where a field's name does not say so


class Field(NamedTuple):
    """A field of a struct."""

    name: str
    shape: Shape
    required: bool
    default: Any  # msgspec.UNSET where there is none to tell


def shape_of(found: inspect.Type) -> Shape:
    """Take a type apart."""
    about = noun = None
    while isinstance(found, inspect.Metadata):
        about = (found.extra_json_schema or {}).get(ABOUT, about)
        noun = (found.extra or {}).get(ID_OF, noun)
        found = found.type
    if not isinstance(found, inspect.UnionType):
        return Shape((found,), isinstance(found, inspect.NoneType | inspect.AnyType), about, noun)
    inner = [shape_of(one) for one in found.types if not isinstance(one, inspect.NoneType)]
    kinds = tuple(kind for one in inner for kind in one.kinds)
    about = about or next((one.about for one in inner if one.about), None)
    return Shape(kinds, len(inner) < len(found.types), about)


def fields_of(cls: type[Any]) -> list[Field]:
    """The fields of a struct."""
    described = inspect.type_info(cls)
    assert isinstance(described, inspect.StructType)
    return [_field(one) for one in described.fields]


def _field(found: inspect.Field) -> Field:
    shape = shape_of(found.type)
    told = found.default is not msgspec.NODEFAULT
    # msgspec leaves UNSET out of the type; a field that may be that has no default of any kind.
    if not (found.required or told or found.default_factory is not msgspec.NODEFAULT):
        shape = shape._replace(nullable=True)
    return Field(found.name, shape, found.required, found.default if told else msgspec.UNSET)


def scalar_of(kind: inspect.Type) -> GraphQLScalarType | None:
    """The scalar for a kind that is no struct, enum or list."""
    if isinstance(kind, inspect.IntType):
        low, high = kind.ge, kind.le
        small = None not in (low, high) and (low or 0) >= -_INT32 and (high or 0) < _INT32
        return GraphQLInt if small else Long
    return _SCALARS.get(type(kind))


def item_of(kind: inspect.Type) -> inspect.Type | None:
    """What a list is a list of."""
    if isinstance(kind, inspect.ListType | inspect.SetType | inspect.VarTupleType):
        return kind.item_type
    return None


def class_of(kind: inspect.Type) -> type[Any] | None:
    """The struct or enum of a kind."""
    if isinstance(kind, inspect.StructType | inspect.EnumType):
        return kind.cls
    return None


def python_type(kind: inspect.Type) -> type[Any]:
    """What a member of a union is in Python."""
    return class_of(kind) or _PLAIN[type(kind)]


def name_of(kind: inspect.Type) -> str:
    """What a member of a union is called."""
    cls = class_of(kind)
    if cls is not None:
        return cls.__name__
    if (item := item_of(kind)) is not None:
        return f"{name_of(shape_of(item).kinds[0])}List"
    return "Text" if isinstance(kind, inspect.StrType) else type(kind).__name__[: -len("Type")]


def documentation_of(cls: type[Any]) -> str:
    """The docstring, as prose."""
    return cleandoc(cls.__doc__ or "")
