"""Write the manual pages, docs/man: a page for `sd`, one for each of its commands, and those of the
daemon.

python docs/manual.py            write them
python docs/manual.py --check    exit 1 if one of them is not what it should be

What is declared is read from the declarations: commands, options, exit statuses, the fields of the
configuration. The pages are kept beside the source, so that an installation needs no Python for
them.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import mdoc
from command_line import EVERYWHERE, SD, Argument, Command, Option
from derive import STATUS_MEANING
from manual_daemon import configuration, daemon, sockets
from written import write_or_check

from sd_client.cli.main import EXAMPLES
from sd_wire import places
from sd_wire.errors import ExitStatus

if TYPE_CHECKING:
    from collections.abc import Iterable

MAN = Path(__file__).parent / "man"
DATA = places.default_data_dir("linux", {}, "~")
MOST_IN_SYNOPSIS = 6

ENVIRONMENT = {
    "SD_DATA_DIR": "The daemon's data folder, as --data-dir says it.",
    "SD_INSTANCE": "The daemon's instance, as --instance says it.",
    "SD_LIBRARY": "The library to work in, as --library says it.",
    "SD_SOCKET": "The daemon's socket, as --socket says it.",
    "XDG_DATA_HOME": "Where the data folder is, in spacedrive, where nothing else names it.",
    "NO_COLOR": "No colours, whatever the terminal can do.",
    "SD_PYTHON": "The Python interpreter to run with, in place of the installation's own.",
}
FILES = {
    f"{DATA}": "The data folder: libraries, configuration, logs. Of a named instance it is the"
    f" folder {places.instance_dir('', 'NAME')[1:]} in it.",
    places.socket_path(DATA): "The socket of your own daemon; of a named instance"
    f" {places.socket_path('', 'NAME').rpartition('/')[2]}.",
    places.system_socket_path(): "The socket of the daemon of the whole machine.",
    places.log_path(DATA): "The daemon's log, which sd logs shows.",
}
WHICH_DAEMON = (
    "The first of these that is given says which daemon is meant: --socket, --system, --data-dir,"
    " SD_SOCKET, SD_DATA_DIR. Where none of them is, it is your own daemon, and where that does not"
    " listen the daemon of the whole machine."
)
COMPLETION = (
    "Completion for bash, zsh and fish is installed beside the command. It knows all commands,"
    " options and their fixed values, and completes files and folders. It asks no daemon, since a"
    " question could start one: names of libraries, locations and jobs are to be typed."
)


NOTED = re.compile(r"(.*?)(?:\s+\[(default|env): (.*)\])?")
"""What an option's help has at its end: its default, or the variable that stands for it."""


def argument_words(argument: Argument) -> str:
    """An argument in a synopsis."""
    inner = f"Ar {mdoc.word(argument.metavar)}" + (" ..." if argument.repeats else "")
    return inner if argument.required else f"Op {inner}"


def synopsis(command: Command) -> list[str]:
    """How a command is called."""
    lines = [mdoc.macro("Nm", f"sd {command.name}")]
    if len(command.options) > MOST_IN_SYNOPSIS:
        lines.append(".Op Ar options")
    else:
        lines += [
            f".Op {mdoc.flag(option.name, option.metavar)}" + (" Ns ..." if option.repeats else "")
            for option in command.options
        ]
    lines += [f".{argument_words(argument)}" for argument in command.arguments]
    if command.verbs:
        lines += [".Ar verb", ".Op Ar options", ".Op Ar arguments"]
    return lines


def option_rows(options: Iterable[Option]) -> list[tuple[str, list[str]]]:
    """Options with what they mean and the words they take."""
    rows: list[tuple[str, list[str]]] = []
    for option in options:
        text, what, value = NOTED.fullmatch(option.about).groups()  # type: ignore[union-attr]
        about = mdoc.prose(mdoc.sentence(text))
        words = option.value.words
        if words and not all(word in option.about for word in words):
            about += mdoc.prose(f"One of: {', '.join(words)}.")
        if what:
            about += mdoc.prose(f"{what.capitalize()}: {value}.")
        if option.repeats:
            about += mdoc.prose("May be given more than once.")
        *others, last = mdoc.long_flags(option.names, option.metavar)
        rows += [*((other, []) for other in others), (last, about)]
    return rows


def parameters(command: Command) -> list[str]:
    """The arguments and options of a command, if it has any."""
    explained = [
        (f"Ar {mdoc.word(one.metavar)}", mdoc.prose(mdoc.sentence(one.about)))
        for one in command.arguments
        if one.about
    ]
    rows = [*explained, *option_rows(command.options)]
    return mdoc.tagged(rows) if rows else []


def verb_section(verb: Command) -> list[str]:
    """What one verb of a noun does."""
    lines = [f".Ss {mdoc.literal(f'sd {verb.name}')}", ".Bd -ragged", *synopsis_inside(verb)]
    return [*lines, ".Ed", ".Pp", *mdoc.prose(verb.about), *parameters(verb)]


def synopsis_inside(command: Command) -> list[str]:
    """The synopsis of a verb in the middle of a page."""
    first, *rest = synopsis(command)
    return [f".Nm {first.partition(' ')[2]}", *rest]


