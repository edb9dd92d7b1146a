"""Where log records go: the file, the journal or the terminal, and the clients that watch.

One handler writes the file and feeds the clients, both under its lock; `sd_daemon.server.log_feed`
says why. What a line looks like is the affair of `sd_wire.log_line`. The journal, where the service
manager has connected us to one, gets what the file gets, and takes the place of the terminal.

A subscription may ask for more than the daemon records. While it lives, loggers pass what it wants,
and the file and the terminal keep to the daemon's own levels. While there is none, nothing is asked
of a record that its logger does not know anyway.

Logging never breaks what it reports on: a full disk, a closed terminal or an odd value costs the
record and nothing else.
"""

from __future__ import annotations

import errno
import logging
import os
import sys
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TextIO

from sd_daemon.core.late import load
from sd_daemon.core.log import TRACE, get_log
from sd_daemon.host.traces import trace_of
from sd_wire.log_history import ROTATED, file_names, part_of
from sd_wire.log_line import line_of, printable, record_with, rest_of, stamp_of
from sd_wire.places import log_name, log_path

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager
    from typing import BinaryIO

    from sd_daemon.host.journal import Journal
    from sd_daemon.server.log_feed import LogFeed
    from sd_wire.events import LogMessage
    from sd_wire.log_history import Part

FILE_SIZE = 10 * 1024 * 1024  # bytes; then the file is rotated
LONGEST = 16 * 1024  # characters of one text; the log is no place for whole requests

DEFAULT_FILTER = "info"
log = get_log(__name__)

LEVELS = {
    "trace": TRACE,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "off": logging.CRITICAL + 1,
}
_NAMES = ("ERROR", "WARN", "INFO", "DEBUG")
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


class Levels:
    """What is recorded: the daemon's own levels, and what is wanted beyond them for a while."""

    def __init__(self, spec: str = DEFAULT_FILTER) -> None:
        self._own = parse_filter(spec)
        self._known: dict[str, int] = {}  # the own level of a logger, once it was looked for
        self._wanted: Counter[int] = Counter()
        self._lowest = logging.CRITICAL + 1

    def set(self, spec: str) -> None:
        """Have other levels of our own. Let loggers pass what they say, and no more."""
        for name in tuple(logging.root.manager.loggerDict):
            logging.getLogger(name).setLevel(logging.NOTSET)
        self._own = parse_filter(spec)
        self._known = {}
        self._apply()

    def lower(self, level: int) -> Callable[[], None]:
        """Let everything from this level on pass, until the result is called."""

        def restore() -> None:
            self._wanted[level] -= 1
            self._apply()

        self._wanted[level] += 1
        self._apply()
        return restore

    def keep(self, record: logging.LogRecord) -> bool:
        """Whether a record is one that our own levels let pass."""
        if not self._wanted:
            return True  # or else its logger had not passed it
        return record.levelno >= self.own(record.name)

    def own(self, name: str) -> int:
        """Our own level for a logger: that of the nearest one above it that has one."""
        known = self._known.get(name)
        if known is None:
            above = name
            while above not in self._own:
                above = above.rpartition(".")[0]
            known = self._known[name] = self._own[above]
        return known

    def _apply(self) -> None:
        self._wanted = +self._wanted
        lowest = min(self._wanted, default=logging.CRITICAL + 1)
        for name, level in self._own.items():
            logging.getLogger(name or None).setLevel(min(level, lowest))


# --- records -------------------------------------------------------------------------------------


def message_of(record: logging.LogRecord) -> LogMessage:
    """A record as clients get it and as the file has it: fields as text, and a traceback where
    there is one."""
    given: Mapping[str, object] = getattr(record, "fields", {})
    fields = {printable(name): _text(value) for name, value in given.items() if value is not None}
    if record.exc_info and record.exc_info[1] is not None:
        fields["trace"] = _shortened(printable(trace_of(record.exc_info[1])))
    return record_with(
        fields,
        datetime.fromtimestamp(record.created, UTC),
        next((name for name in _NAMES if record.levelno >= LEVELS[name.lower()]), "TRACE"),
        printable(record.name),
        _text(record.getMessage()),
    )


