"""The index of one location as an SQL file, and back.

The file is for people as well: stock sqlite3 reads it into a database of its own. Reading it back
never executes anything: only lines of exactly the form that `run_export` writes are understood, and
the first one that is different refuses the whole file, as does a last line whose digest is not that
of all lines before it. One statement is one line; text with control characters is written as bytes.

Both run as jobs, because a location may have millions of entries.
"""

from __future__ import annotations

import os
import re
import sqlite3
import time
from types import NoneType
from typing import TYPE_CHECKING, Any, TextIO
from uuid import UUID

import msgspec

from sd_daemon.core import locations
from sd_daemon.core.db.connection import open_reader, open_writer, transaction
from sd_daemon.core.hashes import blake2b
from sd_daemon.core.index.alone import Alone
from sd_daemon.core.index.announcements import mark_all_known, note_anything
from sd_daemon.core.index.walk import CHARACTER_DEVICE, DIRECTORY, FILE, Subtree, exact, join, loose
from sd_daemon.core.jobs.params import path_of
from sd_daemon.core.paths import absolute, shown
from sd_daemon.core.storage import beside, storage_error
from sd_wire.errors import ImportInvalid, InvalidValue, PathDenied
from sd_wire.types.locations import IndexMode, JobPolicies

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sd_daemon.core.jobs.context import JobContext
    from sd_daemon.core.locations import StoredLocation

FORMAT = "-- spacedrive location export 1"
BATCH = 10_000  # rows between two reports
LINE_LIMIT = 1 << 20  # characters of a header

_SCHEMA = """\
CREATE TABLE entries (id INTEGER PRIMARY KEY, parent INTEGER, name, kind INTEGER, size INTEGER, \
mtime INTEGER, ctime INTEGER, inode INTEGER, content INTEGER);
CREATE TABLE folders (id INTEGER PRIMARY KEY, path, device INTEGER);
CREATE TABLE contents (id INTEGER PRIMARY KEY, kind INTEGER, mime TEXT, size INTEGER, \
integrity_hash TEXT, first_seen_at INTEGER, last_verified_at INTEGER);
"""
_FIXED_LINES = frozenset(["BEGIN;\n", "COMMIT;\n", *_SCHEMA.splitlines(keepends=True)])
_VALUE = re.compile(
    r"(?P<null>NULL)|(?P<int>-?\d{1,19})|CAST\(X'(?P<text_hex>[0-9A-F]*)' AS TEXT\)"
    r"|X'(?P<blob>[0-9A-F]*)'|'(?P<text>(?:[^'\n]|'')*)'"
)
_LINE = re.compile(r"INSERT INTO (entries|folders|contents) VALUES\((.*)\);\n")
_CONTROL = re.compile("[\x00-\x1f\x7f\x85\u2028\u2029]")


_TRAILER = "-- end "

# What each column may hold.
_Name = (str, bytes)
_Number = (int,)
_OptionalText = (str, NoneType)
_ROWS: dict[str, tuple[tuple[type, ...], ...]] = {
    "entries": (_Number, _Number, _Name, *[_Number] * 5, (int, NoneType)),
    "folders": (_Number, _Name, _Number),
    "contents": (_Number, _Number, _OptionalText, _Number, _OptionalText, _Number, _Number),
}


class Header(msgspec.Struct):
    """What the second line of an export says of it."""

    name: str
    path: str
    path_hex: str  # the exact bytes
    index_mode: IndexMode
    job_policies: JobPolicies
    root: int
    first_id: int
    last_id: int
    file_count: int
    directory_count: int
    total_size: int

    @property
    def folder(self) -> str:
        """The location's path, as os.fsdecode gives it."""
        return os.fsdecode(bytes.fromhex(self.path_hex))


def literal(value: str | bytes | int | None) -> str:
    """A value as SQL, on one line."""
    if value is None:
        return "NULL"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, bytes):
        return f"X'{value.hex().upper()}'"
    if _CONTROL.search(value):
        return f"CAST(X'{value.encode().hex().upper()}' AS TEXT)"
    doubled = value.replace("'", "''")
    return f"'{doubled}'"


def values(text: str) -> list[str | bytes | int | None] | None:
    """What `literal` wrote, separated by commas; None where it is anything else."""
    found: list[str | bytes | int | None] = []
    position = 0
    while match := _VALUE.match(text, position):
        try:
            found.append(_value(match))
        except ValueError:  # half a byte, or bytes that are not UTF-8
            return None
        position = match.end()
        if position == len(text):
            return found
        if text[position] != ",":
            return None
        position += 1
    return None


