"""Cursors: places in a listing that outlive changes of what is listed.

A cursor holds what the place of one row follows from: its sort keys. The next page is what sorts
after them, so rows that come or go in the meantime neither repeat one nor make one disappear. For
that every order is total, and the place of a row does not depend on other rows.

Beside the place stands which listing it is of: a digest of the library, the operation and all that
was asked but for how much. A cursor says nothing that whoever asks could not list as well, so it is
not signed: who forges one begins somewhere else in what they may read. What is in it is looked at
like any other input.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Generic, NamedTuple, Protocol, TypeVar

import msgspec

from sd_daemon.core.hashes import blake2b
from sd_wire.errors import InvalidValue
from sd_wire.paging import OF_REQUESTS

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from sd_wire.operation import Operation

P = TypeVar("P")

_OF_ANOTHER = (
    "it belongs to another listing: of another library or folder, with other words or filters, or"
    " in another order"
)

Number = Annotated[int, msgspec.Meta(ge=-(1 << 63), le=(1 << 63) - 1)]
"""An integer that SQLite can compare with."""


class Paged(Protocol):
    """A request for a page."""

    @property
    def operation(self) -> Operation:
        """What is asked."""

    @property
    def cursor(self) -> str | None:
        """Where the page begins."""

    @property
    def cursors(self) -> bool:
        """Whether each item is to have one."""


class Ends(NamedTuple):
    """The cursors of a page, as its result has them."""

    next_cursor: str | None
    cursors: list[str] | None


class Cursor(msgspec.Struct, array_like=True):
    """What is encoded: which listing, and the place in it."""

    listing: bytes
    place: msgspec.Raw


class Cursors(Generic[P]):
    """Those of one listing."""

    def __init__(self, library: UUID, request: Paged, place: type[P]) -> None:
        """`place` is the type of a place, checked when one is read."""
        self._library = library
        self._request = request
        self._place = place

    def read(self) -> P | None:
        """The place after which the page begins; None: at the beginning. Raises InvalidValue."""
        text = self._request.cursor
        if text is None:
            return None
        try:
            encoded = urlsafe_b64decode(text.encode("ascii") + b"===")
            found = msgspec.msgpack.decode(encoded, type=Cursor)
            if found.listing != self._listing:
                raise refused(_OF_ANOTHER)
            return msgspec.msgpack.decode(found.place, type=self._place)
        except (ValueError, msgspec.MsgspecError):
            raise refused() from None

    def ends(self, place: Callable[[int], P], count: int, *, more: bool) -> Ends:
        """The cursors of a page of so many rows; `place` tells that of a row by its number."""
        if not self._request.cursors:
            return Ends(self._write(place(count - 1)) if more and count else None, None)
        each = [self._write(place(number)) for number in range(count)]
        return Ends(each[-1] if more and each else None, each)

    def _write(self, place: P) -> str:
        encoded = msgspec.msgpack.encode([self._listing, place])
        return urlsafe_b64encode(encoded).decode("ascii").rstrip("=")

    @cached_property
    def _listing(self) -> bytes:
        asked: dict[str, Any] = msgspec.to_builtins(self._request)
        what = {name: value for name, value in asked.items() if name not in OF_REQUESTS}
        whole = [self._library.bytes, self._request.operation.name, what]
        encoded = msgspec.msgpack.encode(whole)
        return blake2b(encoded, digest_size=8, person=b"sd cursor").digest()


def refused(reason: str = "it is not one that an earlier page gave") -> InvalidValue:
    """Why a cursor is refused."""
    return InvalidValue(field="cursor", reason=reason, pointer="/payload/cursor")


def is_key(value: object) -> bool:
    """Whether SQLite can compare rows with it. msgspec does not tell text from bytes in a union."""
    if isinstance(value, int):
        return -(1 << 63) <= value < 1 << 63
    return isinstance(value, str | bytes)
