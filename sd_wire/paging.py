"""What operations have in common that answer in pages.

Such an operation names the field of its result that has the items (`pages=` of its declaration).
Its request has `cursor`, `cursors`, and how many items there may be at most (`limit`, or that of
`pagination`); its result has `next_cursor` and `cursors`.

A cursor is the place of one item in the order of one listing. Clients keep it and give it back;
what is in it is the daemon's affair.
"""

from __future__ import annotations

from typing import Annotated

from sd_wire.operation import doc

Cursor = Annotated[str | None, doc("go on behind this item: a next_cursor, or one of cursors")]
WithCursors = Annotated[bool, doc("answer with the cursor of each item, too")]
NextCursor = Annotated[
    str | None, doc("of the last item, where more follow: give it back to go on")
]
ItemCursors = Annotated[list[str] | None, doc("of each item, where they were asked for")]

OF_REQUESTS = ("cursor", "cursors", "limit", "pagination")
"""Fields of a request that choose a page, and say nothing about what is listed in which order."""

OF_RESULTS = ("next_cursor", "cursors", "has_more", "pagination")
"""Fields of a result that are about the page."""
