"""The table from a method to what answers it, built once when the daemon starts.

Everything in it follows from the declarations in `sd_wire.catalogue` and the handlers beside
them: importing this module imports both. An operation without a handler is not in the table, and a
test says so; a handler without an operation cannot be written.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

import sd_daemon.handlers  # noqa: F401 (ties every handler to its operation)
import sd_wire.catalogue  # noqa: F401 (declares every operation)
from sd_daemon.handlers.handler import HANDLERS, Handler
from sd_wire.encoding import JSON
from sd_wire.errors import InvalidPayload
from sd_wire.operation import CATALOGUE, Operation, Permission, Request
from sd_wire.reading import pointer_of, sentence_of

if TYPE_CHECKING:
    from sd_wire.encoding import Encoding

RANK = {permission: rank for rank, permission in enumerate(Permission)}


class Route:
    """How one operation is served."""

    __slots__ = ("_readers", "handler", "operation", "rank")

    def __init__(self, operation: Operation, handler: Handler) -> None:
        self.operation = operation
        self.handler = handler
        self.rank = RANK[operation.permission]
        self._readers: dict[Encoding, Reader] = {JSON: _reader_of(operation.request, JSON)}

    def read(self, payload: msgspec.Raw | msgspec.UnsetType, encoding: Encoding) -> Request[Any]:
        """The payload as the operation's request. Absent, null and `{}` are alike.

        Raises InvalidPayload, which points at what is wrong.
        """
        read = self._readers.get(encoding)
        if read is None:  # most daemons never meet another encoding
            read = self._readers[encoding] = _reader_of(self.operation.request, encoding)
        try:
            return read(payload)
        except msgspec.ValidationError as error:
            raise self._invalid(sentence_of(error, "payload"), pointer_of(error)) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise self._invalid(f"payload: {error}", "") from None

    def _invalid(self, reason: str, pointer: str) -> InvalidPayload:
        return InvalidPayload(
            method=self.operation.method, reason=reason, pointer=f"/payload{pointer}"
        )


Reader = Callable[[msgspec.Raw | msgspec.UnsetType], Request[Any]]


def _reader_of(request: type[Request[Any]], encoding: Encoding) -> Reader:
    without_input = not request.__struct_fields__
    # Without input nothing can be wrong: existing clients send null, {} or [].
    wanted = request | list[Any] | None if without_input else request | None
    decode = encoding.document_reader(wanted)
    empty = encoding.document({})

    def read(payload: msgspec.Raw | msgspec.UnsetType) -> Request[Any]:
        found = None if payload is msgspec.UNSET else decode(payload)
        if found is None or without_input:
            found = decode(empty)
        assert isinstance(found, request)
        return found

    return read


def build_routes() -> dict[str, Route]:
    """Every spelling of every operation that has a handler, with how it is served."""
    routes: dict[str, Route] = {}
    for name, handler in HANDLERS.items():
        operation = CATALOGUE[name]
        routes.update(dict.fromkeys(operation.aliases, Route(operation, handler)))
    return routes


ROUTES: dict[str, Route] = build_routes()
