"""The commands follow from the catalogue: each operation is one, with an example in its help."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click
import pytest

from sd_client.cli.derive import fields_of
from sd_client.cli.main import COMMANDS, root
from sd_client.cli.nouns import place_of
from sd_wire.operation import CATALOGUE, Operation

if TYPE_CHECKING:
    from collections.abc import Iterator

OPERATIONS = sorted(CATALOGUE.values(), key=lambda operation: operation.name)


def find(*words: str) -> click.Command | None:
    """The command that these words reach."""
    context = click.Context(root, info_name="sd")
    command: click.Command | None = root
    for word in words:
        assert isinstance(command, click.Group)
        command = command.get_command(context, word)
    return command


def every_command() -> Iterator[tuple[str, click.Command]]:
    """Every command that does something, with the words that reach it."""
    context = click.Context(root, info_name="sd")
    for name in root.list_commands(context):
        command = root.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            for verb in command.list_commands(context):
                inner = command.get_command(context, verb)
                assert inner is not None
                yield f"{name} {verb}", inner
        else:
            yield name, command


LEAVES = dict(every_command())


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_every_operation_is_a_command(operation: Operation) -> None:
    noun, verb = place_of(operation)
    hand_made = {"search.files": ("search",), "indexing.verify": ("index", "verify")}
    words = hand_made.get(operation.name, (noun, verb))
    command = find(*words)
    assert command is not None
    assert not isinstance(command, click.Group)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_a_derived_command_takes_every_field(operation: Operation) -> None:
    command = LEAVES.get(" ".join(place_of(operation)))
    if command is None or getattr(command, "operation", None) is not operation:
        return  # hand-made: it has its own tests
    given = {parameter.name for parameter in command.params}
    assert {field.name for field in fields_of(operation)} <= given
    not_offered = set(operation.request.__struct_fields__) - given
    assert not_offered <= {"library_id", *(f"{name}_bytes" for name in given)}


@pytest.mark.parametrize("words", sorted(LEAVES))
def test_every_command_has_help_with_an_example(words: str) -> None:
    command = LEAVES[words]
    text = command.get_help(click.Context(command, info_name=f"sd {words}"))
    assert f"sd {words}" in text.partition("Examples:")[2]
    assert command.help


def test_the_help_of_a_noun_names_each_verb_once() -> None:
    group = find("index")
    assert group is not None
    help_text = group.get_help(click.Context(root, info_name="sd"))
    commands = help_text.partition("Commands:")[2].partition("Examples:")[0]
    listed = re.findall(r"^  ([a-z-]+) ", commands, re.MULTILINE)
    assert listed == ["start", "verify", "rules", "catch-up", "omissions"]
    assert "sd index start --help" in help_text.partition("Examples:")[2]


@pytest.mark.parametrize("words", sorted(LEAVES))
def test_no_option_means_two_things(words: str) -> None:
    command = LEAVES[words]
    context = click.Context(command, info_name=words)
    flags = [
        flag
        for parameter in command.get_params(context)
        if isinstance(parameter, click.Option)
        for flag in (*parameter.opts, *parameter.secondary_opts)
    ]
    assert len(flags) == len(set(flags))


def test_the_table_of_commands_names_what_exists() -> None:
    context = click.Context(root, info_name="sd")
    for name in COMMANDS:
        assert root.get_command(context, name) is not None


def test_every_noun_of_the_catalogue_is_in_the_table() -> None:
    nouns = {place_of(operation)[0] for operation in OPERATIONS}
    assert nouns <= set(COMMANDS)