def _text(value: object) -> str:
    text = value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value)
    return _shortened(printable(text))


def _shortened(text: str) -> str:
    """A text of bearable length: its beginning, and its end, where a traceback has the reason."""
    if len(text) <= LONGEST:
        return text
    half = LONGEST // 2
    return f"{text[:half]} ({len(text) - 2 * half} characters left out) {text[-half:]}"


# --- where they go -------------------------------------------------------------------------------


class LogFile:
    """Appends to a file that only its owner may read, and starts a new one when it is full.

    The standard library's rotating handler costs 1 MiB of memory for what it imports, and prints a
    traceback for every record while a disk is full.
    """

    def __init__(self, path: str, *, size: int = FILE_SIZE) -> None:
        self.path = path
        self.lost = 0  # lines that could not be written
        self.trouble: str | None = None  # why the last one could not be
        self._size = size
        self._file: int | None = None
        self._written = 0
        self._torn = False  # the last line has no end

    def append(self, line: str) -> None:
        """Write a line, or count it as lost."""
        try:
            data = line.encode() + b"\n"
            if self._file is not None and self._written + len(data) > self._size:
                self._rotate()
            file = self._open()
            if self._torn:
                data = b"\n" + data
            written = os.write(file, data)
            self._written += written
            self._torn = written < len(data)
            self.lost += self._torn
            self.trouble = os.strerror(errno.ENOSPC) if self._torn else None
        except OSError as error:
            self.lost += 1
            self.trouble = error.strerror or str(error)
            self.reopen()

    def reopen(self) -> None:
        """Go on in whatever file has the name now; somebody else may rotate it."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)

    def opened(self) -> list[BinaryIO]:
        """The files, oldest first, open to be read; what cannot be opened is left out."""
        files: list[BinaryIO] = []
        for name in file_names(self.path):
            try:
                files.append(open(name, "rb", buffering=0))  # noqa: SIM115 - the caller closes it
            except OSError:
                continue
        if not (files and files[-1].name == self.path and self._is_written(files[-1].fileno())):
            self.reopen()  # the name was given to another file: the next record is for that one
        return files

    def _is_written(self, file: int) -> bool:
        return self._file is not None and os.path.samestat(os.fstat(self._file), os.fstat(file))

    def _open(self) -> int:
        if self._file is None:
            os.makedirs(os.path.dirname(self.path), mode=0o700, exist_ok=True)
            flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            self._file = os.open(self.path, flags, 0o600)
            self._written = os.fstat(self._file).st_size
            # A daemon that was killed, or a disk that was full, may have left half a line.
            self._torn = os.pread(self._file, 1, max(0, self._written - 1)) not in (b"\n", b"")
        return self._file

    def _rotate(self) -> None:
        self.reopen()
        for number in range(ROTATED - 1, 0, -1):
            if os.path.exists(f"{self.path}.{number}"):
                os.replace(f"{self.path}.{number}", f"{self.path}.{number + 1}")
        os.replace(self.path, f"{self.path}.1")


class Recorder(logging.Handler):
    """Records everything in the file and the journal, and gives it to the clients that watch."""

    def __init__(self, file: LogFile, levels: Levels, journal: Journal | None = None) -> None:
        super().__init__()
        self.file = file
        self.levels = levels
        self.journal = journal
        self.watcher: Callable[[], None] = _nobody  # called when something could not be recorded
        self._feeds: list[LogFeed] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Record it. The lock of the handler is held."""
        try:
            message = message_of(record)
        except Exception:  # of a value that cannot even say what it is
            self.file.lost += 1
            return
        kept = self.levels.keep(record)
        before = self.file.trouble
        if kept:
            self.file.append(line_of(message))
            if self.journal is not None:
                self.journal.take(message, record)
        for feed in self._feeds:
            feed.take(message, kept=kept)
        if self.file.trouble != before:
            self._tell_trouble(self.file)

    def _tell_trouble(self, file: LogFile) -> None:
        """Say it where it can be said: in the journal, in the status, to who watches the log."""
        self.watcher()
        if file.trouble is None:
            log.info("the log file is written again", path=file.path, lost=file.lost)
        else:
            log.error("the log file cannot be written", path=file.path, reason=file.trouble)

    @property
    def lacks(self) -> list[str]:
        """What is not recorded as it should be; sentences."""
        found = []
        if self.file.trouble is not None:
            found.append(f"the log file {self.file.path} cannot be written: {self.file.trouble}")
        dropped = 0 if self.journal is None else self.journal.dropped
        if dropped:
            records = "1 record" if dropped == 1 else f"{dropped} records"
            found.append(f"the journal lacks {records} that the log file has")
        return found

    def watch(self, watcher: Callable[[], None]) -> None:
        """Have `watcher` called, in any thread, when it may lack something else."""
        self.watcher = watcher
        if self.journal is not None:
            self.journal.watcher = watcher

    def feed(self, feed: LogFeed) -> None:
        """Give this one every record from now on."""
        with self.held():
            self._feeds.append(feed)
        feed.comes_from(self)

    def reopen(self) -> None:
        """Go on in whatever file has the name now."""
        with self.held():
            self.file.reopen()

    def close(self) -> None:
        """Write nothing more."""
        self.reopen()
        if self.journal is not None:
            self.journal.close()
        super().close()

    def held(self) -> AbstractContextManager[object]:
        """Nobody records meanwhile."""
        assert self.lock is not None
        return self.lock

    def parts(self) -> list[Part]:
        """The log's files, oldest first, open to be read, as far as they go now."""
        return [part_of(file) for file in self.file.opened()]

    def keeps(self, level: str) -> bool:
        """Whether what is recorded at this level is written into the file."""
        return self.levels.own("") <= LEVELS[level.lower()]

    def lower(self, level: str) -> Callable[[], None]:
        """Have everything from this level on recorded, until the result is called."""
        return self.levels.lower(LEVELS[level.lower()])


