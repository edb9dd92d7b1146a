"""Ids, small files, the device: what everything else stands on."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as some

from sd_daemon.core import json_file
from sd_daemon.core.device import describe, load_identity, slug_of
from sd_daemon.core.ids import EntryIds

if TYPE_CHECKING:
    from pathlib import Path

NUMBERS = some.integers(0, (1 << 62) - 1)


@given(some.uuids(), NUMBERS)
def test_an_entry_id_leads_back_to_its_number(library: UUID, number: int) -> None:
    ids = EntryIds(library)
    uuid = ids.to_uuid(number)
    assert ids.to_number(uuid) == number
    assert uuid.version == 8
    assert uuid.variant == "specified in RFC 4122"


@given(some.uuids(), some.uuids(), NUMBERS)
def test_the_id_of_another_library_is_not_understood(one: UUID, other: UUID, number: int) -> None:
    if one != other:
        assert EntryIds(one).to_number(EntryIds(other).to_uuid(number)) is None


@given(some.uuids())
def test_any_other_uuid_is_no_entry(uuid: UUID) -> None:
    number = EntryIds(UUID(int=7)).to_number(uuid)
    assert number is None or EntryIds(UUID(int=7)).to_uuid(number) == uuid


# --- small JSON files ----------------------------------------------------------------------------


class Shape(msgspec.Struct):
    name: str
    count: int = 0


def test_what_is_stored_is_what_is_loaded(tmp_path: Path) -> None:
    path = str(tmp_path / "some.json")
    json_file.store(path, Shape("Überblick", 3))
    assert json_file.load(path, Shape) == Shape("Überblick", 3)
    assert os.listdir(tmp_path) == ["some.json"]
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600  # nobody else's business


def test_a_file_that_cannot_be_replaced_keeps_its_content(tmp_path: Path) -> None:
    """The new content is written beside the old one; only a whole one takes its place."""
    path = tmp_path / "some.json"
    json_file.store(str(path), Shape("old"))
    (tmp_path / "some.json.new").mkdir()  # in the way of writing
    with pytest.raises(OSError, match="directory"):
        json_file.store(str(path), Shape("new"))
    assert json_file.load(str(path), Shape) == Shape("old")


def test_what_an_interrupted_write_left_is_written_over(tmp_path: Path) -> None:
    path = tmp_path / "some.json"
    (tmp_path / "some.json.new").write_text("half of someth")
    json_file.store(str(path), Shape("whole"))
    assert json_file.load(str(path), Shape) == Shape("whole")


def test_a_damaged_file_names_what_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "some.json"
    path.write_text('{"name": 7}')
    with pytest.raises(msgspec.ValidationError, match=r"\$\.name"):
        json_file.load(str(path), Shape)


# --- the device ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Anna's Laptop", "anna-s-laptop"),
        ("host.example.org", "host-example-org"),
        ("--x--", "x"),
        ("Zoë", "zoë"),
        ("", "device"),
        ("...", "device"),
    ],
)
def test_a_slug_can_stand_in_a_path(name: str, slug: str) -> None:
    assert slug_of(name) == slug


@given(some.text())
def test_a_slug_is_never_empty_and_has_no_separators(name: str) -> None:
    slug = slug_of(name)
    assert slug
    assert not set(slug) & set("/ \n\0:")


def test_a_device_stays_itself(tmp_path: Path) -> None:
    path = str(tmp_path / "device.json")
    first = load_identity(path)
    assert load_identity(path) == first


def test_a_device_describes_itself(tmp_path: Path) -> None:
    device = describe(load_identity(str(tmp_path / "device.json")))
    assert device.cpu_cores_logical == os.cpu_count()
    assert device.memory_total_bytes is None or device.memory_total_bytes > 1 << 20
