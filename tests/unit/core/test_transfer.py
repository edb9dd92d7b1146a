"""The index of a location as a file, and back."""

from __future__ import annotations

import sqlite3
from hashlib import blake2b
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as some
from work import add, plant, run, tree

from sd_daemon.core import locations
from sd_daemon.core.core import Core
from sd_daemon.core.export import export_library
from sd_daemon.core.index.job_names import EXPORT, IMPORT, PURGE
from sd_daemon.core.indexing import purge_params
from sd_daemon.core.jobs.params import encoded_path
from sd_daemon.core.transfer import literal, read_header, require_replaceable, values
from sd_wire.errors import ImportInvalid, InvalidValue, LibraryExists
from sd_wire.types.jobs import JobStatus

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from sd_daemon.core.jobs.job import Job
    from sd_daemon.core.library import Library
    from sd_daemon.core.locations import StoredLocation

INTEGERS = some.integers(-(1 << 63), (1 << 63) - 1)
VALUES = some.none() | INTEGERS | some.binary(max_size=40) | some.text(max_size=40)


@given(some.lists(VALUES, min_size=1, max_size=9))
def test_any_row_comes_back_and_stays_on_its_line(row: list[Any]) -> None:
    text = ",".join(map(literal, row))
    assert values(text) == row
    assert text.splitlines() == [text]


@given(VALUES)
def test_sqlite_understands_a_literal_as_we_do(value: Any) -> None:
    db = sqlite3.connect(":memory:")
    assert db.execute(f"SELECT {literal(value)}").fetchone() == (value,)
    db.close()


@given(some.text(max_size=60))
def test_any_other_text_is_nothing_or_itself(text: str) -> None:
    row = values(text)
    assert row is None or values(",".join(map(literal, row))) == row


@pytest.mark.parametrize(
    "text",
    [
        *("", ",", "1,", ",1", "1 ", "(SELECT 1)", "1;DROP TABLE entries", "'open", "'a'b'", "1.5"),
        *("X'ABC'", "X'zz'", "x'00'", "CAST(X'FF' AS TEXT)", "9999999999999999999", "null", "''''"),
    ],
)
def test_what_we_did_not_write_is_not_understood(text: str) -> None:
    assert values(text) is None or text == "''''"


# --- a real location -----------------------------------------------------------------------------


@pytest.fixture
async def core(tmp_path: Path) -> AsyncIterator[Core]:
    core = await Core.open(str(tmp_path / "data"))
    yield core
    await core.close()


@pytest.fixture
async def library(core: Core) -> Library:
    return await core.libraries.create("Home", None, None)


@pytest.fixture
async def location(core: Core, library: Library, tmp_path: Path) -> StoredLocation:
    folder = tmp_path / "it's a 'tree'"
    folder.mkdir()
    plant(folder)
    return await add(core, library, str(folder))


async def exported(core: Core, library: Library, location: StoredLocation, target: Path) -> Job:
    params = {"location": str(location.uuid), "target": encoded_path(str(target)), "contents": True}
    return await run(core, library, EXPORT, params)


async def imported(core: Core, library: Library, source: Path) -> tuple[Job, Any]:
    uuid = uuid4()
    params = {"source": encoded_path(str(source)), "name": "Again", "location": str(uuid)}
    return await run(core, library, IMPORT, params), uuid


async def removed(core: Core, library: Library, location: StoredLocation) -> None:
    await library.database.write(locations.forget, location.uuid)
    job = await run(core, library, PURGE, purge_params(location))
    assert job.status is JobStatus.COMPLETED


