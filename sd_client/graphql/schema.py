"""The schema, made from the declarations: every operation, every event, and what leads from one
noun to another. Nothing here knows the name of an operation.

`files.by_id` is the field `filesById`: a query where it reads, a mutation where it changes. What
works inside a library takes `library`, an id or a name.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from graphql import (
    GraphQLArgument,
    GraphQLField,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLString,
    print_schema,
)
from msgspec import inspect

import sd_wire.catalogue  # noqa: F401  (declares the operations)
from sd_client.graphql.connections import (
    Connections,
    Page,
    page_arguments,
    page_of,
)
from sd_client.graphql.enums import Enums
from sd_client.graphql.happenings import Happenings
from sd_client.graphql.inputs import Inputs, present
from sd_client.graphql.naming import camel
from sd_client.graphql.outputs import Outputs
from sd_client.graphql.relations import Relations, finders
from sd_client.graphql.shapes import documentation_of, shape_of
from sd_client.graphql.upstream import Wanted
from sd_wire.operation import CATALOGUE, Kind, Scope
from sd_wire.paging import OF_REQUESTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from sd_client.graphql.upstream import Info
    from sd_wire.operation import Operation

LIBRARY = "library"

LIBRARY_ARGUMENT = GraphQLArgument(
    GraphQLString, description="the library, by id or name; the only open one when it is left out"
)


class Derivation:
    """Everything that one schema consists of."""

    def __init__(self) -> None:
        enums = Enums()
        self.outputs = Outputs(enums)
        self.inputs = Inputs(enums)
        self.connections = Connections(self.outputs)
        self.happenings = Happenings(self.outputs, self.inputs)
        self.outputs.relations = Relations(self.outputs)

    def schema(self) -> GraphQLSchema:
        """The schema of the contract."""
        return GraphQLSchema(
            query=self._root("Query", "What can be asked.", Kind.QUERY),
            mutation=self._root("Mutation", "What can be changed.", Kind.ACTION),
            subscription=self.happenings.root(LIBRARY_ARGUMENT),
            types=self.happenings.types(),
            description="The contract of the Spacedrive daemon.",
        )

    def _root(self, name: str, about: str, kind: Kind) -> GraphQLObjectType:
        fields = {
            camel(operation.name): self.field(operation)
            for _, operation in sorted(CATALOGUE.items())
            if operation.kind is kind
        }
        return GraphQLObjectType(name, fields, description=about)

    def field(self, operation: Operation) -> GraphQLField:
        """The field that calls an operation."""
        items = operation.pages
        without = OF_REQUESTS if items else ()
        arguments = self.inputs.arguments(operation.request, without=without)
        if items:
            arguments |= page_arguments(operation)
        if operation.scope is Scope.LIBRARY:
            if LIBRARY in arguments:
                raise TypeError(f"{operation.name} has an input {LIBRARY!r} of its own")
            arguments = {LIBRARY: LIBRARY_ARGUMENT, **arguments}
        # Null beside the answers of others where it fails.
        answer = shape_of(inspect.type_info(operation.result))._replace(nullable=True)
        made = self.connections.of(operation, items) if items else self.outputs.of(answer)
        return GraphQLField(
            made,
            args=arguments,
            resolve=_once(_page(operation, items) if items else _call(operation)),
            description=documentation_of(operation.request),
        )


def _call(operation: Operation) -> Callable[..., Any]:
    # What is found by its id is asked together with everything else that is.
    by_id = next((name for name, one in finders().items() if one.operation is operation), None)

    async def resolve(_root: Any, info: Info, **given: Any) -> Any:
        context = info.context
        library = await context.upstream.library(given.pop(LIBRARY, None))
        context.libraries[info.path.key] = library
        if by_id is not None:
            return await context.loads.load(Wanted(operation, library, given[by_id]))
        request = operation.request(**present(given))
        return await context.upstream.call(operation, request, library, context.cause)

    return resolve


def _once(resolve: Callable[..., Any]) -> Callable[..., Any]:
    """Not again what a projection has asked already."""

    async def known(root: Any, info: Info, **given: Any) -> Any:
        if info.path.key not in info.context.known:
            return await resolve(root, info, **given)
        result = info.context.known[info.path.key]
        if isinstance(result, BaseException):
            raise result
        return result

    return known


def _page(operation: Operation, items: str) -> Callable[..., Any]:
    call = _call(operation)

    async def resolve(root: Any, info: Info, **given: Any) -> Page:
        after = given.pop("after", None)
        given |= page_of(operation, given.pop("first"), after)
        result = await call(root, info, **given)
        return Page(result, getattr(result, items), after)

    return resolve


@cache
def contract_schema() -> GraphQLSchema:
    """The schema of this version. Made when first asked for, and kept."""
    return Derivation().schema()


def schema_text() -> str:
    """docs/schema.graphql."""
    return print_schema(contract_schema()) + "\n"
