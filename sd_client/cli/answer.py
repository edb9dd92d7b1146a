"""The answer to a question of the quick path: read it, print it, leave.

The process ends here without the interpreter's farewell, which takes longer than printing.
"""

from __future__ import annotations

import posix
from _json import make_scanner

from sd_client.cli.quick import Asked, NotQuick

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

READ_SIZE = 1 << 16
OK = b'{"JsonOk":'


class _Json:
    """What the scanner of the json module needs to know, without the json module."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    array_hook = None
    parse_float = float
    parse_int = int
    parse_constant = float


def parsed(text: str) -> Any:
    """JSON to Python."""
    return make_scanner(_Json)(text, 0)[0]  # type: ignore[arg-type]


def result_of(asked: Asked) -> bytes:
    """The JSON of the result."""
    pieces = []
    while True:
        data = asked.connection.recv(READ_SIZE)
        pieces.append(data)
        if data[-1:] == b"\n":
            break
        if not data:
            raise NotQuick
    reply = b"".join(pieces)
    # A request without an id is answered with {"JsonOk":...} and nothing else.
    if not reply.startswith(OK):
        raise NotQuick
    return reply[len(OK) : -2]


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


def finish(asked: Asked, show: Callable[[Asked, Any], tuple[bytes, bytes]]) -> None:
    """Print what `show` makes of the result on standard output and standard error, and end the
    process; or return, and the full command takes over."""
    try:
        result = result_of(asked)
        if "--json" in asked.line.flags:
            output, remark = result + b"\n", b""
        else:
            output, remark = show(asked, parsed(result.decode()))
    except (NotQuick, OSError, ValueError, LookupError, TypeError, StopIteration):
        return
    leave(output, remark)


def leave(output: bytes, remark: bytes) -> None:
    """Print and end the process."""
    try:
        write(1, output)
        write(2, remark)
    except BrokenPipeError:  # `| head` has seen enough
        pass
    except OSError as error:
        complaint = f"sd: the result could not be written: {posix.strerror(error.errno or 0)}\n"
        posix.write(2, complaint.encode())
        posix._exit(1)
    posix._exit(0)
