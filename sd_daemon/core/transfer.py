"""The index of one location as an SQL file, and back.

The file is for people as well: stock sqlite3 reads it into a database of its own. Reading it back
never executes anything: only lines of exactly the form that `run_export` writes are understood, and
the first one that is different refuses the whole file. One statement is one line; text with control
characters is written as bytes.

Both run as jobs, because a location may have millions of entries.
"""

from __future__ import annotations

import os
import re
import time
from typing import TYPE_CHECKING, Any, TextIO
from uuid import UUID, uuid4

import msgspec

from sd_daemon.core import locations
from sd_daemon.core.db.connection import open_reader, open_writer, transaction
from sd_daemon.core.index.alone import Alone
from sd_daemon.core.index.walk import Subtree, exact, loose
from sd_daemon.core.paths import shown
from sd_wire.errors import ImportInvalid, LocationExists
from sd_wire.types.locations import IndexMode, JobPolicies

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from sd_daemon.core.jobs.context import JobContext
    from sd_daemon.core.locations import StoredLocation

FORMAT = "-- spacedrive location export 1"
BATCH = 10_000  # rows between two reports

_SCHEMA = """\
CREATE TABLE entries (id INTEGER PRIMARY KEY, parent INTEGER, name, kind INTEGER, size INTEGER, \
mtime INTEGER, ctime INTEGER, inode INTEGER, content INTEGER);
CREATE TABLE folders (id INTEGER PRIMARY KEY, path, device INTEGER);
CREATE TABLE contents (id INTEGER PRIMARY KEY, kind INTEGER, mime TEXT, size INTEGER, \
integrity_hash TEXT, first_seen_at INTEGER, last_verified_at INTEGER);
"""
_SCHEMA_LINES = frozenset(_SCHEMA.splitlines(keepends=True))
_TABLES = {"entries": 9, "folders": 3, "contents": 7}
_VALUE = re.compile(
    r"(?P<null>NULL)|(?P<int>-?\d{1,19})|CAST\(X'(?P<text_hex>[0-9A-F]*)' AS TEXT\)"
    r"|X'(?P<blob>[0-9A-F]*)'|'(?P<text>(?:[^'\n]|'')*)'"
)
_LINE = re.compile(r"INSERT INTO (entries|folders|contents) VALUES\((.*)\);\n")
_CONTROL = re.compile("[\x00-\x1f\x7f\x85\u2028\u2029]")


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
        if match["null"]:
            found.append(None)
        elif match["int"] is not None:
            found.append(int(match["int"]))
        elif match["blob"] is not None:
            found.append(bytes.fromhex(match["blob"]))
        elif match["text_hex"] is not None:
            found.append(bytes.fromhex(match["text_hex"]).decode())
        else:
            found.append(match["text"].replace("''", "'"))
        position = match.end()
        if position == len(text):
            return found
        if text[position] != ",":
            return None
        position += 1
    return None


def read_header(path: str) -> Header:
    """What an export is of. Raises ImportInvalid, OSError."""
    try:
        with open(path, encoding="utf-8", newline="\n") as file:
            first, second = file.readline(), file.readline()
    except UnicodeDecodeError:
        raise ImportInvalid(path=path, reason="it is not text") from None
    if first.rstrip("\n") != FORMAT:
        raise ImportInvalid(path=path, reason="its first line is not that of an export")
    try:
        return msgspec.json.decode(second.removeprefix("-- "), type=Header)
    except msgspec.MsgspecError as error:
        raise ImportInvalid(path=path, reason=f"line 2: {error}") from error


# --- writing --------------------------------------------------------------------------------------


def run_export(params: dict[str, Any], context: JobContext) -> dict[str, Any]:
    """Write the location `params["location"]` into the file `params["target"]`."""
    target = params["target"]
    partial = f"{target}.partial"
    db = open_reader(f"{context.library_dir}/library.db")
    try:
        db.execute("BEGIN")  # one state from the first row to the last
        location = locations.get(db, UUID(params["location"]))
        with open(partial, "w", encoding="utf-8", newline="\n") as file:
            counts = _write(db, location, file, context, contents=params["contents"])
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
    file: TextIO,
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
    """Read the file `params["source"]` as a new location, in one transaction.

    Raises ImportInvalid, LocationExists; nothing is changed then.
    """
    source = params["source"]
    header = read_header(source)
    with Alone(context):
        return _import(f"{context.library_dir}/library.db", source, header, params["name"], context)