class Terminal(logging.StreamHandler[TextIO]):
    """Writes to standard error; in colour where a person looks at it."""

    def __init__(self, levels: Levels) -> None:
        super().__init__(sys.stderr)
        self._colour = sys.stderr.isatty()
        self.addFilter(levels.keep)

    def format(self, record: logging.LogRecord) -> str:
        """The same line as in the file."""
        message = message_of(record)
        before, after = (_COLOURS.get(message.level, ""), _CALM) if self._colour else ("", "")
        level = f"{before}{message.level:<5}{after}"
        return f"{stamp_of(message.timestamp)} {level} {rest_of(message)}"

    def handleError(self, record: logging.LogRecord) -> None:
        """A terminal that is gone is no reason to say anything."""


def _nobody() -> None:
    """Nobody wants to know."""


def log_file(data_dir: str, instance: str | None, environ: Mapping[str, str]) -> str:
    """The path of the log: in the folder that a service manager has made for it
    (LogsDirectory= in systemd.exec(5)), else in the data folder."""
    folder = environ.get("LOGS_DIRECTORY", "").partition(":")[0]
    return f"{folder}/{log_name(instance)}" if folder else log_path(data_dir, instance)


def journal_of(environ: Mapping[str, str], stderr: int = 2) -> Journal | None:
    """The journal, where standard error leads there. That there is such a variable proves nothing:
    it is inherited by whoever is started with another standard error."""
    stream = environ.get("JOURNAL_STREAM")
    if stream is None:
        return None
    try:
        found = os.fstat(stderr)
    except OSError:
        return None
    if stream != f"{found.st_dev}:{found.st_ino}":
        return None
    made: Journal = load("sd_daemon.host.journal:Journal")()
    return made


def set_up(path: str, spec: str, *, terminal: bool, journal: Journal | None = None) -> Recorder:
    """Log to a file, and to the journal, or to standard error where the daemon runs in the
    foreground; where that is the journal, only once."""
    logging.raiseExceptions = False
    levels = Levels()
    recorder = Recorder(LogFile(path), levels, journal)
    shown = terminal and journal is None
    logging.root.handlers[:] = [recorder, Terminal(levels)] if shown else [recorder]
    levels.set(spec)
    return recorder
