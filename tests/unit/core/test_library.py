"""A library on the disk: made, locked, refused."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from sd_daemon.core.core import Core
from sd_daemon.core.library import Library, create_folder, read_config
from sd_wire.errors import (
    InvalidValue,
    LibraryCopyOpen,
    LibraryDamaged,
    LibraryExists,
    LibraryLocked,
    LibraryNotFound,
    LibraryTooNew,
    NotADirectory,
    NotALibrary,
    SdError,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


def make(tmp_path: Path, name: str = "Home") -> str:
    path = str(tmp_path / f"{name}.sdlibrary")
    create_folder(path, name)
    return path


def test_a_library_is_a_folder_that_stock_sqlite_reads(tmp_path: Path) -> None:
    path = make(tmp_path)
    Library.open(path, "here").close()
    assert sorted(os.listdir(path)) == [
        *("jobs.db", "library.db", "library.json", "library.lock", "logs"),
        *("operations.db", "sidecars"),
    ]
    with sqlite3.connect(f"{path}/library.db") as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert db.execute("SELECT count(*) FROM entries").fetchone() == (0,)
    db.close()


def test_a_library_is_open_once(tmp_path: Path) -> None:
    path = make(tmp_path)
    library = Library.open(path, "here")
    with pytest.raises(
        LibraryLocked, match=f"in use by another daemon \\(process {os.getpid()}\\)"
    ):
        Library.open(path, "here")
    library.close()
    Library.open(path, "here").close()


def test_what_failed_to_open_is_not_locked(tmp_path: Path) -> None:
    path = make(tmp_path)
    Path(path, "library.db").write_bytes(b"this is no database, and never was one" * 100)
    for _ in range(2):
        with pytest.raises(LibraryDamaged, match="file is not a database"):
            Library.open(path, "here")
    assert Path(path, "library.db").read_bytes().startswith(b"this is no database")


def test_a_newer_schema_is_left_alone(tmp_path: Path) -> None:
    path = make(tmp_path)
    Library.open(path, "here").close()
    with sqlite3.connect(f"{path}/library.db") as db:
        db.execute("PRAGMA user_version=999")
    db.close()
    with pytest.raises(LibraryTooNew, match=r"schema 999, this one knows \d+"):
        Library.open(path, "here")


def test_a_newer_format_is_left_alone(tmp_path: Path) -> None:
    path = make(tmp_path)
    config = Path(path, "library.json")
    config.write_text(config.read_text().replace('"version": 1', '"version": 2'))
    with pytest.raises(LibraryTooNew):
        read_config(path)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, r"there is no library\.json in it"),
        (b"", r"library\.json is damaged"),
        (b'{"id": 3}', r"Expected `uuid`, got `int` - at `\$\.id`"),
        (b'{"name": "\xff"}', r"library\.json is damaged"),
    ],
)
def test_what_is_not_a_library_is_said_with_the_reason(
    tmp_path: Path, content: bytes | None, sentence: str
) -> None:
    if content is not None:
        (tmp_path / "library.json").write_bytes(content)
    with pytest.raises(NotALibrary, match=sentence):
        read_config(str(tmp_path))


def test_a_file_and_nothing_at_all_are_not_libraries(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name in ("file", "nothing"):
        with pytest.raises(NotALibrary):
            read_config(str(tmp_path / name))


# --- by name -------------------------------------------------------------------------------------


@pytest.fixture
async def core(tmp_path: Path) -> AsyncIterator[Core]:
    core = await Core.open(str(tmp_path / "data"))
    yield core
    await core.close()


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("Home", "Home"),
        ("  Home  ", "Home"),
        ("a/b", "a_b"),
        ("/", "_"),
        (".hidden", "hidden"),
        ("..x", "x"),
        ("Fotos 📷 – Söhne", "Fotos 📷 – Söhne"),
        ("C:\\x?*", "C:\\x?*"),
        ("x" * 255, "x" * 200),
        ("é" * 255, "é" * 100),
        ("📷" * 51 + "x", "📷" * 50),
    ],
)
async def test_any_name_that_a_person_gives_makes_a_folder(
    core: Core, name: str, folder: str
) -> None:
    library = await core.libraries.create(name, None, None)
    assert library.name == name.strip()
    assert os.path.basename(library.path) == f"{folder}.sdlibrary"
    assert os.path.dirname(library.path) == f"{core.data_dir}/libraries"


@pytest.mark.parametrize(
    "name", ["", "  ", ".", "..", " . ", "...", "a\nb", "\0", "a\u2028b", "\x7f"]
)
async def test_a_name_that_nobody_can_read_is_refused(core: Core, name: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        await core.libraries.create(name, None, None)
    assert refused.value.pointer == "/payload/name"
    assert os.listdir(f"{core.data_dir}/libraries") == []


async def test_two_libraries_cannot_have_one_folder(core: Core) -> None:
    await core.libraries.create("a/b", None, None)
    with pytest.raises(LibraryExists, match=r"a_b\.sdlibrary already exists"):
        await core.libraries.create("a_b", None, None)
    assert len(core.libraries.open_libraries) == 1


async def test_a_library_may_be_elsewhere(core: Core, tmp_path: Path) -> None:
    library = await core.libraries.create("Away", str(tmp_path / "disk/deep"), None)
    assert library.path == str(tmp_path / "disk/deep/Away.sdlibrary")
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectory):
        await core.libraries.create("Away", str(tmp_path / "file"), None)
    with pytest.raises(InvalidValue, match="absolute"):
        await core.libraries.create("Away", "here", None)


async def test_a_rename_changes_the_name_and_not_the_folder(core: Core) -> None:
    library = await core.libraries.create("Old", None, None)
    assert await core.libraries.rename(library.id, " New ") == "Old"
    assert library.name == "New"
    assert read_config(library.path).name == "New"
    assert library.path.endswith("/Old.sdlibrary")
    with pytest.raises(InvalidValue) as refused:
        await core.libraries.rename(library.id, " ")
    assert refused.value.pointer == "/payload/new_name"
    with pytest.raises(LibraryNotFound):
        await core.libraries.rename(uuid4(), "x")


async def test_changes_at_the_same_time_all_count(core: Core) -> None:
    library = await core.libraries.create("Home", None, None)

    def describe(config):
        config.description = "mine"
        return config

    await asyncio.gather(
        core.libraries.rename(library.id, "Other"),
        core.libraries.change_config(library, describe, ["description"], None),
    )
    stored = read_config(library.path)
    assert (stored.name, stored.description) == ("Other", "mine")


async def test_opening_again_is_no_mistake_and_a_copy_is_refused(
    core: Core, tmp_path: Path
) -> None:
    library = await core.libraries.create("Home", None, None)
    assert await core.libraries.open(library.path) is library
    (tmp_path / "link").symlink_to(library.path)
    assert await core.libraries.open(str(tmp_path / "link")) is library
    copy = tmp_path / "Copy.sdlibrary"
    copy.mkdir()
    (copy / "library.json").write_bytes(Path(library.path, "library.json").read_bytes())
    with pytest.raises(LibraryCopyOpen, match=r"is a copy of the library Home, which is open at /"):
        await core.libraries.open(str(copy))
    await core.libraries.close(library.id)
    assert (await core.libraries.open(str(copy))).id == library.id


async def test_what_was_closed_stays_closed_and_what_was_open_comes_back(tmp_path: Path) -> None:
    data = str(tmp_path / "data")
    core = await Core.open(data)
    await core.libraries.create("Open", None, None)
    closed = await core.libraries.create("Closed", None, None)
    await core.libraries.create("Away", str(tmp_path / "disk"), None)
    await core.libraries.close(closed.id)
    await core.close()
    again = await Core.open(data)
    names = {library.name for library in again.libraries.open_libraries.values()}
    assert names == {"Open", "Away"}
    assert (await again.libraries.open(closed.path)).name == "Closed"
    await again.close()


async def test_a_deleted_library_is_gone_with_its_folder_or_without(core: Core) -> None:
    kept = await core.libraries.create("Kept", None, None)
    gone = await core.libraries.create("Gone", None, None)
    await core.libraries.delete(kept.id, delete_data=False)
    await core.libraries.delete(gone.id, delete_data=True)
    assert os.listdir(f"{core.data_dir}/libraries") == ["Kept.sdlibrary"]
    assert core.libraries.open_libraries == {}
    with pytest.raises(LibraryNotFound):
        await core.libraries.delete(gone.id, delete_data=True)


async def test_a_library_whose_folder_somebody_removed_can_be_deleted(core: Core) -> None:
    library = await core.libraries.create("Home", None, None)
    os.rename(library.path, f"{library.path}.elsewhere")
    await core.libraries.delete(library.id, delete_data=True)
    assert core.libraries.open_libraries == {}


@pytest.mark.parametrize("file", ["library.db", "jobs.db", "library.json"])
async def test_a_damaged_library_does_not_keep_the_others_shut(tmp_path: Path, file: str) -> None:
    data = str(tmp_path / "data")
    core = await Core.open(data)
    damaged = (await core.libraries.create("Damaged", None, None)).path
    await core.libraries.create("Whole", None, None)
    await core.close()
    garbage = b"\0garbage\xff" * 1000
    Path(damaged, file).write_bytes(garbage)
    again = await Core.open(data)
    assert [library.name for library in again.libraries.open_libraries.values()] == ["Whole"]
    (problem,) = again.problems
    assert damaged in problem
    with pytest.raises(SdError):
        await again.libraries.open(damaged)
    assert Path(damaged, file).read_bytes() == garbage
    await again.close()


async def test_what_could_not_be_opened_is_not_left_locked(tmp_path: Path) -> None:
    data = str(tmp_path / "data")
    core = await Core.open(data)
    path = (await core.libraries.create("Home", None, None)).path
    await core.close()
    with sqlite3.connect(f"{path}/jobs.db") as db:
        db.execute(
            "INSERT INTO jobs (id, name, status, params, created_at)"
            " VALUES ('no uuid', 'indexer', 'queued', '{}', 0)"
        )
    again = await Core.open(data)
    for _ in range(2):
        with pytest.raises(LibraryDamaged, match="a job in it cannot be read"):
            await again.libraries.open(path)
    with db:
        db.execute("DELETE FROM jobs")
    db.close()
    assert (await again.libraries.open(path)).name == "Home"
    assert again.problems == []
    await again.close()


async def test_a_damaged_list_of_libraries_is_put_aside(tmp_path: Path) -> None:
    data = tmp_path / "data"
    core = await Core.open(str(data))
    await core.libraries.create("Home", None, None)
    await core.close()
    (data / "libraries.json").write_bytes(b"\xff{")
    again = await Core.open(str(data))
    assert len(again.libraries.open_libraries) == 1
    assert (data / "libraries.json.damaged").read_bytes() == b"\xff{"
    await again.close()


async def test_what_is_asked_of_a_library_while_it_closes_is_answered(core: Core) -> None:
    library = await core.libraries.create("Home", None, None)
    slow = asyncio.create_task(
        library.database.read(
            lambda db: db.execute(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 30000000)"
                " SELECT count(*) FROM n"
            ).fetchone()
        )
    )
    await library.database.read(lambda db: db.execute("SELECT 1").fetchone())
    await core.libraries.close(library.id)
    with pytest.raises(LibraryNotFound):
        await slow
