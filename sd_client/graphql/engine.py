"""From a GraphQL request to its answer: parse, measure, validate once; then ask the daemon.

What a document says does not change, so what was found out about it is kept under its text.
"""

from __future__ import annotations

import hashlib
import inspect
import logging
import sys
from collections import OrderedDict
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

import msgspec
from graphql import (
    ExecutionResult,
    Executor,
    GraphQLError,
    NoSchemaIntrospectionCustomRule,
    OperationDefinitionNode,
    create_source_event_stream,
    execute,
    parse,
    specified_rules,
    validate,
)
from graphql.validation.validate import ValidationAbortedError

from sd_client.graphql import limits as bounds
from sd_client.graphql.failures import formatted, is_defect, refusal
from sd_client.graphql.happenings import Course
from sd_client.graphql.naming import camel
from sd_client.graphql.projection import NotPlain, Projection
from sd_client.graphql.relations import finders
from sd_client.graphql.schema import contract_schema
from sd_client.graphql.upstream import Context

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from graphql import DocumentNode

    from sd_client.graphql.limits import Limits
    from sd_client.graphql.upstream import Upstream

log = logging.getLogger("sd_client.graphql")

KEPT = 512
"""Documents that are remembered, and as many that clients have stored under their hash."""

_TOKEN = 1024
"""Bytes that a token of a document takes in memory, about, when it is parsed."""

_Kept = TypeVar("_Kept")


class Kept(Generic[_Kept]):
    """What was used last, no more than `KEPT` things and no more than so many bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._things: OrderedDict[str, tuple[_Kept, int]] = OrderedDict()

    def get(self, name: str) -> _Kept | None:
        """What was put under this name, if it is still there."""
        found = self._things.get(name)
        if found is None:
            return None
        self._things.move_to_end(name)
        return found[0]

    def put(self, name: str, thing: _Kept, size: int) -> None:
        """Keep a thing of this many bytes, instead of what was not used for longest. What is larger
        than all that is kept together is not kept."""
        if name in self._things:
            self._size -= self._things.pop(name)[1]
        if size > self._limit:
            return
        self._things[name] = (thing, size)
        self._size += size
        while self._size > self._limit or len(self._things) > KEPT:
            _, (_, freed) = self._things.popitem(last=False)
            self._size -= freed


class Persisted(msgspec.Struct, rename="camel"):
    """The name of a document by its hash, as Apollo's clients send it."""

    sha256_hash: str
    version: int = 1


class Extensions(msgspec.Struct, rename="camel"):
    """What may stand beside a request."""

    persisted_query: Persisted | None = None


class Asked(msgspec.Struct, rename="camel"):
    """A GraphQL request."""

    query: str | None = None
    operation_name: str | None = None
    variables: dict[str, Any] | None = None
    extensions: Extensions | None = None


class Prepared(NamedTuple):
    """A document that may be carried out."""

    text: str
    document: DocumentNode
    operations: dict[str | None, OperationDefinitionNode]
    costs: dict[str | None, int]  # as far as they do not depend on variables
    projections: dict[str | None, Projection | None]  # None where one is not plain

    def operation(self, name: str | None) -> OperationDefinitionNode:
        """The operation that is meant. Raises GraphQLError."""
        if name is None and len(self.operations) == 1:
            return next(iter(self.operations.values()))
        found = self.operations.get(name)
        if name is None or found is None:
            raise refusal("operation-unknown", f"the document has no single operation {name!r}")
        return found


class Refused(Exception):
    """A request that is not carried out at all; `errors` say why."""

    def __init__(self, errors: Sequence[GraphQLError], *, unreadable: bool = False) -> None:
        super().__init__(errors[0].message)
        self.errors = errors
        self.unreadable = unreadable  # not even a GraphQL request


