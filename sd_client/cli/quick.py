"""`sd status` and `sd search` in the time a bare interpreter needs to start: the question.

Most of a Python command's time is imports, so the quick path imports two C modules and a few small
files of ours, and it asks as soon as it can: the daemon thinks about the answer while we read the
files that will print it (`sd_client.cli.answer` and a view). It knows the common spellings of two
commands. Whatever it does not know, and whatever does not go well, it leaves to the full command:
that one parses the same words again and finds the right sentence for what is wrong. Both questions
are queries, so asking twice does no harm.
"""

from __future__ import annotations

import posix
import sys
from _socket import AF_UNIX, SOCK_STREAM, socket

from sd_wire.places import client_sockets, is_instance_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

DEFAULT_LIMIT = 50
PATIENCE = 10.0
"""Seconds to wait for an answer here; the full command then says what is the matter."""


class NotQuick(Exception):
    """Something for the full command."""


class Line:
    """The words of a command line, as far as they are known here."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.values: dict[str, str] = {}
        self.flags: set[str] = set()


_VALUES = {"--limit", "--data-dir", "--instance", "--socket", "--library", "-n"}
_FLAGS = {"--json", "--long", "-l"}


def parse(arguments: list[str]) -> Line:
    """The words, or NotQuick where one of them is not known here."""
    line = Line()
    rest = iter(arguments)
    for word in rest:
        name, equals, value = word.partition("=")
        if word == "--":
            line.words.extend(rest)
        elif not word.startswith("-"):
            line.words.append(word)
        elif word in _FLAGS:
            line.flags.add(word)
        elif name in _VALUES:
            line.values[name] = value if equals and name != "-n" else next(rest, "")
        else:
            raise NotQuick
    return line


def quoted(text: str) -> str:
    """A JSON string, or NotQuick for what would need more than quotes."""
    if not text.isprintable():
        raise NotQuick
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def environment() -> dict[str, str]:
    """os.environ without os."""
    return {
        key.decode("utf-8", "surrogateescape"): value.decode("utf-8", "surrogateescape")
        for key, value in posix.environ.items()
    }


def connect(line: Line, environ: dict[str, str]) -> socket:
    """The first of the sockets that is there."""
    instance = line.values.get("--instance")
    home = environ.get("HOME")
    if not home or (instance is not None and not is_instance_name(instance)):
        raise NotQuick
    paths = client_sockets(
        sys.platform,
        environ,
        home,
        socket=line.values.get("--socket"),
        data_dir=line.values.get("--data-dir"),
        instance=instance,
    )
    for path in paths:
        made = socket(AF_UNIX, SOCK_STREAM)
        made.settimeout(PATIENCE)
        try:
            if len(paths) > 1 and posix.stat(path).st_uid not in (0, posix.geteuid()):
                raise NotQuick  # nobody has named it, and it is another user's
            made.connect(path)
        except FileNotFoundError:
            continue
        return made
    raise NotQuick


def library_of(line: Line, environ: dict[str, str]) -> str:
    """The library's id as JSON, or null for the only open one. Names are for the full command."""
    library = line.values.get("--library") or environ.get("SD_LIBRARY")
    if not library:
        return "null"
    if len(library) != 36 or library.strip("0123456789abcdefABCDEF-"):
        raise NotQuick
    return quoted(library)


def _status(line: Line, _environ: dict[str, str]) -> tuple[str, str, str]:
    """The method, the library and the payload of `sd status`."""
    if line.words or line.flags - {"--json"} or "--limit" in line.values or "-n" in line.values:
        raise NotQuick
    return "query:core.status", "null", "null"


def _search(line: Line, environ: dict[str, str]) -> tuple[str, str, str]:
    """The method, the library and the payload of `sd search`."""
    limit = line.values.get("--limit") or line.values.get("-n") or str(DEFAULT_LIMIT)
    if not line.words or not limit.isdecimal():
        raise NotQuick
    payload = (
        f'{{"query":{quoted(" ".join(line.words))},"mode":"Fast",'
        f'"pagination":{{"limit":{int(limit)},"offset":0}}}}'
    )
    return "query:search.files", library_of(line, environ), payload


QUESTIONS: dict[str, Callable[[Line, dict[str, str]], tuple[str, str, str]]] = {
    "status": _status,
    "search": _search,
}


class Asked:
    """A question that is on its way."""

    def __init__(self, line: Line, environ: dict[str, str], connection: socket) -> None:
        self.line = line
        self.environ = environ
        self.connection = connection


def begin(command: str, arguments: list[str]) -> Asked | None:
    """Ask; or None, and the full command takes over."""
    try:
        line, environ = parse(arguments), environment()
        method, library, payload = QUESTIONS[command](line, environ)
        connection = connect(line, environ)
        call = f'"method":"{method}","library_id":{library},"payload":{payload}'
        connection.sendall(f'{{"Query":{{{call}}}}}\n'.encode())
    except (NotQuick, OSError, ValueError):
        return None
    return Asked(line, environ, connection)
