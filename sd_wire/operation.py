"""How an operation is declared, and the one catalogue of all that are.

An operation is a request struct with a decorator. Its result type is the parameter of its base
class, its fields are its input, its docstring is its documentation:

    @query("libraries.list", scope=Scope.CORE)
    class ListLibraries(Request[list[LibraryInfo]]):
        \"""The open libraries.\"""
        include_stats: Annotated[bool, doc("with counts and sizes")] = False

The registry, dispatch, the command line, the GraphQL schema, docs/api.md and `core.describe` are
derived from that. Method names are those of existing clients: `query:libraries.list` and
`action:libraries.create.input`, each also with the suffix `.v1`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Generic, TypeVar, get_args

import msgspec

from sd_wire.errors import SdError

if TYPE_CHECKING:
    from collections.abc import Callable

R = TypeVar("R")


class Kind(StrEnum):
    """A query reads, an action changes."""

    QUERY = "query"
    ACTION = "action"


class Scope(StrEnum):
    """Whether an operation works on the daemon as a whole or inside one library."""

    CORE = "core"
    LIBRARY = "library"


class Permission(StrEnum):
    """What a peer must be allowed to do. Each includes the ones before it."""

    NONE = "none"  # no operation needs so little: who may only this may do nothing
    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


def doc(text: str, **constraints: Any) -> msgspec.Meta:
    """The documentation of a field, with constraints that msgspec checks (ge, le, max_length)."""
    return msgspec.Meta(description=text, **constraints)


ID_OF = "id_of"


def id_of(noun: str, text: str) -> msgspec.Meta:
    """The documentation of a field with the id of a noun that its name does not say."""
    return msgspec.Meta(description=text, extra={ID_OF: noun})


LARGEST = 2**53 - 1
"""The largest integer a request may have: every reader of JSON keeps it exact, and SQLite and
MessagePack can carry it."""

Positive = Annotated[int, msgspec.Meta(ge=1, le=LARGEST)]
Natural = Annotated[int, msgspec.Meta(ge=0, le=LARGEST)]
Percent = Annotated[int, msgspec.Meta(ge=1, le=100)]
PageSize = Annotated[int, msgspec.Meta(ge=1, le=10_000)]


class Operation(msgspec.Struct, frozen=True):
    """One declared operation."""

    name: str
    kind: Kind
    scope: Scope
    permission: Permission
    request: type[Request[Any]]
    result: Any  # the annotation of the result
    errors: tuple[type[SdError], ...]
    pages: str | None = None  # the field of the result with the items, where they come in pages

    @property
    def method(self) -> str:
        """The name on the wire."""
        return f"query:{self.name}" if self.kind is Kind.QUERY else f"action:{self.name}.input"

    @property
    def aliases(self) -> tuple[str, ...]:
        """Every spelling that means this operation."""
        return (self.method, f"{self.method}.v1")

    @property
    def documentation(self) -> str:
        """The docstring of the request."""
        return (self.request.__doc__ or "").strip()


class Request(msgspec.Struct, Generic[R]):
    """The input of an operation whose result is R."""

    operation: ClassVar[Operation]


T = TypeVar("T", bound=Request[Any])

CATALOGUE: dict[str, Operation] = {}
METHODS: dict[str, Operation] = {}


def _declare(
    kind: Kind,
    name: str,
    scope: Scope,
    permission: Permission,
    errors: tuple[type[SdError], ...],
    pages: str | None = None,
) -> Callable[[type[T]], type[T]]:
    def register(request: type[T]) -> type[T]:
        if name in CATALOGUE:
            raise TypeError(f"two operations are called {name!r}")
        (result,) = get_args(request.__orig_bases__[0])  # type: ignore[attr-defined]
        operation = Operation(name, kind, scope, permission, request, result, errors, pages)
        request.operation = operation
        CATALOGUE[name] = operation
        METHODS.update(dict.fromkeys(operation.aliases, operation))
        return request

    return register


def query(
    name: str,
    *,
    scope: Scope = Scope.LIBRARY,
    permission: Permission = Permission.READ,
    errors: tuple[type[SdError], ...] = (),
    pages: str | None = None,
) -> Callable[[type[T]], type[T]]:
    """Declare an operation that reads.

    One that answers in pages names the field of its result that has the items; what else it needs
    for that is in `sd_wire.paging`.
    """
    return _declare(Kind.QUERY, name, scope, permission, errors, pages)


def action(
    name: str,
    *,
    scope: Scope = Scope.LIBRARY,
    permission: Permission = Permission.WRITE,
    errors: tuple[type[SdError], ...] = (),
) -> Callable[[type[T]], type[T]]:
    """Declare an operation that changes something."""
    return _declare(Kind.ACTION, name, scope, permission, errors)
