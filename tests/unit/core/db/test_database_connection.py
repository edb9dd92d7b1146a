"""Opening databases: what is set, and what each thing that can be wrong is called."""

from __future__ import annotations

import os
import sqlite3
import subprocess

import pytest

from sd_daemon.core.db.connection import (
    DatabaseBusy,
    DatabaseDamaged,
    DatabaseFull,
    DatabaseMissing,
    DatabaseReadOnly,
    failures,
    open_reader,
    open_writer,
    transaction,
)


@pytest.fixture
def path(tmp_path):
    path = str(tmp_path / "a #1? 100%.db")
    db = open_writer(path, create=True)
    db.execute("CREATE TABLE t (x)")
    db.close()
    return path


def pragma(db, name):
    return db.execute(f"PRAGMA {name}").fetchone()[0]


def test_a_new_database(path):
    db = open_writer(path)
    assert pragma(db, "journal_mode") == "wal"
    assert pragma(db, "page_size") == 8192
    assert pragma(db, "synchronous") == 1
    assert pragma(db, "busy_timeout") == 5000
    db.close()


def test_a_name_that_is_not_utf8(tmp_path):
    path = os.fsencode(tmp_path) + b"/\xff.db"
    open_writer(path, create=True).close()
    assert os.path.exists(path)
    open_reader(path).close()


def test_a_reader_cannot_write(path):
    db = open_reader(path)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        db.execute("INSERT INTO t VALUES (1)")
    db.close()


@pytest.mark.parametrize("opening", [open_reader, open_writer])
def test_missing(tmp_path, opening):
    with pytest.raises(DatabaseMissing) as caught:
        opening(str(tmp_path / "none.db"))
    assert caught.value.path.endswith("none.db")
    assert not (tmp_path / "none.db").exists()


@pytest.mark.parametrize("opening", [open_reader, open_writer])
def test_not_a_database(tmp_path, opening):
    (tmp_path / "x.db").write_bytes(b"something else entirely" * 1000)
    with pytest.raises(DatabaseDamaged):
        opening(str(tmp_path / "x.db"))


def test_damaged_inside(path):
    db = open_writer(path)
    with transaction(db):
        db.executemany("INSERT INTO t VALUES (?)", [("x" * 100,)] * 10_000)
    db.close()
    with open(path, "r+b") as file:
        for page in range(2, 60):
            file.seek(page * 8192)
            file.write(b"\xa5" * 8192)
    db = open_reader(path)
    with pytest.raises(DatabaseDamaged), failures(path):
        db.execute("SELECT count(*) FROM t WHERE x LIKE '%y%'").fetchone()
    db.close()


def test_full(path):
    db = open_writer(path)
    db.execute("PRAGMA max_page_count=20")
    with pytest.raises(DatabaseFull), failures(path), transaction(db):
        db.executemany("INSERT INTO t VALUES (?)", [("x" * 100,)] * 10_000)
    assert not db.in_transaction
    assert db.execute("SELECT count(*) FROM t").fetchone() == (0,)
    db.close()


def test_a_full_disk(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting is not possible here")
    try:
        db = open_writer(str(disk / "x.db"), create=True)
        db.execute("CREATE TABLE t (x)")
        with pytest.raises(DatabaseFull), failures(b"x.db"), transaction(db):
            db.executemany("INSERT INTO t VALUES (?)", [("x" * 1000,)] * 5000)
        assert not db.in_transaction
        assert db.execute("SELECT count(*) FROM t").fetchone() == (0,)
        db.close()
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_read_only(path):
    db = open_writer(path)
    db.execute("PRAGMA query_only=ON")
    with pytest.raises(DatabaseReadOnly), failures(path):
        db.execute("INSERT INTO t VALUES (1)")
    db.close()


def test_busy(path, monkeypatch):
    monkeypatch.setattr("sd_daemon.core.db.connection.BUSY_TIMEOUT_S", 0.05)
    one, other = open_writer(path), open_writer(path)
    with (
        transaction(one),
        pytest.raises(DatabaseBusy),
        failures(path),
        transaction(other),
    ):
        pass
    one.close()
    other.close()


def test_a_transaction_is_all_or_nothing(path):
    db = open_writer(path)

    db.execute("CREATE UNIQUE INDEX once ON t (x)")
    with pytest.raises(sqlite3.IntegrityError), transaction(db):
        db.executemany("INSERT INTO t VALUES (?)", [(1,), (1,)])
    with transaction(db):
        db.execute("INSERT INTO t VALUES (2)")
    assert db.execute("SELECT x FROM t").fetchall() == [(2,)]
    db.close()


def test_other_errors_stay_what_they_are(path):
    db = open_writer(path)
    with pytest.raises(sqlite3.OperationalError, match="no such table"), failures(path):
        db.execute("SELECT * FROM nowhere")
    db.close()
