"""`sd`: the commands there are, and how each of them ends.

The table below is all that `sd --help` needs; the module of a command is read when it runs.

Every way out is here. An error of the contract is a sentence and a hint on standard error and ends
with its own status; a wrong command line ends with 2, Ctrl-C with 130; a reader that went away,
such as `head`, ends it in silence.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import click

from sd_client.cli.command import global_options
from sd_client.cli.lazy import load
from sd_client.cli.output import OutputFailed, drop_output
from sd_client.cli.session import Session
from sd_wire.errors import ExitStatus, SdError

if TYPE_CHECKING:
    from collections.abc import Sequence


class Entry(NamedTuple):
    """A top-level command: where it is, and its line in the help."""

    target: str
    section: str
    summary: str


_NOUN = "sd_client.cli.nouns:noun"
_FILES, _CHANGES = "Files", "Changing files"
_DAEMON, _OPERATIONS = "The daemon", "Everything it can do"

COMMANDS = {
    "run": Entry("sd_client.cli.run:run", _FILES, "index a folder and search it, from nothing"),
    "search": Entry("sd_client.cli.search:search", _FILES, "find files by parts of their names"),
    "ls": Entry("sd_client.cli.listing:ls", _FILES, "list a folder"),
    "info": Entry("sd_client.cli.listing:info", _FILES, "all that is known about a file"),
    "du": Entry("sd_client.cli.inspect:du", _FILES, "how much is in which folder"),
    "cp": Entry("sd_client.cli.carry:cp", _CHANGES, "copy files and folders"),
    "mv": Entry("sd_client.cli.carry:mv", _CHANGES, "move or rename them"),
    "rm": Entry("sd_client.cli.changes:rm", _CHANGES, "put them into the trash"),
    "rename": Entry("sd_client.cli.changes:rename", _CHANGES, "give one another name"),
    "mkdir": Entry("sd_client.cli.changes:mkdir", _CHANGES, "make folders"),
    "trash": Entry(_NOUN, _CHANGES, "what was deleted: list, restore, empty"),
    "undo": Entry("sd_client.cli.past:undo", _CHANGES, "take back what was done to files"),
    "history": Entry(_NOUN, _CHANGES, "what was done to files"),
    "dupes": Entry(_NOUN, _CHANGES, "files with the same content: list, resolve"),
    "verify": Entry("sd_client.cli.inspect:verify", _CHANGES, "read files, say what is damaged"),
    "start": Entry("sd_client.cli.daemon:start", _DAEMON, "start it"),
    "stop": Entry("sd_client.cli.daemon:stop", _DAEMON, "stop it"),
    "restart": Entry("sd_client.cli.daemon:restart", _DAEMON, "stop and start it"),
    "enable": Entry("sd_client.cli.daemon:enable", _DAEMON, "let its first client start it"),
    "disable": Entry("sd_client.cli.daemon:disable", _DAEMON, "stop it, let no client start it"),
    "status": Entry("sd_client.cli.daemon:status", _DAEMON, "what it is and does right now"),
    "events": Entry("sd_client.cli.events:events", _DAEMON, "what happens, as it happens"),
    "graphql": Entry("sd_client.cli.graphql:graphql", _DAEMON, "serve it over HTTP as GraphQL"),
    "logs": Entry("sd_client.cli.follow:logs", _DAEMON, "its log"),
    "library": Entry(_NOUN, _OPERATIONS, "libraries: list, create, open, export, ..."),
    "location": Entry(_NOUN, _OPERATIONS, "the folders of a library: add, list, rescan, ..."),
    "index": Entry(_NOUN, _OPERATIONS, "start and verify indexing, see what is left out"),
    "job": Entry(_NOUN, _OPERATIONS, "list, watch, pause, resume and cancel jobs"),
    "file": Entry(_NOUN, _OPERATIONS, "questions about files: duplicates, kinds, media, ..."),
    "validation": Entry(_NOUN, _OPERATIONS, "what 'sd verify' found"),
    "volume": Entry(_NOUN, _OPERATIONS, "mounted filesystems"),
    "device": Entry(_NOUN, _OPERATIONS, "the machines of a library"),
    "config": Entry(_NOUN, _OPERATIONS, "settings of the daemon and of a library"),
    "network": Entry(_NOUN, _OPERATIONS, "the peer-to-peer network"),
    "core": Entry(_NOUN, _OPERATIONS, "the daemon as a whole, by operation"),
    "test": Entry(_NOUN, _OPERATIONS, "whether somebody answers"),
    "call": Entry("sd_client.cli.call:call", _OPERATIONS, "call an operation with JSON"),
    "describe": Entry("sd_client.cli.describe:describe", _OPERATIONS, "explain the operations"),
}

EXAMPLES = (
    "sd run ~/Pictures                  everything from nothing to a first search",
    "sd search sunset                   files with 'sunset' in their names",
    "sd location add ~/Documents --wait index one more folder",
    "sd events --follow --json          what happens, for a program",
)


ENDS = (
    "With 0 where it worked, 2 where the command line is wrong, else with the status of what went"
    " wrong, or 1 where several kinds of things did: 'man sd' lists them. Ctrl-C ends it with 130."
)


class Sd(click.Group):
    """The root of the commands."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, read now."""
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        found = load(entry.target)
        made: click.Command = found(cmd_name) if entry.target == _NOUN else found
        return made

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """An unknown word may be a search that lacks its verb."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            raise click.UsageError(
                f"there is no command {args[0]!r}; 'sd search {args[0]}' would look for files",
                ctx=ctx,
            ) from error

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Commands by what they are for, examples, options."""
        for section in (_FILES, _CHANGES, _DAEMON, _OPERATIONS):
            rows = [(name, one.summary) for name, one in COMMANDS.items() if one.section == section]
            with formatter.section(section):
                formatter.write_dl(rows)
        with formatter.section("Examples"):
            formatter.write("".join(f"  {line}\n" for line in EXAMPLES))
        with formatter.section("How it ends"):
            formatter.write_text(ENDS)
        records = [option.get_help_record(ctx) for option in self.get_params(ctx)]
        with formatter.section("Options, before or after the command"):
            formatter.write_dl([record for record in records if record is not None])


