"""What goes wrong below the handlers arrives as a sentence, or as a reference into the log."""

from __future__ import annotations

import errno
import logging
import sqlite3

import pytest

from sd_daemon.core.db import connection as db
from sd_daemon.server.failures import defect, error_of
from sd_wire import errors


@pytest.mark.parametrize(
    ("found", "code"),
    [
        (db.DatabaseFull("/tmp/library.db", "full"), "disk-full"),
        (db.DatabaseBusy("/tmp/library.db", "locked"), "database-busy"),
        (db.DatabaseReadOnly("/tmp/library.db", "readonly"), "storage-read-only"),
        (db.DatabaseDamaged("/tmp/library.db", "malformed"), "library-damaged"),
        (db.DatabaseMissing("/tmp/library.db", "gone"), "library-damaged"),
        (db.DatabaseMissing("/d/library.db", "gone with its folder"), "storage-read-only"),
        (db.SchemaTooNew("/tmp/library.db", 9, 1), "library-too-new"),
        (OSError(errno.ENOSPC, "No space left on device", "/d/file"), "disk-full"),
        (OSError(errno.EROFS, "Read-only file system"), "storage-read-only"),
        (errors.JobNotFound(job="7"), "job-not-found"),
    ],
)
def test_what_a_person_can_do_something_about_has_a_name(found: Exception, code: str) -> None:
    known = error_of(found, "/d")
    assert known is not None
    assert known.code == code
    assert "/d" in known.text or "/tmp" in known.text or code == "job-not-found"


def test_every_failure_of_a_database_has_a_name() -> None:
    for cls in db.DatabaseFailure.__subclasses__():
        made = cls("/p", 2, 1) if cls is db.SchemaTooNew else cls("/p", "why")
        assert error_of(made, "/d") is not None


def test_a_raw_sqlite_error_is_recognised_by_its_code() -> None:
    database = sqlite3.connect(":memory:")
    database.execute("PRAGMA query_only=ON")
    with pytest.raises(sqlite3.Error) as failed:
        database.execute("CREATE TABLE t (a)")
    known = error_of(failed.value, "/tmp")
    assert known is not None
    assert known.code == "storage-read-only"
    database.close()


@pytest.mark.parametrize("found", [ValueError("x"), KeyError("x"), OSError(errno.EIO, "x")])
def test_everything_else_is_a_defect(found: Exception) -> None:
    assert error_of(found, "/d") is None


def test_a_defect_is_logged_whole_and_told_by_reference(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        told = defect(ValueError("the secret of the user"), "query:x", peer_pid=7)
    (record,) = caplog.records
    fields = vars(record)["fields"]
    assert fields["reference"] in told.text
    assert fields["method"] == "query:x"
    assert record.exc_info is not None
    assert "secret" not in told.text
