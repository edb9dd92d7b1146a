"""Where the command writes: results to standard output, remarks to standard error.

On a terminal results are laid out for a person; anywhere else they are plain lines whose names
keep their bytes. With --json standard output is the JSON of the result and nothing else: one
document per command, or one per line where a stream is followed.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import msgspec

from sd_client.cli.advice import hint_for, sentence_for
from sd_client.cli.lazy import load
from sd_client.cli.text import encoded, repeating, shown, word
from sd_wire.errors import SdError

if TYPE_CHECKING:
    from collections.abc import Iterable

    import click

    from sd_client.cli.advice import Hints

BOLD, DIM, RED, GREEN, YELLOW, BLUE, CYAN = "1", "2", "31", "32", "33", "34", "36"


BELOW = "\0"
"""Stands where a line ends in the text of an error: no name has it, as it may have other ends."""


class OutputFailed(SdError):
    """Standard output takes nothing more."""

    kind = "WriteError"
    message = "the result could not be written: {reason}"


class Output:
    """The two standard streams and how a person wants them."""

    def __init__(self) -> None:
        self.json = False
        self.quiet = False
        self.hints: Hints = {}  # what the command that runs says to do about errors
        self.names_fields = False  # its options are the fields of an operation
        self._given: dict[str, str] = {}
        self.terminal = _is_terminal(1)
        self.remarks_to_terminal = _is_terminal(2)

    def repeat(self, option: str, value: str | None = None) -> None:
        """Let the commands that are suggested have this option."""
        self._given[option] = option if value is None else f"{option} {word(value)}"

    @property
    def given(self) -> str:
        """The options that suggested commands have."""
        return " ".join(self._given.values())

    @property
    def colour(self) -> bool:
        """Whether results are coloured."""
        plain = os.environ.get("NO_COLOR") or os.environ.get("TERM", "dumb") == "dumb"
        return self.terminal and not self.json and not plain

    @property
    def width(self) -> int:
        """Columns of the terminal; without one there is no end to a line."""
        return load("shutil:get_terminal_size")().columns if self.terminal else 10_000

    def paint(self, text: str, *codes: str) -> str:
        """Text in colour where colour is wanted. The text must have been made safe before."""
        return f"\x1b[{';'.join(codes)}m{text}\x1b[0m" if self.colour and codes else text

    def safe(self, text: str) -> str:
        """A name for this output."""
        return shown(text) if self.terminal else text

    def lines(self, lines: Iterable[str]) -> None:
        """Lines that are safe already."""
        self.raw(b"".join(encoded(line) + b"\n" for line in lines))

    def line(self, line: str = "") -> None:
        """One line that is safe already."""
        self.lines([line])

    def raw(self, data: bytes) -> None:
        """Bytes, at once. Raises BrokenPipeError or OutputFailed and drops the rest."""
        if not data:
            return
        try:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
        except OSError as error:
            drop_output()
            if isinstance(error, BrokenPipeError):
                raise
            raise OutputFailed(reason=error.strerror or error) from error

    def document(self, value: Any) -> None:
        """JSON on a line of its own: as it came, or encoded here."""
        raw = bytes(value) if isinstance(value, msgspec.Raw) else msgspec.json.encode(value)
        self.raw(raw + b"\n")

    def pretty(self, value: Any) -> None:
        """JSON for a person, or on one line where a program reads it."""
        if not self.terminal or self.json:
            self.document(value)
            return
        raw = bytes(value) if isinstance(value, msgspec.Raw) else msgspec.json.encode(value)
        text = msgspec.json.format(raw, indent=2).decode()
        self.lines(shown(line) for line in text.split("\n"))

    def remark(self, text: str) -> None:
        """Something a person may want to know; nothing for a program, and nothing when quiet."""
        if not self.quiet and not self.json:
            self.complain(repeating(self.given, text))

    def aside(self, text: str, members: dict[str, Any]) -> None:
        """Something that was asked for beside the result; for a program, as an object."""
        self.complain(msgspec.json.encode(members).decode() if self.json else text)

    def warn(self, text: str) -> None:
        """Something that is probably not what was meant; for a program, too."""
        if self.json:
            self.complain(msgspec.json.encode({"warning": text}).decode())
        else:
            self.remark(f"note: {text}")

    def problem(self, error: SdError) -> None:
        """Why it did not work: a sentence and a hint, or with --json one object."""
        hint = hint_for(error, self.hints)
        if self.json:
            kind, text, details = error.to_wire()
            details.hint = None if hint is None else repeating(self.given, hint)
            text = text.replace(BELOW, "\n  ")
            members = {"kind": kind, "message": text, **msgspec.to_builtins(details)}
            self.complain(msgspec.json.encode({"error": members}).decode())
            return
        text = sentence_for(error, names_fields=self.names_fields)
        self._say(f"sd: {repeating(self.given, text)}")
        if hint is not None:
            self.complain(f"hint: {repeating(self.given, hint)}")

    def usage(self, error: click.ClickException) -> None:
        """What is wrong with the command line."""
        context = getattr(error, "ctx", None)
        path = context.command_path if context else "sd"
        if self.json:
            members = {"code": "usage", "message": error.format_message().replace(BELOW, "\n  ")}
            self.complain(msgspec.json.encode({"error": members}).decode())
            return
        if type(error).__name__ == "NoArgsIsHelpError":  # its message is the help, from click 8.2
            self.complain(error.format_message())
            return
        sentence = error.format_message().rstrip(".")
        self._say(f"sd: {sentence[:1].lower()}{sentence[1:]}")
        self.complain(f"hint: '{path} --help' shows how it is meant")

    def _say(self, text: str) -> None:
        """A sentence, and the lines that it may have below it."""
        first, *below = text.split(BELOW)
        self.complain(first)
        for line in below:
            self.complain(f"  {line}")

    def complain(self, text: str) -> None:
        """A line on standard error, whatever was asked for."""
        safe = shown(text) if self.remarks_to_terminal else text
        try:
            sys.stderr.buffer.write(encoded(safe) + b"\n")
            sys.stderr.buffer.flush()
        except OSError:
            pass  # there is nowhere else to say it; the exit status does


def drop_output() -> None:
    """Let what is still in the buffer of standard output go nowhere, so that it does not fail again
    at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _is_terminal(descriptor: int) -> bool:
    try:
        return os.isatty(descriptor)
    except OSError:
        return False