def _import(
    database: str, source: str, header: Header, name: str | None, context: JobContext
) -> dict[str, Any]:
    path = os.fsdecode(bytes.fromhex(header.path_hex))
    db = open_writer(database)
    try:
        with transaction(db):
            if db.execute("SELECT 1 FROM folders WHERE path = ?", (exact(path),)).fetchone():
                raise LocationExists(path=shown(path), location="")
            shift = _next_id(db) - header.first_id
            counts = _read_rows(db, source, header, shift, context)
            uuid = _store_location(db, header, path, name, shift)
            _refuse_unless_a_tree(db, source, path, header.first_id + shift)
    finally:
        db.close()
    return {**counts, "location": str(uuid), "name": header.name}


def _next_id(db: sqlite3.Connection) -> int:
    """An id that no entry has or has had."""
    found = db.execute("SELECT max(seq) FROM sqlite_sequence WHERE name = 'entries'").fetchone()[0]
    return int(found or 0) + 1


def _read_rows(
    db: sqlite3.Connection, source: str, header: Header, shift: int, context: JobContext
) -> dict[str, int]:
    counts = {"entries": 0, "folders": 0, "contents": 0}
    with open(source, encoding="utf-8", newline="\n") as file:
        for number, line in enumerate(file, 1):
            if number <= 2 or line in ("BEGIN;\n", "COMMIT;\n") or line in _SCHEMA_LINES:
                continue
            match = _LINE.fullmatch(line)
            row = values(match[2]) if match else None
            if match is None or row is None or len(row) != _TABLES[match[1]]:
                raise ImportInvalid(path=source, reason=f"line {number} is not one of an export")
            _insert(db, match[1], row, header, shift, f"{source} line {number}")
            counts[match[1]] += 1
            if counts["entries"] % BATCH == 0:
                context.progress("Importing", counts["entries"], message=f"line {number:,}")
                context.safe_point()
    return {"entries": counts["entries"], "content_identities": counts["contents"]}


def _insert(
    db: sqlite3.Connection, table: str, row: list[Any], header: Header, shift: int, place: str
) -> None:
    if table == "contents":
        db.execute("INSERT OR IGNORE INTO contents VALUES (?,?,?,?,?,?,?)", row)
        return
    if not isinstance(row[0], int) or not header.first_id <= row[0] <= header.last_id:
        raise ImportInvalid(path=place, reason="an id is outside the range of the header")
    row[0] += shift
    if table == "entries":
        is_root = row[0] - shift == header.root
        row[1] = 0 if is_root else row[1] + shift
        if is_root:
            row[2] = exact(os.fsdecode(bytes.fromhex(header.path_hex)))
        db.execute(
            "INSERT INTO entries (id, parent, name, kind, size, mtime, ctime, inode, content)"
            " VALUES (?,?,?,?,?,?,?,?,?)",
            row,
        )
    else:  # never read here: the next scan looks at every folder
        db.execute(
            "INSERT INTO folders (id, path, device, mtime, ctime, inode, scan)"
            " VALUES (?,?,?,0,0,0,-1)",
            row,
        )


def _refuse_unless_a_tree(db: sqlite3.Connection, source: str, path: str, first: int) -> None:
    """Every entry needs its parent, and every folder has to lie where the location is."""
    orphan = db.execute(
        "SELECT 1 FROM entries e WHERE e.id >= ? AND e.parent <> 0"
        " AND NOT EXISTS (SELECT 1 FROM folders f WHERE f.id = e.parent) LIMIT 1",
        (first,),
    ).fetchone()
    below = Subtree(path)
    strays = [
        loose(row[0])
        for row in db.execute("SELECT path FROM folders WHERE id >= ?", (first,))
        if not below.contains(loose(row[0]))
    ]
    if orphan or strays:
        raise ImportInvalid(path=source, reason="its entries do not form one tree of folders")


def _store_location(
    db: sqlite3.Connection, header: Header, path: str, name: str | None, shift: int
) -> UUID:
    uuid, now = uuid4(), time.time_ns()
    db.execute(
        "INSERT INTO locations (uuid, name, path, entry, index_mode, scan_state, job_policies,"
        " created_at, updated_at, file_count, directory_count, total_size)"
        " VALUES (?, ?, ?, ?, ?, 'Idle', ?, ?, ?, ?, ?, ?)",
        (
            uuid.bytes,
            name or header.name,
            exact(path),
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
    return uuid
