"""What `sd search` shows, and the quick way to it: one path per line, and on a terminal with the
parts that were looked for in colour."""

from __future__ import annotations

from sd_client.cli.quick import (
    Line,
    NotQuick,
    ask,
    connect,
    has_colour,
    is_terminal,
    library_of,
    parsed,
    quoted,
    run,
)
from sd_client.cli.text import encoded, moment, number, path_of, shown, size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

DEFAULT_LIMIT = 50
_FOUND = "\x1b[1;32m"
_PLAIN = "\x1b[0m"


def _marked(path: str, hit: dict[str, Any]) -> str:
    """The path with the parts that were looked for in colour. Highlights count characters of the
    name, and the name is the end of the path."""
    folder, slash, name = path.rpartition("/")
    spans = sorted(
        (found["start"], found["end"])
        for found in hit.get("highlights", ())
        if name[found["start"] : found["end"]].casefold() == found["text"].casefold()
    )
    parts = [shown(folder), slash]
    done = 0
    for start, end in spans:
        if start < done:
            continue
        parts += [shown(name[done:start]), _FOUND, shown(name[start:end]), _PLAIN]
        done = end
    return "".join(parts) + shown(name[done:])


def _long(file: dict[str, Any]) -> str:
    is_file = file["kind"] == "File"
    return f"{size(file['size']) if is_file else '-':>9}  {moment(file['modified_at'])}  "


def search_lines(
    found: dict[str, Any], *, terminal: bool, colour: bool, detailed: bool = False
) -> list[str]:
    """A SearchResult, one line per file."""
    lines = []
    for hit in found["results"]:
        file = hit["file"]
        path = path_of(file["sd_path"])
        if file["kind"] == "Directory":
            path += "/"
        if colour:
            is_folder = path.endswith("/")
            text = _marked(path[:-1], hit) + "/" if is_folder else _marked(path, hit)
        else:
            text = shown(path) if terminal else path
        lines.append(_long(file) + text if detailed else text)
    return lines


def search_footer(found: dict[str, Any]) -> str:
    """What a person wants to know about what is not shown."""
    shown_count = len(found["results"])
    total = found["total_found"]
    if not shown_count:
        return "nothing found"
    if total <= shown_count:
        return ""
    more = "" if found.get("total_is_exact", True) else "more than "
    return f"{number(shown_count)} of {more}{number(total)} shown; --limit N shows more"


def _search(line: Line, environ: dict[str, str]) -> tuple[bytes, bytes]:
    """What to print on standard output, and on standard error."""
    limit = line.values.get("--limit") or line.values.get("-n") or str(DEFAULT_LIMIT)
    if not line.words or not limit.isdecimal():
        raise NotQuick
    payload = (
        f'{{"query":{quoted(" ".join(line.words))},"mode":"Fast",'
        f'"pagination":{{"limit":{int(limit)},"offset":0}}}}'
    )
    library = library_of(line, environ)
    result = ask(connect(line, environ), "query:search.files", library, payload)
    if "--json" in line.flags:
        return result + b"\n", b""
    found = parsed(result.decode())
    lines = search_lines(
        found,
        terminal=is_terminal(1),
        colour=has_colour(environ),
        detailed=not line.flags.isdisjoint(("--long", "-l")),
    )
    footer = search_footer(found) if is_terminal(2) else ""
    return encoded("".join(f"{text}\n" for text in lines)), encoded(footer and footer + "\n")


def quick(words: list[str]) -> None:
    """Print it and end the process, or return for the full command."""
    run(_search, words)
