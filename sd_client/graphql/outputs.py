"""Objects: what results and events consist of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graphql import (
    GraphQLField,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
)
from msgspec import UNSET

from sd_client.graphql.naming import camel
from sd_client.graphql.scalars import Json
from sd_client.graphql.shapes import (
    Shape,
    class_of,
    documentation_of,
    fields_of,
    item_of,
    name_of,
    python_type,
    scalar_of,
    shape_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from graphql import GraphQLInterfaceType
    from msgspec import inspect

    from sd_client.graphql.enums import Enums
    from sd_client.graphql.upstream import Info

    Relations = Callable[[type[Any]], dict[str, GraphQLField]]
    """Fields that lead from a struct to another noun."""


class Outputs:
    """The object types of one schema, by the struct that each shows."""

    def __init__(self, enums: Enums) -> None:
        self.relations: Relations = lambda _cls: {}
        self._enums = enums
        self._objects: dict[type[Any], GraphQLObjectType] = {}
        self._unions: dict[str, GraphQLObjectType] = {}

    def of(self, shape: Shape) -> GraphQLOutputType:
        """The type of a field, an answer or an item."""
        found = self._some(shape)
        return found if shape.nullable else GraphQLNonNull(found)

    def object(
        self, cls: type[Any], interfaces: Sequence[GraphQLInterfaceType] = ()
    ) -> GraphQLObjectType:
        """The object of a struct."""
        if cls not in self._objects:
            self._objects[cls] = GraphQLObjectType(
                cls.__name__,
                lambda: self._fields(cls, interfaces),
                interfaces=interfaces,
                description=documentation_of(cls),
            )
        return self._objects[cls]

    def fields(self, cls: type[Any], *, without: Sequence[str] = ()) -> dict[str, GraphQLField]:
        """The fields of a struct, and where they lead."""
        made = {
            camel(field.name): GraphQLField(
                self.of(field.shape), resolve=_reader(field.name), description=field.shape.about
            )
            for field in fields_of(cls)
            if field.name not in without
        }
        for name, leading in self.relations(cls).items():
            made.setdefault(name, leading)
        return made

    def _fields(
        self, cls: type[Any], interfaces: Sequence[GraphQLInterfaceType]
    ) -> dict[str, GraphQLField]:
        found = {name: field for one in interfaces for name, field in one.fields.items()}
        mine = self.fields(cls)
        if twice := found.keys() & mine.keys():
            raise TypeError(f"{cls.__name__} has a field {min(twice)!r} of its own")
        return found | mine

    def _some(self, shape: Shape) -> Any:
        if len(shape.kinds) > 1:
            return self._either(shape)
        (kind,) = shape.kinds
        if (item := item_of(kind)) is not None:
            return GraphQLList(self.of(shape_of(item)))
        if (scalar := scalar_of(kind)) is not None:
            return scalar
        cls = class_of(kind)
        if cls is None:
            return Json  # such as a tuple, for which GraphQL has nothing
        return self.object(cls) if hasattr(cls, "__struct_fields__") else self._enums.of(cls)

    def _either(self, shape: Shape) -> GraphQLObjectType:
        """GraphQL's unions are of objects only, so one of several is an object of which one field
        is set."""
        name = "Or".join(name_of(kind) for kind in shape.kinds)
        if name not in self._unions:
            self._unions[name] = GraphQLObjectType(
                name,
                lambda: {
                    camel(name_of(kind)): GraphQLField(
                        self._some(Shape((kind,), nullable=True, about=None)),
                        resolve=_member(kind),
                    )
                    for kind in shape.kinds
                },
                description="One of the fields is set.",
            )
        return self._unions[name]


def _reader(name: str) -> Callable[[Any, Info], Any]:
    def read(source: Any, _info: Info) -> Any:
        found = getattr(source, name)
        return None if found is UNSET else found

    return read


def _member(kind: inspect.Type) -> Callable[[Any, Info], Any]:
    cls = python_type(kind)
    return lambda source, _info: source if isinstance(source, cls) else None