class Engine:
    """What carries out requests."""

    def __init__(
        self, upstream: Upstream, limits: Limits = bounds.DEFAULT, *, introspection: bool = True
    ) -> None:
        self.upstream = upstream
        self.limits = limits
        self._schema = contract_schema()
        self._followed = frozenset(camel(name.removesuffix("_id")) for name in finders())
        self._rules = list(specified_rules)
        self._secret = not introspection  # then nothing hints at names of the schema
        if not introspection:
            self._rules.append(NoSchemaIntrospectionCustomRule)
        self._prepared: Kept[Prepared] = Kept(limits.kept_bytes)
        self._persisted: Kept[str] = Kept(limits.kept_bytes)

    def prepare(self, asked: Asked) -> Prepared:
        """The document of a request. Raises Refused."""
        text = self._text(asked)
        known = self._prepared.get(text)
        if known is None:
            known = self._read(text)
            size = sys.getsizeof(text) + known.document.token_count * _TOKEN
            self._prepared.put(text, known, size)
        return known

    def check(self, prepared: Prepared, asked: Asked) -> OperationDefinitionNode:
        """The operation that is asked for, if it is not too much. Raises Refused."""
        try:
            operation = prepared.operation(asked.operation_name)
        except GraphQLError as error:
            raise Refused([error]) from error
        found = prepared.costs.get(asked.operation_name)
        if found is None:
            found = self._cost(prepared, operation, asked.variables or {})
            if not operation.variable_definitions:
                prepared.costs[asked.operation_name] = found
        if found > self.limits.cost:
            raise Refused([bounds.too_costly(found, self.limits.cost)])
        return operation

    async def answer(self, prepared: Prepared, asked: Asked, cause: str | None = None) -> bytes:
        """The answer to a query or a mutation, as JSON. What the daemon does for it bears `cause`
        as correlation id. Raises Refused where its variables are not what it declares, before
        anything is done."""
        context = Context(self.upstream, cause=cause)
        projection = self._projection(prepared, asked.operation_name)
        if projection is not None:
            with suppress(NotPlain):
                data = await projection.data(context, asked.variables or {})
                return msgspec.json.encode({"data": data})
        result = await self.result(prepared, asked, context)
        if result.data is None and result.errors and not any(one.path for one in result.errors):
            raise Refused(result.errors)
        return self.encode(result)

    async def result(
        self, prepared: Prepared, asked: Asked, context: Context, root: Any = None
    ) -> ExecutionResult:
        """The answer to a query or a mutation, or to one event of a subscription."""
        made = execute(
            self._schema,
            prepared.document,
            root_value=root,
            context_value=context,
            variable_values=asked.variables,
            operation_name=asked.operation_name,
            hide_suggestions=self._secret,
        )
        return made if isinstance(made, ExecutionResult) else await made

    async def begin(self, prepared: Prepared, asked: Asked, resume: str | None) -> Course:
        """What the field of a subscription makes of its arguments. `resume` is a cursor that
        counts more than the arguments. Raises Refused."""
        executor = Executor.build(
            self._schema,
            prepared.document,
            context_value=Context(self.upstream, resume=resume),
            raw_variable_values=asked.variables,
            operation_name=asked.operation_name,
            hide_suggestions=self._secret,
        )
        if isinstance(executor, list):
            raise Refused(executor)
        made = create_source_event_stream(executor)
        found = await made if inspect.isawaitable(made) else made
        if isinstance(found, ExecutionResult):
            raise Refused(found.errors or [])
        assert isinstance(found, Course)
        return found

    def encode(self, result: ExecutionResult) -> bytes:
        """An answer as JSON."""
        body: dict[str, Any] = {}
        if result.errors:
            for error in result.errors:
                if is_defect(error):
                    log.error("a resolver failed", exc_info=error.original_error)
            body["errors"] = formatted(result.errors)
        body["data"] = result.data
        return msgspec.json.encode(body)

    def context(self, library: UUID | None) -> Context:
        """What the resolvers of one event see."""
        return Context(self.upstream, library)

    def _projection(self, prepared: Prepared, name: str | None) -> Projection | None:
        if name not in prepared.projections:
            prepared.projections[name] = None
            with suppress(NotPlain):
                prepared.projections[name] = Projection(
                    self._schema, prepared.document, prepared.operation(name)
                )
        return prepared.projections[name]

    def _cost(
        self, prepared: Prepared, operation: OperationDefinitionNode, variables: dict[str, Any]
    ) -> int:
        root = self._schema.get_root_type(operation.operation)
        assert root is not None  # the document is valid
        return bounds.cost(prepared.document, operation, root, self._followed, variables)

    def _text(self, asked: Asked) -> str:
        named = asked.extensions.persisted_query if asked.extensions else None
        if named is None:
            if asked.query is None:
                error = refusal("query-missing", "the request has no query")
                raise Refused([error], unreadable=True)
            return asked.query
        if asked.query is None:
            stored = self._persisted.get(named.sha256_hash)
            if stored is None:
                raise Refused([refusal("PERSISTED_QUERY_NOT_FOUND", "PersistedQueryNotFound")])
            return stored
        if hashlib.sha256(asked.query.encode()).hexdigest() != named.sha256_hash:
            error = refusal("hash-mismatch", "the hash is not that of the query")
            raise Refused([error], unreadable=True)
        self._persisted.put(named.sha256_hash, asked.query, sys.getsizeof(asked.query))
        return asked.query

    def _read(self, text: str) -> Prepared:
        try:
            document = parse(text, max_tokens=self.limits.tokens)
        except GraphQLError as error:
            raise Refused([error]) from error
        excess = bounds.excess(document, self._followed, self.limits)
        if excess is not None:
            raise Refused([excess])
        if errors := validate(
            self._schema, document, self._rules, max_errors=20, hide_suggestions=self._secret
        ):
            raise Refused([_explained(one) for one in errors])
        operations: dict[str | None, OperationDefinitionNode] = {
            one.name.value if one.name else None: one
            for one in document.definitions
            if isinstance(one, OperationDefinitionNode)
        }
        return Prepared(text, document, operations, {}, {})


def _explained(error: GraphQLError) -> GraphQLError:
    """An error of validation; where it was given up, with what to do about it."""
    if not isinstance(error, ValidationAbortedError):
        return error
    advice = "correct the errors that are told, or send the document in smaller pieces"
    return refusal("validation-aborted", error.message, advice)
