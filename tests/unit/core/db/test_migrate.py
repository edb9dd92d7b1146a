"""Migrations: in order, once, whole or not at all, with a copy of what was there."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys

import pytest

from sd_daemon.core.db import migrate as module
from sd_daemon.core.db.connection import SchemaTooNew, open_writer
from sd_daemon.core.db.migrate import Migration, known_migrations, migrate, statements

ONE = Migration(1, "one", "CREATE TABLE a (x); -- a comment; with a semicolon\nCREATE TABLE b (x);")
TWO = Migration(
    2,
    "two",
    "ALTER TABLE a ADD COLUMN y DEFAULT 'it''s; fine';\n"
    "CREATE TRIGGER t AFTER INSERT ON a BEGIN\n"
    "  INSERT INTO b VALUES (new.x);\n"
    "  SELECT 1;\n"
    "END;\n",
)
BROKEN = Migration(3, "broken", "CREATE TABLE c (x);\nSELECT * FROM nowhere;")


@pytest.fixture
def known(monkeypatch):
    """Set which migrations there are."""

    def use(*steps):
        monkeypatch.setattr(module, "known_migrations", lambda _: list(steps))

    return use


def tables(path):
    db = sqlite3.connect(path)
    rows = db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY 1").fetchall()
    db.close()
    return [row[0] for row in rows]


def test_the_library_schema(tmp_path):
    path = str(tmp_path / "library.db")
    newest = known_migrations("library")[-1].number
    assert migrate(path, "library") == newest
    assert migrate(path, "library") == newest
    assert {"entries", "folders", "locations", "scans", "vanished", "omissions"} < set(tables(path))
    assert os.listdir(tmp_path) == ["library.db"]


def test_a_backup_before_an_existing_database_changes(tmp_path, known):
    path = str(tmp_path / "x.db")
    known(ONE)
    assert migrate(path, "any") == 1
    db = open_writer(path)
    db.execute("INSERT INTO a VALUES (42)")
    db.close()
    known(ONE, TWO)
    assert migrate(path, "any") == 2
    assert sorted(os.listdir(tmp_path)) == ["x.db", "x.db.v1.backup"]
    copy = sqlite3.connect(path + ".v1.backup")
    assert copy.execute("SELECT * FROM a").fetchall() == [(42,)]
    assert copy.execute("PRAGMA user_version").fetchone() == (1,)
    copy.close()
    db = open_writer(path)
    assert db.execute("SELECT * FROM a").fetchall() == [(42, "it's; fine")]
    rows = db.execute("SELECT number, name FROM migrations").fetchall()
    assert rows == [(1, "one"), (2, "two")]
    db.execute("INSERT INTO a (x) VALUES (43)")
    assert db.execute("SELECT x FROM b").fetchall() == [(43,)]
    db.close()


def test_one_that_fails_leaves_nothing(tmp_path, known):
    path = str(tmp_path / "x.db")
    known(ONE, TWO, BROKEN)
    with pytest.raises(sqlite3.OperationalError):
        migrate(path, "any")
    assert "c" not in tables(path)
    db = open_writer(path)
    assert module.schema_number(db) == 2
    db.close()
    known(ONE, TWO, BROKEN._replace(sql="CREATE TABLE c (x);"))
    assert migrate(path, "any") == 3
    assert "c" in tables(path)


def test_a_newer_schema_is_refused(tmp_path, known):
    path = str(tmp_path / "x.db")
    known(ONE, TWO)
    migrate(path, "any")
    known(ONE)
    with pytest.raises(SchemaTooNew) as caught:
        migrate(path, "any")
    assert (caught.value.found, caught.value.known) == (2, 1)
    assert os.listdir(tmp_path) == ["x.db"]


KILLED = """
import os, signal, sqlite3, sys
sys.path.insert(0, {project!r})
from sd_daemon.core.db import migrate as module
steps = [module.Migration(n, str(n), f"CREATE TABLE t{{n}} (x);\\nINSERT INTO t{{n}} VALUES (1);")
         for n in range(1, 6)]
module.known_migrations = lambda _: steps[:{steps}]
count = 0
def trace(frame, event, arg):
    global count
    count += 1
    if count == {at}:
        os.kill(os.getpid(), signal.SIGKILL)
    return trace
sys.settrace(trace)
module.migrate({path!r}, "any")
"""


@pytest.mark.parametrize("at", [*range(1, 220, 20), *range(5, 900, 97)])
def test_killed_at_any_line_it_is_retried(tmp_path, at):
    path = str(tmp_path / "x.db")
    project = os.path.abspath(os.path.dirname(__file__) + "/../../../..")
    run = [sys.executable, "-c"]
    code = KILLED.format(project=project, path=path, at=-1, steps=1)
    subprocess.run([*run, code], check=True)
    code = KILLED.format(project=project, path=path, at=at, steps=5)
    killed = subprocess.run([*run, code], check=False).returncode
    assert killed in (-signal.SIGKILL, 0)
    code = KILLED.format(project=project, path=path, at=-1, steps=5)
    subprocess.run([*run, code], check=True)
    db = sqlite3.connect(path)
    for number in range(1, 6):
        assert db.execute(f"SELECT count(*) FROM t{number}").fetchone() == (1,)
    assert db.execute("SELECT count(*) FROM migrations").fetchone() == (5,)
    db.close()
    assert not any(name.endswith(".partial") for name in os.listdir(tmp_path))


def test_statements_are_split_where_they_end():
    script = ONE.sql + "\n" + TWO.sql
    assert len([text for text in statements(script) if text.strip()]) == 4


def test_numbers_without_gaps(monkeypatch):
    for set_name in ("library",):
        steps = known_migrations(set_name)
        assert [step.number for step in steps] == list(range(1, len(steps) + 1))
