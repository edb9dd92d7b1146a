"""How much one GraphQL document may ask for.

Counted on the document, before it is validated or carried out: fragments are followed, each once,
so that a short document cannot stand for a long one. The cost is about the number of values that
the answer can have: a page of a hundred with ten fields each costs a thousand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    OperationDefinitionNode,
    value_from_ast_untyped,
)

from sd_client.graphql.failures import refusal

if TYPE_CHECKING:
    from graphql import DocumentNode, GraphQLError, GraphQLObjectType, SelectionSetNode


class Limits(msgspec.Struct, frozen=True):
    """What is allowed."""

    body_bytes: int = 1024 * 1024
    tokens: int = 4_000
    depth: int = 16  # what GraphiQL asks about the schema has 14
    aliases: int = 400
    roots: int = 50
    overlaps: int = 20_000  # validation looks at about 200 in a millisecond
    cost: int = 250_000
    kept_bytes: int = 16 * 1024 * 1024  # of documents that are remembered, and of stored ones
    streams: int = 4_096  # subscriptions of all clients
    streams_per_socket: int = 1_024
    seconds: float = 10.0  # for a request to arrive, and of silence on a connection


DEFAULT = Limits()

LOAD = 10
"""What following an id costs: a question to the daemon."""

_PAGE = ("first", "limit")


class Size(msgspec.Struct, frozen=True):
    """How large a selection is."""

    fields: int = 0
    depth: int = 0
    aliases: int = 0

    def beside(self, other: Size) -> Size:
        """Both together."""
        return Size(
            self.fields + other.fields,
            max(self.depth, other.depth),
            self.aliases + other.aliases,
        )


_NOTHING = Size()


class Measure:
    """One document, measured."""

    def __init__(self, document: DocumentNode, followed: frozenset[str]) -> None:
        """`followed`: the names of fields that follow an id."""
        self._followed = followed
        self._fragments = {
            one.name.value: one
            for one in document.definitions
            if isinstance(one, FragmentDefinitionNode)
        }
        self._sets = [
            one.selection_set
            for one in document.definitions
            if isinstance(one, FragmentDefinitionNode | OperationDefinitionNode)
        ]
        self._known: dict[str, Size] = {}

    def size(self, selections: SelectionSetNode | None, depth: int = 0) -> Size:
        """Of a selection, with everything below it."""
        total = _NOTHING
        if depth > DEFAULT.depth:  # deep enough to be refused
            return Size(depth=depth)
        for one in () if selections is None else selections.selections:
            if isinstance(one, FieldNode):
                below = self.size(one.selection_set, depth + 1)
                own = LOAD if one.name.value in self._followed else 1
                size = Size(own + below.fields, below.depth + 1, below.aliases + bool(one.alias))
            elif isinstance(one, FragmentSpreadNode):
                size = self._of_fragment(one.name.value, depth)
            else:
                size = self.size(getattr(one, "selection_set", None), depth)
            total = total.beside(size)
        return total

    def _of_fragment(self, name: str, depth: int) -> Size:
        if name not in self._known:
            self._known[name] = _NOTHING  # where it contains itself, which validation refuses
            found = self._fragments.get(name)
            if found is not None:
                self._known[name] = self.size(found.selection_set, depth)
        return self._known[name]

    def flat(self, *sets: SelectionSetNode) -> tuple[list[FieldNode], int]:
        """The fields of selections that stand for one, those in fragments too, and how many
        fragments these are."""
        fields: list[FieldNode] = []
        seen: set[str] = set()
        waiting = [one for selections in sets for one in selections.selections]
        while waiting:
            one = waiting.pop()
            if isinstance(one, FieldNode):
                fields.append(one)
            elif isinstance(one, FragmentSpreadNode):
                name = one.name.value
                if name not in seen and name in self._fragments:
                    seen.add(name)
                    waiting += self._fragments[name].selection_set.selections
            else:
                waiting += getattr(one, "selection_set").selections  # noqa: B009
        return fields, len(seen)

    def overlaps(self, limit: int) -> int:
        """How many pairs of fields answer under one name, and of fragments stand in one place.

        Validation looks at each pair, in fragments that nothing asks for, too. Not counted much
        further than the limit.
        """
        found = 0
        waiting = [([one], 0) for one in self._sets]
        while waiting and found <= limit:
            sets, depth = waiting.pop()
            fields, fragments = self.flat(*sets)
            # Each field counts, too: fragments can make many places of few.
            found += len(fields) + _pairs(fragments)
            named: dict[str, list[FieldNode]] = {}
            for one in fields:
                named.setdefault((one.alias or one.name).value, []).append(one)
            for alike in named.values():
                found += _pairs(len(alike))
                below = [one.selection_set for one in alike if one.selection_set is not None]
                if below and depth < DEFAULT.depth:  # there is no end where one contains itself
                    waiting.append((below, depth + 1))
        return found


def _pairs(number: int) -> int:
    return number * (number - 1) // 2


def excess(
    document: DocumentNode, followed: frozenset[str], limits: Limits = DEFAULT
) -> GraphQLError | None:
    """Why a document is refused whatever its variables are, or None."""
    measure = Measure(document, followed)
    for operation in _operations(document):
        size = measure.size(operation.selection_set)
        roots = len(measure.flat(operation.selection_set)[0])
        for what, found, limit in (
            ("deep", size.depth, limits.depth),
            ("aliases", size.aliases, limits.aliases),
            ("fields at its root", roots, limits.roots),
        ):
            if found > limit:
                return _too_much(what, limit)
    if measure.overlaps(limits.overlaps) > limits.overlaps:
        text = "the document has the same fields too often"
        return refusal("query-too-large", text, "ask for each field once")
    return None


def cost(
    document: DocumentNode,
    operation: OperationDefinitionNode,
    root: GraphQLObjectType,
    followed: frozenset[str],
    variables: dict[str, Any],
) -> int:
    """How many values the answer to an operation can have, about."""
    measure = Measure(document, followed)
    variables = {**_defaults(operation), **variables}
    total = 0
    for field in measure.flat(operation.selection_set)[0]:
        declared = root.fields.get(field.name.value)
        if declared is not None:
            page = _page(field, declared, variables)
            total += 1 + page * measure.size(field.selection_set).fields
    return total


def too_costly(found: int, limit: int) -> GraphQLError:
    """The refusal of an operation for its cost."""
    return refusal(
        "query-too-large",
        f"this asks for up to {found} values; {limit} are allowed",
        "ask for a smaller page, or for fewer fields",
    )


def _too_much(what: str, limit: int) -> GraphQLError:
    text = (
        f"the document is more than {limit} fields deep"
        if what == "deep"
        else f"the document has more than {limit} {what}"
    )
    return refusal("query-too-large", text, "send it in smaller pieces")


def _operations(document: DocumentNode) -> list[OperationDefinitionNode]:
    return [one for one in document.definitions if isinstance(one, OperationDefinitionNode)]


def _defaults(operation: OperationDefinitionNode) -> dict[str, Any]:
    """What variables stand for where they are not given."""
    return {
        one.variable.name.value: value_from_ast_untyped(one.default_value)
        for one in operation.variable_definitions or ()
        if one.default_value is not None
    }


def _page(field: FieldNode, declared: Any, variables: dict[str, Any]) -> int:
    """How many items a root field can answer with, as far as its arguments say."""
    given = {
        one.name.value: value_from_ast_untyped(one.value, variables)
        for one in field.arguments or ()
        if one.name.value in _PAGE
    }
    for name in _PAGE:
        if name in declared.args:
            default = declared.args[name].default
            known = _number(given.get(name))
            return max(1, known if known is not None else default.value if default else 1_000)
    return 1


def _number(value: Any) -> int | None:
    """A number as GraphQL's Int reads it, for which 1000.0 is one as well."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) else None
