"""Fields that lead from one noun to another: a result that names a job by its id also has the job.

They follow from the contract. A query whose one input is the id of its noun (`jobs.info(job_id)`)
is how such a thing is found, so every object with a field `job_id`, or with one that is declared to
be the id of a job, has a field `job`. What a whole answer needs of them is asked in one Batch.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from graphql import GraphQLField
from msgspec import inspect

from sd_client.graphql.naming import camel
from sd_client.graphql.shapes import class_of, fields_of, shape_of
from sd_client.graphql.upstream import Wanted
from sd_wire.operation import CATALOGUE, Kind, Scope

if TYPE_CHECKING:
    from collections.abc import Callable

    from sd_client.graphql.outputs import Outputs
    from sd_client.graphql.shapes import Field, Shape
    from sd_client.graphql.upstream import Info
    from sd_wire.operation import Operation


FOLLOWS = "follows"
"""Marks fields that ask the daemon."""


class Finder(NamedTuple):
    """How a thing is found by its id."""

    operation: Operation
    result: Shape


@cache
def finders() -> dict[str, Finder]:
    """By the name of the field that has the id."""
    found: dict[str, Finder] = {}
    for operation in CATALOGUE.values():
        fields = fields_of(operation.request)
        result = shape_of(inspect.type_info(operation.result))
        noun = operation.name.partition(".")[0]
        if (
            operation.kind is Kind.QUERY
            and [f"{field.name}s" for field in fields] == [f"{noun[:-1]}_ids"]
            and is_id(fields[0].shape)
            and class_of(result.kinds[0]) is not None
        ):
            found.setdefault(fields[0].name, Finder(operation, result))
    return found


def is_id(shape: Shape) -> bool:
    """Whether this is an id, or null."""
    return [type(kind) for kind in shape.kinds] == [inspect.UUIDType]


def _id_in(field: Field) -> str:
    """What the id in a field is called elsewhere."""
    return field.name if field.shape.noun is None else f"{field.shape.noun}_id"


class Relations:
    """Those of one schema."""

    def __init__(self, outputs: Outputs) -> None:
        self._outputs = outputs
        self._finders = finders()

    def __call__(self, cls: type[Any]) -> dict[str, GraphQLField]:
        """The fields that lead from a struct to other nouns."""
        named = [(field, _id_in(field)) for field in fields_of(cls) if is_id(field.shape)]
        return {
            camel(name.removesuffix("_id")): self._leading(field.name, self._finders[name])
            for field, name in named
            if name in self._finders
        }

    def _leading(self, name: str, finder: Finder) -> GraphQLField:
        return GraphQLField(
            self._outputs.of(finder.result._replace(nullable=True)),
            resolve=_follow(name, finder.operation),
            description=f"What has the id in `{camel(name)}`.",
            extensions={FOLLOWS: True},
        )


def _follow(name: str, operation: Operation) -> Callable[[Any, Info], Any]:
    def follow(source: Any, info: Info) -> Any:
        value = getattr(source, name)
        if value is None:
            return None
        context = info.context
        root = info.path
        while root.prev is not None:
            root = root.prev
        library = context.libraries.get(root.key, context.library)
        in_library = operation.scope is Scope.LIBRARY
        return context.loads.load(Wanted(operation, library if in_library else None, value))

    return follow
