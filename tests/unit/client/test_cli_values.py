"""Words of a command line become values of a request."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import click
import pytest

from sd_client.cli.derive import Role, fields_of, parameter
from sd_client.cli.names import Named, choose
from sd_client.cli.search import Moment
from sd_client.cli.values import AbsolutePath, Bytes, Choice, Json, dashed
from sd_wire.errors import LocationNotFound
from sd_wire.operations.config import UpdateLibraryConfig
from sd_wire.operations.files import ListDirectory
from sd_wire.operations.indexing import StartIndexing
from sd_wire.operations.locations import AddLocation, UpdateLocation
from sd_wire.operations.volumes import ListVolumes, VolumeFilter

if TYPE_CHECKING:
    from pathlib import Path

A, B = UUID(int=0xA << 124), UUID(int=0xB << 124)


@pytest.mark.parametrize("word", ["tracked-only", "TrackedOnly", "TRACKED_ONLY", "trackedonly"])
def test_a_choice_is_met_in_any_spelling(word: str) -> None:
    assert Choice.of(VolumeFilter).convert(word, None, None) == "TrackedOnly"


def test_a_wrong_choice_names_the_right_ones() -> None:
    with pytest.raises(click.BadParameter, match="tracked-only, untracked-only, all"):
        Choice.of(VolumeFilter).convert("some", None, None)


def test_names_are_written_with_dashes() -> None:
    assert dashed("TrackedOnly") == "tracked-only"
    assert dashed("sort_by") == "sort-by"


def test_a_path_is_absolute_before_the_daemon_sees_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert AbsolutePath().convert("a/../b", None, None) == str(tmp_path / "b")
    odd = os.fsdecode(b"caf\xe9")
    assert os.fsencode(AbsolutePath().convert(odd, None, None)).endswith(b"/caf\xe9")


def test_links_on_the_way_are_followed(tmp_path: Path) -> None:
    (tmp_path / "real" / "inner").mkdir(parents=True)
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "real" / "other").symlink_to("inner")
    given, real = str(tmp_path / "link" / "other"), str(tmp_path / "real")
    assert AbsolutePath().convert(given, None, None) == f"{real}/other"
    assert AbsolutePath(folder=True).convert(given, None, None) == f"{real}/inner"
    assert AbsolutePath(folder=True).convert("/", None, None) == "/"
    assert AbsolutePath().convert("/", None, None) == "/"


def test_the_fields_of_a_request_say_what_they_are() -> None:
    path, name, mode, _ = fields_of(AddLocation.operation)
    assert path.role is Role.PATH
    assert path.required
    assert path.takes_sd_path
    assert isinstance(parameter(name), click.Option)
    assert isinstance(parameter(mode).type, Choice)
    location = fields_of(UpdateLocation.operation)[0]
    assert location.role is Role.LOCATION


def test_an_optional_flag_has_three_values() -> None:
    hidden = next(f for f in fields_of(ListDirectory.operation) if f.name == "include_hidden")
    option = parameter(hidden)
    assert option.opts == ["--include-hidden"]
    assert option.secondary_opts == ["--no-include-hidden"]
    assert option.default is None


def test_a_flag_that_says_no_is_undone_by_its_opposite() -> None:
    git = next(f for f in fields_of(UpdateLibraryConfig.operation) if f.name == "no_git")
    assert (parameter(git).opts, parameter(git).secondary_opts) == (["--no-git"], ["--git"])


def test_the_library_of_a_request_is_a_global_option() -> None:
    names = [field.name for field in fields_of(StartIndexing.operation)]
    assert "library_id" not in names


def test_volumes_are_filtered_by_a_word() -> None:
    (option,) = [parameter(field) for field in fields_of(ListVolumes.operation)]
    assert option.opts == ["--filter"]


@pytest.mark.parametrize(
    ("word", "size"), [("1500", 1500), ("10K", 10240), ("1.5g", 3 << 29), ("2MiB", 2 << 20)]
)
def test_sizes_have_units(word: str, size: int) -> None:
    assert Bytes().convert(word, None, None) == size


def test_times_are_days_or_how_long_ago() -> None:
    assert Moment().convert("2025-01-31T12:00Z", None, None) == datetime(
        2025, 1, 31, 12, tzinfo=UTC
    )
    before = datetime.now(UTC)
    then = Moment().convert("2w", None, None)
    assert before <= then + timedelta(days=14) <= datetime.now(UTC)


@pytest.mark.parametrize("kind", [Bytes(), Moment(), Json()])
def test_what_cannot_be_read_is_a_wrong_command_line(kind: click.ParamType) -> None:
    with pytest.raises(click.BadParameter):
        kind.convert("{nonsense", None, None)


THINGS = [Named(A, ("Pictures", "/home/me/Pictures")), Named(B, ("Documents", "/home/me/docs"))]
ABSENT = LocationNotFound(location="?")


@pytest.mark.parametrize("word", ["Pictures", "pictures", "/home/me/Pictures", "a000", str(A)[:9]])
def test_a_thing_is_meant_by_name_path_or_the_beginning_of_its_id(word: str) -> None:
    assert choose(word, THINGS, "locations", ABSENT) == A


def test_what_nothing_is_called_is_not_found() -> None:
    with pytest.raises(LocationNotFound):
        choose("a", THINGS, "locations", ABSENT)


def test_what_two_are_called_needs_an_id() -> None:
    twins = [Named(A, ("x",)), Named(B, ("x",))]
    with pytest.raises(
        click.UsageError, match=r"2 locations are called 'x', say which:\0a0000000\0b0000000"
    ):
        choose("x", twins, "locations", ABSENT)