def _value(match: re.Match[str]) -> str | bytes | int | None:
    if match["null"]:
        return None
    if match["int"] is not None:
        number = int(match["int"])
        if not -(1 << 63) <= number < 1 << 63:
            raise ValueError("no column holds such a number")
        return number
    if match["blob"] is not None:
        return bytes.fromhex(match["blob"])
    if match["text_hex"] is not None:
        return bytes.fromhex(match["text_hex"]).decode()
    return match["text"].replace("''", "'")


def read_header(path: str) -> Header:
    """What an export is of. Raises ImportInvalid, OSError."""
    try:
        with open(path, encoding="utf-8", newline="\n") as file:
            first, second = file.readline(LINE_LIMIT), file.readline(LINE_LIMIT)
    except UnicodeDecodeError:
        raise ImportInvalid(path=shown(path), reason="it is not text") from None
    if first.rstrip("\n") != FORMAT:
        raise ImportInvalid(path=shown(path), reason="its first line is not that of an export")
    try:
        header = msgspec.json.decode(second.removeprefix("-- "), type=Header)
        clean = absolute(header.folder)
    except (msgspec.MsgspecError, ValueError, InvalidValue) as error:
        raise ImportInvalid(path=shown(path), reason=f"line 2: {error}") from error
    if clean != header.folder or not header.first_id <= header.root <= header.last_id:
        raise ImportInvalid(path=shown(path), reason="line 2 is not that of an export")
    return header


def require_replaceable(path: str) -> None:
    """Refuse to write an export in place of anything but an earlier one. Raises InvalidValue,
    PathDenied."""
    try:
        with open(path, "rb") as file:
            first = file.readline(len(FORMAT) + 1)
    except FileNotFoundError:
        return
    except IsADirectoryError:
        first = b""
    except OSError as error:
        raise PathDenied(path=shown(path), reason=error.strerror, user=os.geteuid()) from error
    if first.rstrip(b"\n") != FORMAT.encode():
        reason = f"{shown(path)} exists and is not an earlier export"
        raise InvalidValue(field="export_path", reason=reason, pointer="/payload/export_path")


