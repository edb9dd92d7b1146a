"""The table from a method to what answers it, built once when the daemon starts.

Everything in it follows from the declarations in `sd_wire.operations` and the handlers beside
them: importing this module imports both. An operation without a handler is not in the table, and a
test says so; a handler without an operation cannot be written.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import msgspec

import sd_daemon.handlers  # noqa: F401 (ties every handler to its operation)
import sd_wire.operations  # noqa: F401 (declares every operation)
from sd_daemon.handlers.handler import HANDLERS, Handler
from sd_wire.connection import pointer_of, sentence_of
from sd_wire.errors import InvalidPayload
from sd_wire.operation import CATALOGUE, Operation, Permission, Request

if TYPE_CHECKING:
    from collections.abc import Callable

RANK = {Permission.READ: 0, Permission.WRITE: 1, Permission.ADMIN: 2}

_EMPTY = msgspec.Raw(b"{}")


class Route:
    """How one operation is served."""

    __slots__ = ("_decode", "handler", "operation", "rank", "waits")

    def __init__(self, operation: Operation, handler: Handler) -> None:
        self.operation = operation
        self.handler = handler
        self.rank = RANK[operation.permission]
        self.waits = inspect.iscoroutinefunction(handler)
        self._decode = _decoder_of(operation.request)

    def read(self, payload: msgspec.Raw) -> Request[Any]:
        """The payload as the operation's request. Absent, null and `{}` are alike.

        Raises InvalidPayload, which points at what is wrong.
        """
        try:
            found: Request[Any] | None = self._decode(payload)
            if found is None:
                found = self._decode(_EMPTY)
            return found
        except msgspec.ValidationError as error:
            raise InvalidPayload(
                method=self.operation.method,
                reason=sentence_of(error),
                pointer=f"/payload{pointer_of(error)}",
            ) from None


def _decoder_of(request: type[Request[Any]]) -> Callable[[msgspec.Raw], Any]:
    if request.__struct_fields__:
        return msgspec.json.Decoder(request | None).decode
    # Without input nothing can be wrong: existing clients send null, {} or [].
    nothing = msgspec.json.Decoder(request | list[Any] | None).decode
    empty = request()

    def decode(payload: msgspec.Raw) -> Request[Any]:
        nothing(payload)
        return empty

    return decode


def build_routes() -> dict[str, Route]:
    """Every spelling of every operation that has a handler, with how it is served."""
    routes: dict[str, Route] = {}
    for name, handler in HANDLERS.items():
        operation = CATALOGUE[name]
        routes.update(dict.fromkeys(operation.aliases, Route(operation, handler)))
    return routes


ROUTES: dict[str, Route] = build_routes()