async def test_an_export_that_is_imported_is_the_same_tree(
    core: Core, library: Library, location: StoredLocation, tmp_path: Path
) -> None:
    target = tmp_path / "location.sql"
    before = await tree(library, location)
    assert len(before) > 20
    job = await exported(core, library, location, target)
    assert job.status is JobStatus.COMPLETED, job.error
    assert job.output is not None
    assert job.output.data["entries"] == len(before)
    assert job.output.data["file_size_bytes"] == target.stat().st_size
    await removed(core, library, location)
    job, uuid = await imported(core, library, target)
    assert job.status is JobStatus.COMPLETED, job.error
    again = await library.database.read(locations.get, uuid)
    assert again.name == "Again"
    assert again.file_count == location.file_count
    assert await tree(library, again) == before
    assert {p.name for p in tmp_path.iterdir()} == {"data", "it's a 'tree'", "location.sql"}


async def test_an_import_goes_into_another_library_and_is_indexed_on(
    core: Core, library: Library, location: StoredLocation, tmp_path: Path
) -> None:
    await exported(core, library, location, tmp_path / "location.sql")
    other = await core.libraries.create("Other", None, None)
    _, uuid = await imported(core, other, tmp_path / "location.sql")
    there = await other.database.read(locations.get, uuid)
    assert await tree(other, there) == await tree(library, location)


async def test_stock_sqlite_reads_an_export(
    core: Core, library: Library, location: StoredLocation, tmp_path: Path
) -> None:
    target = tmp_path / "location.sql"
    await exported(core, library, location, target)
    db = sqlite3.connect(":memory:")
    db.executescript(target.read_text("utf-8"))
    entries = db.execute("SELECT count(*) FROM entries").fetchone()[0]
    assert entries == len(await tree(library, location))
    db.close()


async def test_an_import_that_is_run_again_after_it_was_done_does_nothing(
    core: Core, library: Library, location: StoredLocation, tmp_path: Path
) -> None:
    target = tmp_path / "location.sql"
    await exported(core, library, location, target)
    await removed(core, library, location)
    job, _ = await imported(core, library, target)
    again = await run(core, library, IMPORT, job.params)
    assert again.status is JobStatus.COMPLETED


async def refusal(core: Core, library: Library, source: Path) -> str:
    """Why a file is not imported; and nothing of it may be there afterwards."""
    count = "SELECT (SELECT count(*) FROM entries) + (SELECT count(*) FROM locations)"
    before = await library.database.read(lambda db: db.execute(count).fetchone())
    job, _ = await imported(core, library, source)
    assert job.status is JobStatus.FAILED
    assert job.error_code == "import-invalid"
    assert await library.database.read(lambda db: db.execute(count).fetchone()) == before
    assert job.error is not None
    return job.error


def signed(lines: list[str]) -> str:
    """Lines with the last one that fits to them, as only somebody who means harm would add."""
    text = "".join(lines)
    return f"{text}-- end {blake2b(text.encode(), digest_size=32).hexdigest()}\n"


async def test_a_file_that_was_altered_is_refused(
    core: Core, library: Library, location: StoredLocation, tmp_path: Path
) -> None:
    target = tmp_path / "location.sql"
    await exported(core, library, location, target)
    await removed(core, library, location)
    lines = target.read_text("utf-8").splitlines(keepends=True)
    entry = next(n for n, line in enumerate(lines) if "plain.txt" in line)
    altered = {
        "it was changed": [
            *lines[:entry],
            lines[entry].replace("plain", "other"),
            *lines[entry + 1 :],
        ],
        "its end is missing": lines[:-1],
        f"line {entry + 1} is not one": [*lines[:entry], "DROP TABLE entries;\n", *lines[entry:]],
        f"line {len(lines) + 1} is not one": [*lines, "SELECT 1;\n"],
        "its first line": ["-- something else\n", *lines[1:]],
        "line 2": [lines[0], "-- {}\n", *lines[2:]],
    }
    for sentence, content in altered.items():
        target.write_text("".join(content), "utf-8")
        assert sentence in await refusal(core, library, target)
    target.write_bytes("".join(lines).encode().replace(b"plain", b"pl\xffin"))
    assert "it is not text" in await refusal(core, library, target)


