"""What every command of `sd` has: the global options, an example in its help, one way to end.

The global options may stand before the command or after it. They are declared once, here, and
written into the session, which the commands get.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from sd_client.cli.session import Session
from sd_client.cli.values import absolute

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sd_client.cli.advice import Hints
    from sd_wire.operation import Operation


_WHICH = {
    "named_socket": "--socket",
    "system": "--system",
    "named_data_dir": "--data-dir",
    "named_instance": "--instance",
    "library": "--library",
}
"""What says which daemon and library are meant."""


def _keep(attribute: str) -> Callable[[click.Context, click.Parameter, Any], Any]:
    def keep(ctx: click.Context, _param: click.Parameter, value: Any) -> Any:
        if value not in (None, False):
            session = ctx.find_root().ensure_object(Session)
            target: object = session.output if attribute in ("json", "quiet") else session
            setattr(target, attribute, value)
            if attribute in _WHICH:
                session.output.repeat(_WHICH[attribute], None if value is True else value)
        return value

    return keep


def _path(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    attribute = "named_socket" if param.name == "socket" else "named_data_dir"
    _keep(attribute)(ctx, param, absolute(value) if value else None)


GLOBAL_HELP = {
    "--json": "print the result as JSON: one document, or one per line of a stream",
    "--trace": "show on standard error what the daemon logged and published for the command",
    "--quiet": "print results and errors only",
    "--library": "the library to work in, by name or id [env: SD_LIBRARY]",
    "--instance": "the daemon of this name, beside the default one [env: SD_INSTANCE]",
    "--data-dir": "the daemon's data folder [env: SD_DATA_DIR]",
    "--socket": "the daemon's socket [env: SD_SOCKET]",
    "--system": "the daemon of the whole machine instead of your own",
}


def global_options(*, hidden: bool) -> list[click.Parameter]:
    """The options that every command takes."""
    settings: dict[str, Any] = {"expose_value": False, "hidden": hidden}

    def flag(name: str, *more: str) -> click.Option:
        return click.Option(
            [*more, name],
            is_flag=True,
            callback=_keep(name[2:]),
            help=GLOBAL_HELP[name],
            **settings,
        )

    def value(name: str, metavar: str, callback: Callable[..., Any]) -> click.Option:
        return click.Option(
            [name], metavar=metavar, callback=callback, help=GLOBAL_HELP[name], **settings
        )

    return [
        flag("--json"),
        flag("--quiet", "-q"),
        flag("--trace"),
        value("--library", "LIBRARY", _keep("library")),
        value("--instance", "NAME", _keep("named_instance")),
        value("--data-dir", "DIR", _path),
        value("--socket", "PATH", _path),
        flag("--system"),
    ]


class Command(click.Command):
    """A command with examples and the global options."""

    def __init__(
        self,
        *args: Any,
        examples: Sequence[str] = (),
        hints: Hints | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(*args, **settings)
        self.examples = list(examples)
        self.hints = hints or {}
        self.operation: Operation | None = None  # the one that it was derived from
        self.params.extend(global_options(hidden=True))

    def invoke(self, ctx: click.Context) -> Any:
        """Run; whatever goes wrong is told in the words of this command."""
        output = ctx.find_root().ensure_object(Session).output
        output.hints, output.names_fields = self.hints, self.operation is not None
        return super().invoke(ctx)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Arguments, options, examples, and where the global options are explained."""
        _section(ctx, formatter, "Arguments", self.params, click.Argument)
        _section(ctx, formatter, "Options", self.get_params(ctx), click.Option)
        _examples(formatter, self.examples)
        with formatter.section("Everywhere"):
            formatter.write_text(f"{' '.join(GLOBAL_HELP)}: see sd --help")


def _section(
    ctx: click.Context,
    formatter: click.HelpFormatter,
    title: str,
    parameters: Sequence[click.Parameter],
    kind: type[click.Parameter],
) -> None:
    records = [p.get_help_record(ctx) for p in parameters if isinstance(p, kind)]
    rows = [record for record in records if record is not None]
    if rows:
        with formatter.section(title):
            formatter.write_dl(rows)


def _examples(formatter: click.HelpFormatter, examples: Sequence[str]) -> None:
    if examples:
        with formatter.section("Examples"):
            formatter.write("".join(f"{'':{formatter.current_indent}}{e}\n" for e in examples))


def command(
    name: str, *examples: str, hints: Hints | None = None
) -> Callable[[Callable[..., Any]], Command]:
    """Declare a command whose docstring is its help. `hints` say what to do about errors."""

    def declare(function: Callable[..., Any]) -> Command:
        made = click.command(name, cls=Command, examples=examples, hints=hints)(function)
        assert isinstance(made, Command)
        return made

    return declare


class Group(click.Group):
    """A noun with its verbs."""

    def __init__(self, *args: Any, examples: Sequence[str] = (), **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.examples = list(examples)
        self.params.extend(global_options(hidden=True))

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Commands and examples."""
        self.format_commands(ctx, formatter)
        _examples(formatter, self.examples)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """An unknown verb is met with the ones that exist."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            known = ", ".join(self.list_commands(ctx))
            raise click.UsageError(
                f"there is no 'sd {self.name} {args[0]}'; there is {known}", ctx=ctx
            ) from error