def command_page(command: Command) -> str:
    """The page of one command of `sd`."""
    name = f"sd-{command.name}"
    parts = [[".Sh SYNOPSIS", *synopsis(command)], [".Sh DESCRIPTION", *mdoc.prose(command.about)]]
    for verb in command.verbs:
        parts.append(verb_section(verb))
    if not command.verbs:
        rows = parameters(command)
        parts.append([".Sh OPTIONS", *rows] if rows else [])
    examples = [line for one in (command, *command.verbs) for line in one.examples]
    own = [line for line in examples if not line.endswith("--help")]
    parts += [
        [".Pp", *everywhere()],
        [".Sh EXIT STATUS", *mdoc.prose("0 where it worked."), ".Xr sd 1", "lists all others."],
        [".Sh EXAMPLES", *mdoc.display(own)],
        mdoc.see_also([("sd", "1"), *RELATED.get(command.name, ())]),
    ]
    about = command.summary if command.verbs else mdoc.first_sentence(command.about)
    return mdoc.page(name, "1", [name], about, parts)


RELATED = {
    **dict.fromkeys(
        ("start", "stop", "restart", "enable", "disable", "status"),
        (("spacedrived", "8"), ("spacedrive.socket", "5"), ("systemctl", "1")),
    ),
    "config": (("spacedrive.conf", "5"),),
    "logs": (("spacedrived", "8"), ("journalctl", "1")),
    "call": (("sd-describe", "1"), ("spacedrive.socket", "5")),
    "describe": (("sd-call", "1"), ("spacedrive.socket", "5")),
    "events": (("sd-job", "1"), ("spacedrive.socket", "5")),
    "index": (("sd-location", "1"), ("sd-job", "1")),
    "location": (("sd-index", "1"), ("sd-library", "1")),
    "search": (("sd-ls", "1"), ("sd-file", "1")),
    "file": (("sd-search", "1"), ("sd-info", "1")),
}


def everywhere() -> list[str]:
    """That there are options for every command."""
    lines = ["The options", *named_options()]
    return [*lines, "stand before or after every command and are explained in", ".Xr sd 1 ."]


def named_options() -> list[str]:
    """The names of the global options as a list in a sentence."""
    names = [option.name for option in EVERYWHERE if option.name != "--version"]
    return [f".{mdoc.flag(name)} ," for name in names[:-1]] + ["and", f".{mdoc.flag(names[-1])}"]


def command_list() -> list[str]:
    """All commands, by what they are for."""
    lines = [".Sh COMMANDS"]
    for section in dict.fromkeys(command.section for command in SD.verbs):
        rows = [
            (f"Xr sd-{command.name} 1", command.summary)
            for command in SD.verbs
            if command.section == section
        ]
        lines += [f".Ss {section}", *mdoc.table(rows, "sd-restart(1)_")]
    return lines


def overview() -> str:
    """sd(1)."""
    about = [
        "sd talks to the Spacedrive daemon, which keeps an index of the folders that you name, and"
        " finds files in it by any parts of their names at once. The first command to try is sd run"
        " with a folder: it does everything from nothing to a first search.",
        WHICH_DAEMON,
        "What is asked for is printed on standard output; remarks and errors are on standard error."
        " With --json the output is made for programs. A path may be relative, and may have bytes"
        " that are not UTF-8. Libraries, locations and jobs can be named by the first characters of"
        " their ids, libraries and locations by their names, too.",
    ]
    statuses = [(f"{int(one)}", STATUS_MEANING[one].replace("`", "")) for one in ExitStatus]
    parts = [
        [".Sh SYNOPSIS", ".Nm sd", ".Op Ar options", ".Ar command", ".Op Ar arguments"],
        [".Nm sd", ".Cm help", ".Op Ar command"],
        [".Sh DESCRIPTION", *mdoc.paragraphs(*about)],
        command_list(),
        [".Sh OPTIONS", *mdoc.prose("They stand before or after the command.")],
        mdoc.tagged(option_rows(EVERYWHERE)),
        [".Sh ENVIRONMENT"],
        mdoc.tagged((f"Ev {name}", mdoc.prose(text)) for name, text in ENVIRONMENT.items()),
        [".Sh FILES"],
        mdoc.tagged((f"Pa {mdoc.word(name)}", mdoc.prose(text)) for name, text in FILES.items()),
        [".Sh EXIT STATUS"],
        mdoc.table(((status, mdoc.sentence(text)) for status, text in statuses), "130_"),
        [".Sh EXAMPLES", *mdoc.display(EXAMPLES)],
        [".Sh SHELL COMPLETION", *mdoc.prose(COMPLETION)],
        mdoc.see_also(
            [(f"sd-{command.name}", "1") for command in SD.verbs]
            + [("spacedrived", "8"), ("spacedrive.conf", "5"), ("spacedrive.socket", "5")]
        ),
    ]
    return mdoc.page("sd", "1", ["sd"], "know your files: index folders, find files", parts)


def pages() -> dict[str, str]:
    """Every page by the name of its file."""
    commands = {f"sd-{command.name}.1": command_page(command) for command in SD.verbs}
    return {
        "sd.1": overview(),
        **commands,
        "spacedrived.8": daemon(),
        "spacedrive.conf.5": configuration(),
        "spacedrive.socket.5": sockets(),
    }


def main() -> int:
    """Write or check."""
    return write_or_check(MAN, pages(), alone=True)


if __name__ == "__main__":
    sys.exit(main())
