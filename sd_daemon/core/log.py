"""How the daemon says what it does: a sentence for people, and fields for programs.

    log = get_log(__name__)
    log.info("the index job ended", job_id=job.id, entries=count)

The sentence names no values that a program would want to search for; those are fields. Neither
carries secrets or payloads. Where records go (file, terminal, journal, subscribed clients) is
the host's affair: it hangs handlers onto the standard library's loggers.
"""

from __future__ import annotations

import logging
from contextvars import ContextVar

TRACE = 5
logging.addLevelName(TRACE, "TRACE")
logging.addLevelName(logging.WARNING, "WARN")


_BY_NAME = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}

CORRELATION: ContextVar[str | None] = ContextVar("correlation", default=None)
"""The request on whose behalf everything happens here, where it wants to be followed."""


class Log:
    """The log of one module."""

    __slots__ = ("_logger",)

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(name)

    def trace(self, text: str, /, **fields: object) -> None:
        """For whoever hunts a defect, and too much for everybody else."""
        self._write(TRACE, text, fields)

    def debug(self, text: str, /, **fields: object) -> None:
        """For whoever wants to see every step."""
        self._write(logging.DEBUG, text, fields)

    def info(self, text: str, /, **fields: object) -> None:
        """What a person who runs the daemon may want to read the next day."""
        self._write(logging.INFO, text, fields)

    def warning(self, text: str, /, **fields: object) -> None:
        """Something is not as it should be, and the daemon goes on."""
        self._write(logging.WARNING, text, fields)

    def error(self, text: str, /, *, error: BaseException | None = None, **fields: object) -> None:
        """Something failed. `error` adds where it came from."""
        self._write(logging.ERROR, text, fields, error)

    def at(self, level: str, text: str, /, **fields: object) -> None:
        """At a level that is given by its name; one that nobody knows is info."""
        self._write(_BY_NAME.get(level, logging.INFO), text, fields)

    def _write(
        self,
        level: int,
        text: str,
        fields: dict[str, object],
        error: BaseException | None = None,
    ) -> None:
        if self._logger.isEnabledFor(level):
            correlation = CORRELATION.get()
            if correlation is not None:
                fields.setdefault("correlation_id", correlation)
            # Without arguments logging leaves the text alone, so a '%' in it is only a '%'.
            # It was said two frames above.
            self._logger.log(level, text, exc_info=error, extra={"fields": fields}, stacklevel=3)


def get_log(name: str) -> Log:
    """The log of a module; give it `__name__`."""
    return Log(name)