class _Digested:
    """A text file whose lines are digested on their way."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._digest = blake2b(digest_size=32)

    def write(self, text: str) -> None:
        self._digest.update(text.encode())
        self._file.write(text)

    def lines(self) -> Iterator[str]:
        """The lines, digested when the next one is asked for."""
        for line in self._file:
            yield line
            self._digest.update(line.encode())

    def trailer(self) -> str:
        """The last line, for what has gone through so far."""
        return f"{_TRAILER}{self._digest.hexdigest()}\n"


# --- writing --------------------------------------------------------------------------------------


def run_export(params: dict[str, Any], context: JobContext) -> dict[str, Any]:
    """Write the location `params["location"]` into the file `params["target"]`, or leave that as it
    is. Raises LocationNotFound, DiskFull, StorageReadOnly."""
    target = path_of(params["target"])
    try:
        return _export(target, UUID(params["location"]), context, contents=params["contents"])
    except OSError as error:
        raise storage_error(shown(target), error) from error


def _export(target: str, uuid: UUID, context: JobContext, *, contents: bool) -> dict[str, Any]:
    partial = beside(target)
    db = open_reader(f"{context.library_dir}/library.db")
    try:
        db.execute("BEGIN")  # one state from the first row to the last
        location = locations.get(db, uuid)
        with open(partial, "x", encoding="utf-8", newline="\n") as file:
            digested = _Digested(file)
            counts = _write(db, location, digested, context, contents=contents)
            file.write(digested.trailer())
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, target)
    finally:
        db.close()
        if os.path.lexists(partial):
            os.unlink(partial)
    return {**counts, "file_size_bytes": os.path.getsize(target)}


def _write(
    db: sqlite3.Connection,
    location: StoredLocation,
    file: _Digested,
    context: JobContext,
    *,
    contents: bool,
) -> dict[str, int]:
    below = Subtree(location.path)
    inside = (
        f"(SELECT id FROM folders WHERE {below.where('path')})"  # the parents of all but the root
    )
    scope = f"(parent IN {inside} OR id = ?)"
    params = (*below.params, location.entry)
    first, last = db.execute(
        f"SELECT min(id), max(id) FROM entries WHERE {scope}", params
    ).fetchone()
    header = Header(
        location.name,
        shown(location.path),
        os.fsencode(location.path).hex(),
        location.index_mode,
        location.job_policies,
        location.entry,
        first,
        last,
        location.file_count,
        location.directory_count,
        location.total_size,
    )
    file.write(f"{FORMAT}\n-- {msgspec.json.encode(header).decode()}\n{_SCHEMA}BEGIN;\n")
    counts = {"entries": 0, "content_identities": 0}
    rows = db.execute(
        "SELECT id, parent, name, kind, size, mtime, ctime, inode, content FROM entries"
        f" WHERE {scope}",
        params,
    )
    for row in _reported(rows, context):
        file.write(_statement("entries", row if contents else (*row[:8], None)))
        counts["entries"] += 1
    rows = db.execute(
        f"SELECT id, path, device FROM folders WHERE {below.where('path')}", below.params
    )
    for row in rows:
        file.write(_statement("folders", row))
    if contents:
        rows = db.execute(
            "SELECT id, kind, mime, size, integrity_hash, first_seen_at, last_verified_at"
            f" FROM contents WHERE id IN (SELECT content FROM entries WHERE {scope})",
            params,
        )
        for row in rows:
            file.write(_statement("contents", row))
            counts["content_identities"] += 1
    file.write("COMMIT;\n")
    return counts


def _reported(rows: sqlite3.Cursor, context: JobContext) -> Iterator[tuple[Any, ...]]:
    done = 0
    while batch := rows.fetchmany(BATCH):
        yield from batch
        done += len(batch)
        context.progress("Exporting", done, message=f"{done:,} entries")
        context.safe_point()


def _statement(table: str, row: tuple[Any, ...]) -> str:
    return f"INSERT INTO {table} VALUES({','.join(map(literal, row))});\n"


# --- reading --------------------------------------------------------------------------------------


def run_import(params: dict[str, Any], context: JobContext) -> dict[str, Any]:
    """Read the file `params["source"]` as the new location `params["location"]`, in one
    transaction. Run again after it was done it does nothing.

    Raises ImportInvalid; nothing is changed then.
    """
    source, uuid = path_of(params["source"]), UUID(params["location"])
    header = read_header(source)
    with Alone(context):
        db = open_writer(f"{context.library_dir}/library.db")
        try:
            with transaction(db):
                counts = _import(db, source, header, params["name"], uuid, context)
                note_anything(db)
                mark_all_known(db)
                return counts
        except (sqlite3.IntegrityError, sqlite3.DataError, OverflowError) as error:
            reason = f"its rows contradict each other or the library: {error}"
            raise ImportInvalid(path=shown(source), reason=reason) from error
        except UnicodeDecodeError:
            raise ImportInvalid(path=shown(source), reason="it is not text") from None
        finally:
            db.close()


def _import(
    db: sqlite3.Connection,
    source: str,
    header: Header,
    name: str | None,
    uuid: UUID,
    context: JobContext,
) -> dict[str, Any]:
    if db.execute("SELECT 1 FROM locations WHERE uuid = ?", (uuid.bytes,)).fetchone():
        return {"entries": 0, "content_identities": 0}
    below = Subtree(header.folder)
    query = f"SELECT 1 FROM folders WHERE {below.where('path')} LIMIT 1"
    if db.execute(query, below.params).fetchone():
        reason = f"{shown(header.folder)}, or something in it, is in the index already"
        raise ImportInvalid(path=shown(source), reason=reason)
    shift = _next_id(db) - header.first_id
    reading = _Reading(db, source, header, shift)
    counts = reading.run(context)
    _store_location(db, header, name, shift, uuid)
    _refuse_unless_a_tree(db, source, header, header.first_id + shift)
    return counts


def _next_id(db: sqlite3.Connection) -> int:
    """An id that no entry has or has had."""
    found = db.execute("SELECT max(seq) FROM sqlite_sequence WHERE name = 'entries'").fetchone()[0]
    return int(found or 0) + 1


class _Reading:
    """The lines of one file on their way into the database."""

    def __init__(self, db: sqlite3.Connection, source: str, header: Header, shift: int) -> None:
        self._db = db
        self._source = source
        self._header = header
        self._shift = shift
        self._counts = {"entries": 0, "folders": 0, "contents": 0}

    def run(self, context: JobContext) -> dict[str, Any]:
        """Insert every row; how many there were."""
        complete = False
        with open(self._source, encoding="utf-8", newline="\n") as file:
            digested = _Digested(file)
            for number, line in enumerate(digested.lines(), 1):
                if complete:
                    raise self._wrong(number)
                if line.startswith(_TRAILER):
                    complete = line == digested.trailer()
                    if not complete:
                        raise self._refusal("it was changed since it was written")
                elif number > 2 and line not in _FIXED_LINES:
                    self._insert(number, line)
                if number % BATCH == 0:
                    context.progress("Importing", number, message=f"line {number:,}")
                    context.safe_point()
        if not complete:
            raise self._refusal("its end is missing")
        counts = self._counts
        return {"entries": counts["entries"], "content_identities": counts["contents"]}

    def _refusal(self, reason: str) -> ImportInvalid:
        return ImportInvalid(path=shown(self._source), reason=reason)

    def _wrong(self, number: int) -> ImportInvalid:
        return self._refusal(f"line {number} is not one of an export")

    def _insert(self, number: int, line: str) -> None:
        match = _LINE.fullmatch(line)
        found = values(match[2]) if match else None
        if match is None or found is None:
            raise self._wrong(number)
        table, row = match[1], found
        shape = _ROWS[table]
        if len(row) != len(shape) or not all(map(isinstance, row, shape)):
            raise self._wrong(number)
        self._counts[table] += 1
        if table == "contents":
            self._db.execute("INSERT OR IGNORE INTO contents VALUES (?,?,?,?,?,?,?)", row)
        elif table == "entries":
            self._insert_entry(number, row)
        else:  # never read here: the next scan looks at every folder
            self._move(number, row, 0)
            self._db.execute(
                "INSERT INTO folders (id, path, device, mtime, ctime, inode, scan)"
                " VALUES (?,?,?,0,0,0,-1)",
                row,
            )

    def _insert_entry(self, number: int, row: list[Any]) -> None:
        if not FILE <= row[3] <= CHARACTER_DEVICE:
            raise self._wrong(number)
        if row[0] == self._header.root:
            row[1:3] = [0, exact(self._header.folder)]
        else:
            self._move(number, row, 1)
            if os.fsencode(loose(row[2])) in (b"", b".", b"..") or "/" in loose(row[2]):
                raise self._wrong(number)
        self._move(number, row, 0)
        self._db.execute(
            "INSERT INTO entries (id, parent, name, kind, size, mtime, ctime, inode, content)"
            " VALUES (?,?,?,?,?,?,?,?,?)",
            row,
        )

    def _move(self, number: int, row: list[Any], column: int) -> None:
        """Give the id in a column the number it has in this library."""
        if not self._header.first_id <= row[column] <= self._header.last_id:
            raise self._wrong(number)
        row[column] += self._shift


def _refuse_unless_a_tree(db: sqlite3.Connection, source: str, header: Header, first: int) -> None:
    """Every folder lies where its path says, and every other entry lies in a folder."""
    where = "FROM entries e LEFT JOIN folders p ON p.id = e.parent"
    orphan = db.execute(
        f"SELECT 1 {where} WHERE e.id >= ? AND e.parent <> 0 AND p.id IS NULL LIMIT 1", (first,)
    ).fetchone()
    unlike = db.execute(
        "SELECT 1 FROM entries e LEFT JOIN folders f ON f.id = e.id WHERE e.id >= ?"
        " AND (e.kind = ?) <> (f.id IS NOT NULL) LIMIT 1",
        (first, DIRECTORY),
    ).fetchone()
    rows = db.execute(
        f"SELECT f.path, e.name, p.path {where} JOIN folders f ON f.id = e.id WHERE e.id >= ?"
        " AND e.parent <> 0",
        (first,),
    )
    misplaced = any(loose(path) != join(loose(above), loose(name)) for path, name, above in rows)
    unknown = db.execute(
        "SELECT 1 FROM entries e LEFT JOIN contents c ON c.id = e.content WHERE e.id >= ?"
        " AND e.content IS NOT NULL AND c.id IS NULL LIMIT 1",
        (first,),
    ).fetchone()
    root = db.execute(
        "SELECT 1 FROM folders WHERE id >= ? AND path = ?", (first, exact(header.folder))
    ).fetchone()
    if orphan or unlike or misplaced or unknown or not root:
        reason = "its entries do not form one tree of folders"
        raise ImportInvalid(path=shown(source), reason=reason)


def _store_location(
    db: sqlite3.Connection, header: Header, name: str | None, shift: int, uuid: UUID
) -> None:
    now = time.time_ns()
    db.execute(
        "INSERT INTO locations (uuid, name, path, entry, index_mode, scan_state, job_policies,"
        " created_at, updated_at, file_count, directory_count, total_size)"
        " VALUES (?, ?, ?, ?, ?, 'Idle', ?, ?, ?, ?, ?, ?)",
        (
            uuid.bytes,
            name or header.name,
            exact(header.folder),
            header.root + shift,
            str(header.index_mode),
            msgspec.json.encode(header.job_policies).decode(),
            now,
            now,
            header.file_count,
            header.directory_count,
            header.total_size,
        ),
    )
