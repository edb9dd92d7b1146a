"""Listings that come in pages, as Relay's connections: first, after, edges, pageInfo.

An operation is one when its result has `next_cursor` and one list, and its request `cursor` and
`limit`. The cursors are the daemon's own: a place in the order, which files that come and go do not
shift. It gives one where a page ends, so the last edge of a page has a cursor and no other.
"""

from __future__ import annotations

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

from sd_client.graphql.naming import pascal
from sd_client.graphql.shapes import class_of, fields_of, item_of, shape_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from sd_client.graphql.outputs import Outputs
    from sd_client.graphql.upstream import Info
    from sd_wire.operation import Operation

REPLACED = ("limit", "cursor")
"""What the request has in the place of `first` and `after`."""
_OF_PAGES = ("next_cursor", "has_more")

FIRST = 100
"""How many come where nobody says how many."""


class Page(NamedTuple):
    """One page, and whether something comes before it."""

    result: Any
    items: list[Any]
    after: str | None


def listed_in(operation: Operation) -> str | None:
    """The field of the result that has the items, where this is a listing in pages."""
    cls = class_of(shape_of(inspect.type_info(operation.result)).kinds[0])
    if cls is None or not set(REPLACED) <= set(operation.request.__struct_fields__):
        return None
    fields = fields_of(cls)
    lists = [one.name for one in fields if item_of(one.shape.kinds[0]) is not None]
    paged = "next_cursor" in [one.name for one in fields]
    return lists[0] if paged and len(lists) == 1 else None


PAGE_ARGUMENTS = {
    "first": GraphQLArgument(
        GraphQLNonNull(GraphQLInt),
        default=GraphQLDefaultInput(FIRST),
        description="how many at most",
    ),
    "after": GraphQLArgument(
        GraphQLString, description="where an earlier page ended (its pageInfo.endCursor)"
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
            GraphQLNonNull(GraphQLBoolean), resolve=lambda page, _info: page.after is not None
        ),
        "startCursor": GraphQLField(
            GraphQLString,
            resolve=lambda page, _info: page.after,
            description="the `after` of this page",
        ),
        "endCursor": GraphQLField(
            GraphQLString,
            resolve=lambda page, _info: page.result.next_cursor,
            description="give it as `after` to go on; null where nothing follows",
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
            beside = self._outputs.fields(cls, without=(items, *_OF_PAGES))
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
                        GraphQLString,
                        resolve=lambda edge, _info: edge[1],
                        description="set where the page ends and another follows",
                    ),
                },
                description="One of a page, and its place.",
            )
        return GraphQLNonNull(self._edges[name])


def _edges(page: Page, _info: Info) -> list[tuple[Any, str | None]]:
    places: list[str | None] = [None] * len(page.items)
    if places:
        places[-1] = page.result.next_cursor
    return list(zip(page.items, places, strict=True))


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
