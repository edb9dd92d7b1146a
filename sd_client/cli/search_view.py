"""What `sd search` shows, and the quick way to it: one path per line, and on a terminal with the
parts that were looked for in colour."""

from __future__ import annotations

from sd_client.cli.answer import finish, has_colour, is_terminal
from sd_client.cli.text import encoded, moment, number, path_of, shown, size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from sd_client.cli.quick import Asked

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
    return f"{number(shown_count)} of {more}{number(total)} shown; --limit N or --all shows more"


def _show(asked: Asked, found: dict[str, Any]) -> tuple[bytes, bytes]:
    lines = search_lines(
        found,
        terminal=is_terminal(1),
        colour=has_colour(asked.environ),
        detailed=not asked.line.flags.isdisjoint(("--long", "-l")),
    )
    footer = search_footer(found) if is_terminal(2) else ""
    return encoded("".join(f"{text}\n" for text in lines)), encoded(footer and footer + "\n")


def quick(asked: Asked) -> None:
    """Print the answer and end the process, or return for the full command."""
    finish(asked, _show)
