"""Arguments: the input of operations, and how it becomes the request again."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any

from graphql import (
    GraphQLArgument,
    GraphQLDefaultInput,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
)

from sd_client.graphql.naming import camel
from sd_client.graphql.scalars import Json
from sd_client.graphql.shapes import (
    Field,
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

    import msgspec
    from msgspec import inspect

    from sd_client.graphql.enums import Enums

_SHOWN = (bool, int, float, str)  # enumerations are texts, too


class Inputs:
    """The input types of one schema, by the struct that each fills."""

    def __init__(self, enums: Enums) -> None:
        self._enums = enums
        self._objects: dict[type[Any], GraphQLInputObjectType] = {}
        self._unions: dict[str, GraphQLInputObjectType] = {}

    def arguments(
        self, cls: type[Any], *, without: Sequence[str] = ()
    ) -> dict[str, GraphQLArgument]:
        """The arguments that fill a struct."""
        return {
            camel(field.name): GraphQLArgument(
                self._of(field),
                default=default_of(field),
                description=field.shape.about,
                out_name=field.name,
            )
            for field in fields_of(cls)
            if field.name not in without
        }

    def object(self, cls: type[Any]) -> GraphQLInputObjectType:
        """The input object of a struct."""
        if cls not in self._objects:
            self._objects[cls] = GraphQLInputObjectType(
                f"{cls.__name__}Input",
                lambda: {
                    camel(field.name): GraphQLInputField(
                        self._of(field),
                        default=default_of(field),
                        description=field.shape.about,
                        out_name=field.name,
                    )
                    for field in fields_of(cls)
                },
                out_type=_filler(cls),
                description=documentation_of(cls),
            )
        return self._objects[cls]

    def _of(self, field: Field) -> Any:
        found = self._some(field.shape)
        given = field.required or default_of(field) is not None
        return GraphQLNonNull(found) if given and not field.shape.nullable else found

    def _some(self, shape: Shape) -> Any:
        if len(shape.kinds) > 1:
            return self._either(shape)
        (kind,) = shape.kinds
        if (item := item_of(kind)) is not None:
            inner = shape_of(item)
            found = self._some(inner)
            return GraphQLList(found if inner.nullable else GraphQLNonNull(found))
        if (scalar := scalar_of(kind)) is not None:
            return scalar
        cls = class_of(kind)
        if cls is None:
            return Json  # such as a tuple, for which GraphQL has nothing
        return self.object(cls) if hasattr(cls, "__struct_fields__") else self._enums.of(cls)

    def _either(self, shape: Shape) -> GraphQLInputObjectType:
        name = "Or".join(name_of(kind) for kind in shape.kinds)
        if name not in self._unions:
            self._unions[name] = GraphQLInputObjectType(
                f"{name}Input",
                lambda: {
                    camel(name_of(kind)): GraphQLInputField(self._some(_only(kind)))
                    for kind in shape.kinds
                },
                out_type=lambda given: next(iter(given.values())),
                description="Exactly one of the fields.",
                is_one_of=True,
            )
        return self._unions[name]


def _only(kind: inspect.Type) -> Shape:
    return Shape((kind,), nullable=True, about=None)


def default_of(field: Field) -> GraphQLDefaultInput | None:
    """What an argument is when it is left out, where that can be told in GraphQL."""
    value: Any = field.default
    if field.required or not isinstance(value, _SHOWN):
        return None
    told: Any = value.name if isinstance(value, Enum) else value
    if len(field.shape.kinds) > 1:
        (kind,) = (one for one in field.shape.kinds if python_type(one) is type(value))
        told = {camel(name_of(kind)): told}
    return GraphQLDefaultInput(told)


def present(given: dict[str, Any]) -> dict[str, Any]:
    """What was given. Null is the same as nothing: the request fills in what is left out."""
    return {name: value for name, value in given.items() if value is not None}


def _filler(cls: type[msgspec.Struct]) -> Callable[[dict[str, Any]], Any]:
    return lambda given: cls(**present(given))