async def test_a_file_that_means_harm_changes_nothing(
    core: Core, library: Library, location: StoredLocation, tmp_path: Path
) -> None:
    """Even with a right last line: every row is looked at, and no SQL is ever executed."""
    target = tmp_path / "location.sql"
    await exported(core, library, location, target)
    await removed(core, library, location)
    lines = target.read_text("utf-8").splitlines(keepends=True)[:-1]
    folder = next(line for line in lines if line.startswith("INSERT INTO folders"))
    entry = next(line for line in lines if "plain.txt" in line)
    first, parent, *rest = entry.removeprefix("INSERT INTO entries VALUES(").split(",")
    start = "INSERT INTO entries VALUES("
    worse = {
        "a parent outside": f"{start}{first},1{parent}000,{','.join(rest)}",
        "a name that leads up": entry.replace("plain.txt", ".."),
        "a name with a slash": entry.replace("plain.txt", "../plain.txt"),
        "a kind that there is not": entry.replace("plain.txt',0", "plain.txt',9"),
        "a folder without a place": entry.replace("plain.txt',0", "plain.txt',1"),
        "a number as a name": entry.replace("'plain.txt'", "7"),
        "too few values": f"{start}{first},{parent});\n",
        "a statement behind": entry.replace(");\n", "); DROP TABLE entries;\n"),
        "its own parent": f"{start}{first},{first},{','.join(rest)}",
        "content that nobody has": entry.replace(");\n", "x").rpartition(",")[0] + ",12345);\n",
    }
    for what, line in worse.items():
        content = [line if one == entry else one for one in lines]
        assert content != lines, what
        target.write_text(signed(content), "utf-8")
        assert await refusal(core, library, target), what
    target.write_text(signed([*lines, folder]), "utf-8")
    assert "contradict" in await refusal(core, library, target)
    assert await library.database.read(lambda db: db.execute("PRAGMA integrity_check").fetchone())


async def test_what_is_indexed_already_is_not_imported_again(
    core: Core, library: Library, location: StoredLocation, tmp_path: Path
) -> None:
    target = tmp_path / "location.sql"
    await exported(core, library, location, target)
    assert "is in the index already" in await refusal(core, library, target)


def test_only_an_export_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("Dear Anna")
    for name in ("letter.txt", ""):
        with pytest.raises(InvalidValue, match="exists and is not an earlier export"):
            require_replaceable(str(tmp_path / name))
    require_replaceable(str(tmp_path / "new.sql"))


async def test_an_export_that_cannot_be_written_says_where(
    core: Core, library: Library, location: StoredLocation, tmp_path: Path
) -> None:
    job = await exported(core, library, location, tmp_path / "no/such/folder.sql")
    assert job.error_code == "storage-read-only"
    assert (
        job.error == f"{tmp_path}/no/such/folder.sql cannot be written: No such file or directory"
    )


@pytest.mark.parametrize("text", ["", "\n\n", "-- spacedrive location export 1\n", "\0\0"])
def test_a_header_that_is_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.sql"
    path.write_text(text)
    with pytest.raises(ImportInvalid, match="cannot be imported"):
        read_header(str(path))


# --- a whole library -----------------------------------------------------------------------------


async def test_an_exported_library_opens_and_has_everything(
    core: Core, library: Library, location: StoredLocation, tmp_path: Path
) -> None:
    target = str(tmp_path / "backups" / "Home.sdlibrary")
    files = export_library(library, target)
    assert files == ["jobs.db", "library.db", "library.json"]
    before = await tree(library, location)
    with pytest.raises(LibraryExists):
        export_library(library, target)
    await core.libraries.delete(library.id, delete_data=True)
    copy = await core.libraries.open(target)
    assert copy.id == library.id
    assert await tree(copy, location) == before
    assert [job.name for job in await copy.jobs.listed()] == ["indexer"]
