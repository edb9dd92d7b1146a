"""Where log records go: the file, the terminal, and the clients that watch.

A record is one line, whatever its values hold:

    2026-11-23T01:02:03.123456Z INFO  sd_daemon.core.jobs job ended job_id=6f1d path="a b\\nc"

Logging never breaks what it reports on: a full disk, a closed terminal or an odd value costs the
record and nothing else.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
import traceback
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TextIO
from uuid import UUID

from sd_daemon.core.log import TRACE
from sd_wire.events import LogMessage

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping

    from sd_daemon.core.bus import Bus

FILE_SIZE = 10 * 1024 * 1024  # bytes; then the file is rotated
FILES = 5  # old ones that are kept

DEFAULT_FILTER = "info"
LEVELS = {
    "trace": TRACE,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "off": logging.CRITICAL + 1,
}
_COLOURS = {"ERROR": "\x1b[31m", "WARN": "\x1b[33m", "DEBUG": "\x1b[2m", "TRACE": "\x1b[2m"}
_CALM = "\x1b[0m"


# --- levels --------------------------------------------------------------------------------------


def parse_filter(spec: str) -> dict[str, int]:
    """`info,sd_daemon.server=debug` as levels by logger; "" is everything else.

    A part that makes no sense is left out: a typing mistake must not silence a daemon.
    """
    levels = {"": logging.INFO}
    for part in spec.split(","):
        target, _, level = part.strip().rpartition("=")
        if level.lower() in LEVELS:
            levels[target.strip()] = LEVELS[level.lower()]
    return levels


def apply_filter(spec: str) -> None:
    """Let loggers pass what the filter says, and no more."""
    for name in tuple(logging.root.manager.loggerDict):
        logging.getLogger(name).setLevel(logging.NOTSET)
    for name, level in parse_filter(spec).items():
        logging.getLogger(name or None).setLevel(level)


# --- lines ---------------------------------------------------------------------------------------


def fields_of(record: logging.LogRecord) -> dict[str, str]:
    """The fields of a record as text, with the traceback where there is one."""
    given: Mapping[str, object] = getattr(record, "fields", {})
    fields = {name: _text(value) for name, value in given.items() if value is not None}
    if record.exc_info and record.exc_info[1] is not None:
        fields["trace"] = "".join(traceback.format_exception(record.exc_info[1])).rstrip()
    return fields


def _text(value: object) -> str:
    text = value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value)
    if text.isascii():
        return text
    # A name that is not UTF-8 is shown by its bytes: \\xff instead of what no file can hold.
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _quoted(text: str) -> str:
    plain = text and all(c.isalnum() or c in "-_./:+@,%~" for c in text)
    return text if plain else json.dumps(text, ensure_ascii=False)


class LineFormatter(logging.Formatter):
    """A record as one line of text."""

    def __init__(self, *, colour: bool = False) -> None:
        super().__init__()
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        """Time, level, target, sentence, fields."""
        when = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        micros = int(record.created % 1 * 1_000_000)
        level = record.levelname
        if self._colour and level in _COLOURS:
            level = f"{_COLOURS[level]}{level:<5}{_CALM}"
        sentence = _text(record.getMessage()).replace("\n", "\\n")
        fields = "".join(f" {key}={_quoted(text)}" for key, text in fields_of(record).items())
        return f"{when}.{micros:06d}Z {level:<5} {record.name} {sentence}{fields}"


# --- handlers ------------------------------------------------------------------------------------


class LogFile(logging.Handler):
    """Appends to a file that only its owner may read, and starts a new one when it is full.

    The standard library's rotating handler costs 1 MiB of memory for what it imports, and prints a
    traceback for every record while a disk is full.
    """

    def __init__(self, path: str, *, size: int = FILE_SIZE, files: int = FILES) -> None:
        super().__init__()
        self.path = path
        self.lost = 0  # records that could not be written
        self._size = size
        self._files = files
        self._file: int | None = None
        self._written = 0
        self.setFormatter(LineFormatter())

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, or count it as lost."""
        try:
            line = f"{self.format(record)}\n".encode("utf-8", "backslashreplace")
            if self._file is not None and self._written + len(line) > self._size:
                self._rotate()
            self._written += os.write(self._open(), line)
        except (OSError, ValueError, TypeError):
            self.lost += 1
            self.reopen()

    def reopen(self) -> None:
        """Go on in whatever file has the name now; somebody else may rotate it."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)

    def close(self) -> None:
        """Write nothing more."""
        self.reopen()
        super().close()

    def _open(self) -> int:
        if self._file is None:
            os.makedirs(os.path.dirname(self.path), mode=0o700, exist_ok=True)
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            self._file = os.open(self.path, flags, 0o600)
            self._written = os.fstat(self._file).st_size
        return self._file

    def _rotate(self) -> None:
        self.reopen()
        for number in range(self._files - 1, 0, -1):
            if os.path.exists(f"{self.path}.{number}"):
                os.replace(f"{self.path}.{number}", f"{self.path}.{number + 1}")
        os.replace(self.path, f"{self.path}.1")


class Terminal(logging.StreamHandler[TextIO]):
    """Writes to standard error; in colour where a person looks at it."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)
        self.setFormatter(LineFormatter(colour=sys.stderr.isatty()))

    def handleError(self, record: logging.LogRecord) -> None:
        """A terminal that is gone is no reason to say anything."""


class Publisher(logging.Handler):
    """Puts records onto a core's bus while somebody there watches the log."""

    def __init__(self, loop: asyncio.AbstractEventLoop, bus: Bus) -> None:
        super().__init__()
        self._loop = loop
        self._bus = bus

    def emit(self, record: logging.LogRecord) -> None:
        """Publish on the loop's next turn: records come from any thread, and from publishing."""
        if not self._bus.wanted(LogMessage):
            return
        try:
            self._loop.call_soon_threadsafe(self._bus.publish, message_of(record))
        except RuntimeError:  # the loop has ended
            return


def message_of(record: logging.LogRecord) -> LogMessage:
    """A record as the event that clients get."""
    given: Mapping[str, object] = getattr(record, "fields", {})
    library = given.get("library_id")
    job = given.get("job_id")
    return LogMessage(
        timestamp=datetime.fromtimestamp(record.created, UTC),
        level=record.levelname,
        target=record.name,
        message=_text(record.getMessage()),
        job_id=None if job is None else str(job),
        library_id=library if isinstance(library, UUID) else None,
        fields=fields_of(record),
    )


def set_up(path: str, spec: str, *, terminal: bool) -> LogFile:
    """Log to a file, and to standard error where the daemon runs in the foreground."""
    logging.raiseExceptions = False
    file = LogFile(path)
    logging.root.handlers[:] = [file, Terminal()] if terminal else [file]
    apply_filter(spec)
    return file
