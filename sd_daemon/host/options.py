"""The options of `sd-daemon`: each is declared once, here.

A daemon lives long, and what argparse brings along is 1.5 MiB that it would keep. So what service
managers and `sd start` write, whole names with their values, is read here; whatever else is said,
a wrong line and the question for help among it, is for argparse (`sd_daemon.host.command_line`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Option(NamedTuple):
    """One option. Without a `metavar` it is a flag."""

    name: str
    help: str
    metavar: str | None = None
    type: Callable[[str], Any] = str

    @property
    def key(self) -> str:
        """What its value is called."""
        return self.name.removeprefix("--").replace("-", "_")

    @property
    def default(self) -> Any:
        """Its value where nobody has given one."""
        return False if self.metavar is None else None


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < float("inf"):
        raise ValueError
    return seconds


OPTIONS = (
    Option("--data-dir", "where libraries and logs are kept", "PATH"),
    Option("--instance", "a second daemon beside the default", "NAME"),
    Option("--socket", "listen here instead of in the data folder", "PATH"),
    Option("--networking", "talk to other devices"),
    Option("--foreground-log", "write the log to standard error, too"),
    Option(
        "--idle-exit",
        "end when there was nothing to do for so long; only where a service manager listens"
        " meanwhile",
        "SECONDS",
        _seconds,
    ),
)


def plainly(words: Sequence[str]) -> dict[str, Any] | None:
    """The values that the words give to the options; None where argparse has to see them."""
    named = {option.name: option for option in OPTIONS}
    found = {option.key: option.default for option in OPTIONS}
    rest = iter(words)
    for word in rest:
        name, equals, value = word.partition("=")
        option = named.get(name)
        if option is None or (option.metavar is None and equals):
            return None
        if option.metavar is not None and not equals:
            value = next(rest, "-")
            if value.startswith("-"):
                return None
        try:
            found[option.key] = True if option.metavar is None else option.type(value)
        except ValueError:
            return None
    return found
