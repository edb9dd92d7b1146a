"""The command line of `sd` as plain facts, for what is written from it: manual pages, completion.

Read from the click commands themselves. Nothing here depends on how a version of click or of Python
lays out its help, so that the same declarations give the same documents everywhere.
"""

from __future__ import annotations

from typing import NamedTuple

import click

import sd_wire.catalogue  # noqa: F401 - fills the catalogue
from sd_client.cli.main import COMMANDS, root
from sd_client.cli.values import AbsolutePath, Choice, dashed
from sd_wire.events import EVENTS
from sd_wire.operation import CATALOGUE


class Value(NamedTuple):
    """What a shell may offer where a value is expected: words, files, folders, or nothing."""

    words: tuple[str, ...] = ()
    files: bool = False
    folders: bool = False


class Option(NamedTuple):
    """An option; a flag takes no value and has no metavar."""

    names: tuple[str, ...]
    metavar: str
    about: str
    value: Value
    repeats: bool

    @property
    def name(self) -> str:
        """The spelling that explains itself."""
        return next((name for name in self.names if name.startswith("--")), self.names[0])


class Argument(NamedTuple):
    """A word without a dash."""

    metavar: str
    about: str
    value: Value
    required: bool
    repeats: bool


class Command(NamedTuple):
    """A command, or a noun with its verbs."""

    words: tuple[str, ...]
    summary: str
    about: str
    arguments: tuple[Argument, ...]
    options: tuple[Option, ...]
    examples: tuple[str, ...]
    verbs: tuple[Command, ...]
    section: str = ""

    @property
    def name(self) -> str:
        """As it is typed, without `sd`."""
        return " ".join(self.words)


# Paths that are folders, where the type cannot say so: a request has only text.
FOLDERS = {
    *(("library create", "path"), ("library open", "path"), ("library export", "export_path")),
    *(("location add", "path"), ("location validate-path", "path"), ("run", "folder")),
    *(("file directory-listing", "path"), ("file media-listing", "path"), ("", "data_dir")),
}
FILES = {("", "socket")}
# Words that the contract fixes, where the command line takes any, as of a newer daemon.
WORDS = {
    ("call", "method"): tuple(CATALOGUE),
    ("describe", "method"): tuple(CATALOGUE),
    ("core describe", "method"): tuple(CATALOGUE),
    ("events", "types"): tuple(EVENTS),
}


def _value(command: str, parameter: click.Parameter) -> Value:
    place, kind = (command, parameter.name or ""), parameter.type
    if place in WORDS:
        return Value(words=WORDS[place])
    if isinstance(kind, Choice):
        return Value(words=tuple(dashed(member) for member in kind.members))
    if place in FOLDERS or (isinstance(kind, AbsolutePath) and kind.folder):
        return Value(folders=True)
    return Value(files=place in FILES or isinstance(kind, AbsolutePath))


def _option(command: str, option: click.Option) -> Option:
    value = Value() if option.is_flag else _value(command, option)
    metavar = "" if option.is_flag else option.metavar or (option.name or "").upper()
    names = (*option.opts, *option.secondary_opts)
    names = tuple(sorted(names, key=lambda name: name.startswith("--")))
    about = "explain the command" if "--help" in names else option.help or ""
    return Option(names, metavar, about, value, option.multiple)


def _argument(command: str, argument: click.Argument) -> Argument:
    metavar = (argument.metavar or argument.human_readable_name).upper().removesuffix("...")
    about = getattr(argument, "documentation", "")
    value = _value(command, argument)
    return Argument(metavar, about, value, argument.required, argument.nargs == -1)


def read(found: click.Command, words: tuple[str, ...] = ()) -> Command:
    """A command and all below it."""
    context = click.Context(found, info_name="sd", help_option_names=["-h", "--help"])
    name = " ".join(words)
    offered = [one for one in found.get_params(context) if not getattr(one, "hidden", False)]
    options = [one for one in offered if isinstance(one, click.Option)]
    about = " ".join((found.help or "").split())
    entry = COMMANDS.get(name)
    verbs = []
    if isinstance(found, click.Group):
        for verb in found.list_commands(context):
            below = found.get_command(context, verb)
            assert below is not None
            verbs.append(read(below, (*words, verb)))
    return Command(
        words,
        entry.summary if entry else about.partition(". ")[0].rstrip("."),
        about,
        tuple(_argument(name, one) for one in offered if isinstance(one, click.Argument)),
        # --help is the same everywhere, and explained with the global options.
        tuple(_option(name, one) for one in options if not words or "--help" not in one.opts),
        tuple(getattr(found, "examples", ())),
        tuple(verbs),
        entry.section if entry else "",
    )


SD = read(root)
EVERYWHERE = SD.options
