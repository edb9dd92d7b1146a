"""Answers to plain questions, without the executor.

Most of the time of a small answer, and nearly all of a large one, goes into executing GraphQL value
by value. Where a selection has neither directives nor types to choose from, what it does is known
before: read these fields, under these names. That is worked out once for a document, and then is a
few nested dictionaries for each answer.

Whatever is not plain goes to the executor: a document, when it is looked at; an answer with a
failure in it, with the results that are there already. So there is one place where errors are made.
"""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLString,
    InlineFragmentNode,
    OperationType,
    get_argument_values,
    get_variable_values,
    is_leaf_type,
)

from sd_client.graphql.relations import FOLLOWS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from graphql import (
        DocumentNode,
        GraphQLField,
        GraphQLSchema,
        OperationDefinitionNode,
        SelectionSetNode,
    )

    from sd_client.graphql.upstream import Context

    Complete = Callable[[Any], Any]
    Column = tuple[str, Callable[[Any, Any], Any], Complete]

TYPE_NAME = "__typename"


class NotPlain(Exception):
    """Something for the executor."""


class Root(NamedTuple):
    """A field of the root: how it is asked, and what is shown of the result."""

    key: str
    field: GraphQLField
    node: FieldNode
    complete: Complete


class Projection:
    """What one operation shows."""

    def __init__(
        self, schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode
    ) -> None:
        """Raises NotPlain."""
        self._schema = schema
        self._operation = operation
        self._fragments = {
            one.name.value: one
            for one in document.definitions
            if isinstance(one, FragmentDefinitionNode)
        }
        kind = schema.get_root_type(operation.operation)
        if kind is None or operation.directives:
            raise NotPlain
        self._roots = [
            self._root(kind, key, node) for key, node in self._nodes(kind, operation.selection_set)
        ]
        # Changes are made one after the other.
        if operation.operation is OperationType.MUTATION and len(self._roots) > 1:
            raise NotPlain

    async def data(self, context: Context, given: dict[str, Any]) -> dict[str, Any]:
        """The data of the answer. Raises NotPlain; what was asked until then is in `known` of the
        context."""
        variables = get_variable_values(
            self._schema, self._operation.variable_definitions or (), given
        )
        if isinstance(variables, list):
            raise NotPlain
        try:
            calls = [_call(root, context, variables) for root in self._roots]
        except GraphQLError as error:
            raise NotPlain from error
        if len(calls) == 1:
            results = [await _outcome(calls[0])]
        else:
            results = await asyncio.gather(*calls, return_exceptions=True)
        context.known = dict(zip([root.key for root in self._roots], results, strict=True))
        if any(isinstance(one, BaseException) for one in results):
            raise NotPlain
        try:
            return {
                root.key: root.complete(result)
                for root, result in zip(self._roots, results, strict=True)
            }
        except (GraphQLError, AttributeError) as error:
            raise NotPlain from error

    def _root(self, kind: GraphQLObjectType, key: str, node: FieldNode) -> Root:
        field = kind.fields.get(node.name.value)
        if field is None:  # of introspection
            raise NotPlain
        return Root(key, field, node, self._complete(field.type, node.selection_set))

    def _nodes(
        self, kind: GraphQLObjectType, selections: SelectionSetNode | None
    ) -> Iterator[tuple[str, FieldNode]]:
        """The fields of a selection by their names in the answer, each once."""
        seen: set[str] = set()
        for node in self._spread(kind, selections):
            key = node.alias.value if node.alias else node.name.value
            if key in seen or node.directives:
                raise NotPlain
            seen.add(key)
            yield key, node

    def _spread(
        self, kind: GraphQLObjectType, selections: SelectionSetNode | None
    ) -> Iterator[FieldNode]:
        for one in () if selections is None else selections.selections:
            if isinstance(one, FieldNode):
                yield one
                continue
            found: Any = one
            if isinstance(one, FragmentSpreadNode):
                found = self._fragments[one.name.value]
            condition = found.type_condition
            if one.directives or not isinstance(one, FragmentSpreadNode | InlineFragmentNode):
                raise NotPlain
            if condition is not None and condition.name.value != kind.name:
                raise NotPlain
            yield from self._spread(kind, found.selection_set)

    def _complete(self, kind: Any, selections: SelectionSetNode | None) -> Complete:
        """What turns a value of a type into what is shown of it."""
        if isinstance(kind, GraphQLNonNull):
            return _present(self._complete(kind.of_type, selections))
        if isinstance(kind, GraphQLList):
            return _listed(self._complete(kind.of_type, selections))
        if is_leaf_type(kind):
            return _text if kind is GraphQLString else _leaf(kind.coerce_output_value)
        if isinstance(kind, GraphQLObjectType):
            return _row([self._column(kind, *one) for one in self._nodes(kind, selections)])
        raise NotPlain

    def _column(self, kind: GraphQLObjectType, key: str, node: FieldNode) -> Column:
        name = node.name.value
        if name == TYPE_NAME:
            return key, lambda _source, _info: kind.name, _text
        field = kind.fields[name]
        if field.resolve is None or field.extensions.get(FOLLOWS):
            raise NotPlain
        return key, field.resolve, self._complete(field.type, node.selection_set)


def _call(root: Root, context: Context, variables: Any) -> Any:
    """Ask for a field of the root, as the executor would."""
    given = get_argument_values(root.field, root.node, variables)
    here = SimpleNamespace(context=context, path=SimpleNamespace(key=root.key))
    assert root.field.resolve is not None
    return root.field.resolve(None, here, **given)


async def _outcome(call: Any) -> Any:
    try:
        return await call
    except Exception as error:  # told by the executor, in its form
        return error


def _present(complete: Complete) -> Complete:
    def present(value: Any) -> Any:
        found = complete(value)
        if found is None:
            raise NotPlain
        return found

    return present


def _listed(complete: Complete) -> Complete:
    return lambda value: None if value is None else [complete(one) for one in value]


def _leaf(coerce: Complete) -> Complete:
    return lambda value: None if value is None else coerce(value)


def _text(value: Any) -> Any:
    if value is None or type(value) is str:
        return value
    return GraphQLString.coerce_output_value(value)


def _row(columns: list[Column]) -> Complete:
    def row(value: Any) -> Any:
        if value is None:
            return None
        return {key: complete(read(value, None)) for key, read, complete in columns}

    return row
