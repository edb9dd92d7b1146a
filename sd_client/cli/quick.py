"""`sd status` and `sd search` in the time a bare interpreter needs to start.

Most of a Python command's time is imports, so this imports two C modules and three small files of
ours, asks, prints and leaves without the interpreter's farewell. It knows the common spellings of
two commands. Whatever it does not know, and whatever does not go well, it leaves to the full
command by returning: that one parses the same words again and finds the right sentence for what is
wrong. Both questions are queries, so asking twice does no harm.
"""

from __future__ import annotations

import posix
import sys
from _json import make_scanner
from _socket import AF_UNIX, SOCK_STREAM, socket

from sd_wire.places import client_sockets, is_instance_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

READ_SIZE = 1 << 16
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


class _Json:
    """What the scanner of the json module needs to know, without the json module."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    array_hook = None
    parse_float = float
    parse_int = int
    parse_constant = float


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
            made.connect(path)
        except FileNotFoundError:
            continue
        return made
    raise NotQuick


def ask(connection: socket, method: str, library: str, payload: str) -> bytes:
    """The JSON of the result."""
    request = f'{{"Query":{{"method":"{method}","library_id":{library},"payload":{payload}}}}}\n'
    connection.sendall(request.encode())
    pieces = []
    while True:
        data = connection.recv(READ_SIZE)
        pieces.append(data)
        if data[-1:] == b"\n":
            break
        if not data:
            raise NotQuick
    reply = b"".join(pieces)
    # An existing client's form of reply: {"JsonOk":...} and nothing else.
    if not reply.startswith(b'{"JsonOk":'):
        raise NotQuick
    return reply[10:-2]


def parsed(text: str) -> Any:
    """JSON to Python."""
    return make_scanner(_Json)(text, 0)[0]  # type: ignore[arg-type]


def library_of(line: Line, environ: dict[str, str]) -> str:
    """The library's id as JSON, or null for the only open one. Names are for the full command."""
    library = line.values.get("--library") or environ.get("SD_LIBRARY")
    if not library:
        return "null"
    if len(library) != 36 or library.strip("0123456789abcdefABCDEF-"):
        raise NotQuick
    return quoted(library)


def is_terminal(descriptor: int) -> bool:
    """Whether a person reads it."""
    return posix.isatty(descriptor)


def has_colour(environ: dict[str, str]) -> bool:
    """Whether standard output takes colour, by the usual conventions."""
    return is_terminal(1) and not environ.get("NO_COLOR") and environ.get("TERM", "dumb") != "dumb"


def write(descriptor: int, data: bytes) -> None:
    """All of it."""
    while data:
        data = data[posix.write(descriptor, data) :]


def run(
    answer: Callable[[Line, dict[str, str]], tuple[bytes, bytes]], arguments: list[str]
) -> None:
    """Answer and end the process; or return, and the full command takes over."""
    try:
        output, remark = answer(parse(arguments), environment())
    except KeyboardInterrupt:
        posix._exit(130)
    except (NotQuick, OSError, ValueError, LookupError, TypeError, StopIteration):
        return
    try:
        write(1, output)
        write(2, remark)
    except BrokenPipeError:  # `| head` has seen enough
        pass
    except OSError:
        posix._exit(1)
    posix._exit(0)
