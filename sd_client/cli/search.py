"""`sd search`: files by any parts of their names."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click
import msgspec

from sd_client.cli import names
from sd_client.cli.command import command
from sd_client.cli.quick import DEFAULT_LIMIT
from sd_client.cli.search_view import search_footer, search_lines
from sd_client.cli.session import Session, pass_session
from sd_client.cli.text import encoded, path_of
from sd_client.cli.values import AbsolutePath, Bytes, Choice
from sd_wire.operations.core import GetStatus
from sd_wire.operations.search import (
    DateRange,
    LocationScope,
    PaginationOptions,
    PathScope,
    ScopedSearch,
    SearchFiles,
    SearchFilters,
    SearchMode,
    SizeRange,
    SortDirection,
    SortField,
    SortOptions,
    WholeLibrary,
)
from sd_wire.types.files import ContentKind
from sd_wire.types.paths import physical

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from sd_client.cli.output import Output

LARGEST_PAGE = 1000
_SPANS = {"h": 1 / 24, "d": 1, "w": 7, "m": 30, "y": 365}


class Moment(click.ParamType):  # type: ignore[type-arg]
    """A day, a time, or how long ago: 2025-01-31, 2025-01-31T12:00, 2w."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """The time, in UTC."""
        text = str(value)
        if text[-1:] in _SPANS and text[:-1].isdecimal():
            return datetime.now(UTC) - timedelta(days=int(text[:-1]) * _SPANS[text[-1]])
        try:
            return datetime.fromisoformat(text).astimezone(UTC)
        except ValueError:
            self.fail(f"{value!r} is not a time (2025-01-31, 2025-01-31T12:00, 2w)", param, ctx)


@command(
    "search",
    "sd search sunset",
    "sd search report --ext pdf --newer 2w --sort modified-at",
    "sd search --kind image --min-size 10M --sort size -l",
    "sd search sunset --all -0 | xargs -0 ls -l",
)
@click.argument("words", nargs=-1)
@click.option(
    "-n",
    "--limit",
    type=click.IntRange(1, LARGEST_PAGE),
    metavar="NUMBER",
    default=DEFAULT_LIMIT,
    help="how many at most, up to 1000  [default: 50]",
)
@click.option(
    "--offset", type=click.IntRange(0), metavar="NUMBER", default=0, help="how many to pass over"
)
@click.option("--all", "everything", is_flag=True, help="everything, however much; no limit counts")
@click.option("-l", "--long", "detailed", is_flag=True, help="with sizes and times")
@click.option("-0", "--null", "null", is_flag=True, help="end each path with NUL, for xargs -0")
@click.option(
    "--in",
    "folder",
    type=AbsolutePath(folder=True),
    metavar="PATH",
    help="only below this folder",
)
@click.option("--location", metavar="LOCATION", help="only in this location")
@click.option("--ext", "extensions", multiple=True, metavar="EXT", help="only with this extension")
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    type=Choice.of(ContentKind),
    metavar="KIND",
    help="only this kind: image, video, document, ...",
)
@click.option(
    "--min-size", type=Bytes(), metavar="SIZE", help="at least this large: 1500, 10K, 1.5G"
)
@click.option(
    "--max-size", type=Bytes(), metavar="SIZE", help="at most this large, written like that"
)
@click.option(
    "--newer",
    type=Moment(),
    metavar="TIME",
    help="modified since then: 2025-01-31, 2025-01-31T12:00, 2w for two weeks ago",
)
@click.option(
    "--older", type=Moment(), metavar="TIME", help="modified before then, written like that"
)
@click.option(
    "--hidden/--no-hidden", default=None, help="with names that begin with a dot  [default: with]"
)
@click.option(
    "--sort",
    type=Choice.of(SortField),
    metavar="FIELD",
    help="relevance, name, size, modified-at, created-at or indexed-at",
)
@click.option("--reverse", is_flag=True, help="in the opposite order")
@click.option(
    "--mode",
    type=Choice.of(SearchMode),
    metavar="MODE",
    help="fast, normal or full: normal also counts everything that was found",
)
@pass_session
def search(
    session: Session, /, words: tuple[str, ...], *, null: bool, detailed: bool, **options: Any
) -> None:
    """Find files by any parts of their names, in any order. Case and accents do not matter.
    Prints one path per line; on a terminal what was looked for is marked."""
    # As names are shown, so that one that is not UTF-8 can be looked for, too.
    text = os.fsencode(" ".join(words)).decode("utf-8", "replace")
    request = _request(session, text, options)
    for raw in _pages(session, request, everything=options["everything"]):
        _print(session.output, raw, null=null, detailed=detailed, whole=options["everything"])


def _pages(session: Session, request: SearchFiles, *, everything: bool) -> Iterator[bytes]:
    """What is found: one page, or all of them, which files that come and go do not shift."""
    while True:
        raw = session.raw(SearchFiles.operation, request)
        yield raw
        cursor = msgspec.json.decode(raw).get("next_cursor")
        if not everything or cursor is None:
            return
        request.cursor, request.pagination.offset = cursor, 0


def _print(output: Output, raw: bytes, *, null: bool, detailed: bool, whole: bool) -> None:
    if output.json:
        output.document(raw)
        return
    found = msgspec.json.decode(raw)
    if null:
        paths = (path_of(hit["file"]["sd_path"]) for hit in found["results"])
        output.raw(b"".join(encoded(path) + b"\0" for path in paths))
        return
    lines = search_lines(found, terminal=output.terminal, colour=output.colour, detailed=detailed)
    output.lines(lines)
    footer = search_footer(found)
    if footer and output.remarks_to_terminal and not (whole and lines):
        output.remark(footer)


def _request(session: Session, text: str, options: dict[str, Any]) -> SearchFiles:
    limit = LARGEST_PAGE if options["everything"] else options["limit"]
    pagination = PaginationOptions(limit, options["offset"])
    return SearchFiles(
        text,
        scope=_scope(session, options["folder"], options["location"]),
        mode=SearchMode(options["mode"] or SearchMode.FAST),
        filters=_filters(options),
        sort=_sort(options["sort"], reverse=options["reverse"]),
        pagination=pagination,
    )


def _scope(
    session: Session, folder: str | None, location: str | None
) -> WholeLibrary | ScopedSearch:
    if location is not None:
        found: UUID = names.location_id(session.client, location, session.library_id())
        return ScopedSearch(Location=LocationScope(found))
    if folder is not None:
        slug = session.call(GetStatus()).device_info.slug
        return ScopedSearch(Path=PathScope(physical(slug, os.fsencode(folder))))
    return WholeLibrary.LIBRARY


def _filters(options: dict[str, Any]) -> SearchFilters:
    span = DateRange(start=options["newer"], end=options["older"])
    sizes = SizeRange(options["min_size"], options["max_size"])
    return SearchFilters(
        file_types=list(options["extensions"]) or None,
        date_range=span if span.start or span.end else None,
        size_range=sizes if sizes.min is not None or sizes.max is not None else None,
        content_types=[ContentKind(kind) for kind in options["kinds"]] or None,
        include_hidden=options["hidden"],
    )


def _sort(field: str | None, *, reverse: bool) -> SortOptions:
    chosen = SortField(field or SortField.RELEVANCE)
    # What a person expects first: the best, the largest, the newest, and A.
    ascending = (chosen is SortField.NAME) != reverse
    return SortOptions(chosen, SortDirection.ASC if ascending else SortDirection.DESC)


search.operation = SearchFiles.operation
