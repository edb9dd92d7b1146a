"""The table from a method to what answers it.

Everything in it follows from the declarations in `sd_wire.operations` and the handlers beside
them. Both are read noun by noun, with the first request for one: that takes a few milliseconds
once, and a daemon has only what somebody uses, which is seldom the half. An operation without a
handler is not in the table, and a test says so; a handler without an operation cannot be written.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from sd_daemon.core.late import load
from sd_daemon.handlers import NOUNS
from sd_daemon.handlers.handler import HANDLERS, Handler
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
        self._readers: dict[Encoding, Reader] = {}

    def read(self, payload: msgspec.Raw | msgspec.UnsetType, encoding: Encoding) -> Request[Any]:
        """The payload as the operation's request. Absent, null and `{}` are alike.

        Raises InvalidPayload, which points at what is wrong.
        """
        read = self._readers.get(encoding)
        if read is None:  # most operations are never asked for, and most encodings
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


_routes: dict[str, Route] = {}
_unread = set(NOUNS)


def route_of(method: str) -> Route | None:
    """How a method is served, by any spelling of it; None for one that nobody knows."""
    route = _routes.get(method)
    if route is None and _read(method.partition(":")[2].partition(".")[0]):
        return _routes.get(method)
    return route


def _read(noun: str) -> bool:
    """Put the operations of a noun into the table, if there is one and it is not there already."""
    if noun not in _unread:
        return False
    load(f"sd_daemon.handlers.{noun}")
    for name, handler in HANDLERS.items():
        if name.partition(".")[0] == noun:
            operation = CATALOGUE[name]
            _routes.update(dict.fromkeys(operation.aliases, Route(operation, handler)))
    _unread.discard(noun)
    return True
