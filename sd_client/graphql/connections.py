"""Listings that come in pages, as Relay's connections: first, after, edges, pageInfo.

Which operations do is declared with them. The cursors are the daemon's own: the place of an item
in the order, which files that come and go do not shift.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from graphql import (
    GraphQLArgument,
    GraphQLBoolean,
    GraphQLDefaultInput,
    GraphQLField,
    GraphQLInt,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLString,
)
from msgspec import inspect

from sd_client.graphql.failures import refusal
from sd_client.graphql.naming import pascal
from sd_client.graphql.shapes import class_of, fields_of, item_of, shape_of
from sd_wire.operations.search import PaginationOptions
from sd_wire.paging import OF_RESULTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from sd_client.graphql.outputs import Outputs
    from sd_client.graphql.upstream import Info
    from sd_wire.operation import Operation

FIRST = 100
"""How many come where nobody says how many."""


class Page(NamedTuple):
    """One page, and whether something comes before it."""

    result: Any
    items: list[Any]
    after: str | None

    @property
    def cursors(self) -> list[str]:
        """That of each item."""
        found: list[str] = self.result.cursors
        return found


def page_of(operation: Operation, first: int, after: str | None) -> dict[str, Any]:
    """What the request says that stands for `first` and `after`. Raises GraphQLError."""
    if not 1 <= first <= largest(operation):
        text = f"first: it must be from 1 to {largest(operation)}"
        raise refusal("invalid-value", text, "go on with the cursor of the last edge as `after`")
    many: dict[str, Any] = {"limit": first}
    if "pagination" in operation.request.__struct_fields__:
        many = {"pagination": PaginationOptions(first)}
    return {**many, "cursor": after, "cursors": True}


@cache
def largest(operation: Operation) -> int:
    """How many items one page may have, as it is declared."""
    request: type[Any] = operation.request
    if "pagination" in operation.request.__struct_fields__:
        request = PaginationOptions
    (limit,) = (one for one in fields_of(request) if one.name == "limit")
    (kind,) = limit.shape.kinds
    assert isinstance(kind, inspect.IntType)
    assert kind.le is not None
    return kind.le


def page_arguments(operation: Operation) -> dict[str, GraphQLArgument]:
    """What a connection takes."""
    return {
        "first": GraphQLArgument(
            GraphQLNonNull(GraphQLInt),
            default=GraphQLDefaultInput(FIRST),
            description=f"how many at most, up to {largest(operation)}",
        ),
        "after": GraphQLArgument(
            GraphQLString, description="the cursor of an edge: what comes behind it"
        ),
    }


PAGE_INFO = GraphQLObjectType(
    "PageInfo",
    {
        "hasNextPage": GraphQLField(
            GraphQLNonNull(GraphQLBoolean),
            resolve=lambda page, _info: page.result.next_cursor is not None,
        ),
        "hasPreviousPage": GraphQLField(
            GraphQLNonNull(GraphQLBoolean),
            resolve=lambda page, _info: page.after is not None,
            description="whether it was asked for behind another item",
        ),
        "startCursor": GraphQLField(
            GraphQLString,
            resolve=lambda page, _info: page.cursors[0] if page.items else None,
            description="the cursor of the first edge",
        ),
        "endCursor": GraphQLField(
            GraphQLString,
            resolve=lambda page, _info: page.cursors[-1] if page.items else None,
            description="the cursor of the last edge: give it as `after` to go on",
        ),
    },
    description="Where a page begins and ends.",
)


class Connections:
    """Those of one schema."""

    def __init__(self, outputs: Outputs) -> None:
        self._outputs = outputs
        self._edges: dict[str, GraphQLObjectType] = {}

    def of(self, operation: Operation, items: str) -> GraphQLObjectType:
        """The connection of a listing."""
        cls = class_of(shape_of(inspect.type_info(operation.result)).kinds[0])
        assert cls is not None
        fields = {field.name: field for field in fields_of(cls)}
        kind = item_of(fields[items].shape.kinds[0])
        assert kind is not None
        node = self._outputs.of(shape_of(kind))

        def made() -> dict[str, GraphQLField]:
            beside = self._outputs.fields(cls, without=(items, *OF_RESULTS))
            return {
                "edges": GraphQLField(_list_of(self._edge(node)), resolve=_edges),
                "nodes": GraphQLField(_list_of(node), resolve=lambda page, _info: page.items),
                "pageInfo": GraphQLField(
                    GraphQLNonNull(PAGE_INFO), resolve=lambda page, _info: page
                ),
                **{name: _of_result(field) for name, field in beside.items()},
            }

        about = f"A page of `{operation.name}`."
        return GraphQLObjectType(f"{pascal(operation.name)}Connection", made, description=about)

    def _edge(self, node: Any) -> GraphQLNonNull[Any]:
        name = f"{node.of_type.name if isinstance(node, GraphQLNonNull) else node.name}Edge"
        if name not in self._edges:
            self._edges[name] = GraphQLObjectType(
                name,
                {
                    "node": GraphQLField(node, resolve=lambda edge, _info: edge[0]),
                    "cursor": GraphQLField(
                        GraphQLNonNull(GraphQLString),
                        resolve=lambda edge, _info: edge[1],
                        description="give it as `after` for what comes behind",
                    ),
                },
                description="One of a page, and its place.",
            )
        return GraphQLNonNull(self._edges[name])


def _edges(page: Page, _info: Info) -> list[tuple[Any, str]]:
    return list(zip(page.items, page.cursors, strict=True))


def _of_result(field: GraphQLField) -> GraphQLField:
    """A field of the result, read from the page."""
    read: Callable[..., Any] | None = field.resolve
    assert read is not None
    return GraphQLField(
        field.type,
        resolve=lambda page, info: read(page.result, info),
        description=field.description,
    )


def _list_of(kind: Any) -> GraphQLNonNull[Any]:
    return GraphQLNonNull(GraphQLList(kind))