def version() -> str:
    """The version of the installed package; a checkout has none."""
    try:
        known: str = load("importlib.metadata:version")("spacedrive")
    except ModuleNotFoundError:  # what importlib.metadata raises for an unknown package
        return "0+unknown"
    return known


def _print_version(ctx: click.Context, _param: click.Parameter, value: Any) -> None:
    if value:
        click.echo(f"sd {version()}")
        ctx.exit()


root = Sd(
    "sd",
    help="Your files, known: index folders, find what is in them, follow what happens.",
    params=[
        click.Option(
            ["--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_print_version,
            help="print the version",
        ),
        *global_options(hidden=False),
    ],
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def run(arguments: Sequence[str], begun: str | None = None) -> int:
    """One command line, and how it ended; `begun` is the job that the quick path has begun."""
    session = Session()
    session.begun = begun
    words = list(arguments)
    if words[:1] == ["help"]:
        words = [*words[1:], "--help"]
    try:
        # Not click's own main(): that turns a reader that went away into a failure.
        with root.make_context("sd", words, obj=session) as context:
            root.invoke(context)
        sys.stdout.flush()
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except SdError as error:
        session.output.problem(error)
        return error.exit_status
    except UnicodeEncodeError:
        session.output.usage(click.UsageError("only paths may have bytes that are not UTF-8"))
        return ExitStatus.USAGE
    except TimeoutError:
        sys.stderr.write("sd: the daemon does not answer\nhint: 'sd logs' may say why\n")
        return ExitStatus.UNAVAILABLE
    except click.ClickException as error:
        session.output.usage(error)
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        return ExitStatus.INTERRUPTED
    except BrokenPipeError:
        drop_output()  # the reader has seen enough
        return ExitStatus.OK
    except OSError as error:
        if not _output_fails():
            raise
        failed = OutputFailed(reason=error.strerror or error)
        session.output.problem(failed)
        return failed.exit_status
    finally:
        session.close()
    return ExitStatus.OK


def _output_fails() -> bool:
    """Whether it is standard output that did not work: what it has not taken is still there. Click
    prints help by itself, and all that it tells is an OSError."""
    try:
        sys.stdout.flush()
    except OSError:
        drop_output()
        return True
    return False


def main(begun: str | None = None) -> NoReturn:
    """The `sd` command. It ends at once: to take apart all that was read takes longer than most
    answers, and nothing is left that would have to be tidied up."""
    status = run(sys.argv[1:], begun)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # the reader went away
            stream.flush()
    os._exit(status)
