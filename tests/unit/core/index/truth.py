"""What the index is measured against: `find`, and the folded names computed afresh."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import uuid

from sd_daemon.core.db.connection import open_writer, transaction
from sd_daemon.core.db.migrate import migrate
from sd_daemon.core.index.job import run_index
from sd_daemon.core.index.names import fold
from sd_daemon.core.index.roots import plant_root
from sd_daemon.core.jobs.context import JobInterrupted

KINDS = {"f": 0, "d": 1, "l": 2, "p": 3, "s": 4, "b": 5, "c": 6}
NO_RULES = {"no_system_files": False, "no_git": False, "no_dev_dirs": False}


class Context:
    """A job's context: remembers what it was told, and interrupts at the safe point asked for."""

    def __init__(self, library_dir, job_id="job", stop_at=None):
        self.library_dir = str(library_dir)
        self.job_id = job_id
        self.reports = []
        self.announced = 0
        self.safe_points = 0
        self.stop_at = stop_at
        self.at_safe_point = None

    def progress(self, phase, completed, total=None, **more):
        self.reports.append((phase, completed, total, more))

    def safe_point(self):
        self.safe_points += 1
        if self.at_safe_point:
            self.at_safe_point(self.safe_points)
        if self.stop_at is not None and self.safe_points >= self.stop_at:
            raise JobInterrupted

    def announce(self):
        self.announced += 1

    def log(self, level, message, **fields):
        pass


class Library:
    """A library in a folder, with locations."""

    def __init__(self, folder):
        self.dir = str(folder)
        self.file = self.dir + "/library.db"
        migrate(self.file, "library")
        self.jobs = 0

    def open(self):
        return open_writer(self.file)

    def add(self, path):
        """Add a location; returns its id."""
        path = os.fsdecode(path)
        number = uuid.uuid4()
        db = self.open()
        with transaction(db):
            entry = plant_root(db, path)
            stored = path if path.isascii() else os.fsencode(path)
            try:
                stored = os.fsencode(path).decode()
            except UnicodeDecodeError:
                stored = os.fsencode(path)
            db.execute(
                "INSERT INTO locations (uuid, name, path, entry, index_mode, scan_state,"
                " job_policies, created_at, updated_at)"
                " VALUES (?, 'here', ?, ?, 'Deep', 'Idle', '{}', 0, 0)",
                (number.bytes, stored, entry),
            )
        db.close()
        return str(number)

    def index(self, location, *, rules=None, job=None, context=None, mode="Shallow", **params):
        """Run the index job to its end; returns the report."""
        self.jobs += 1
        context = context or Context(self.dir, job or f"job {self.jobs}")
        params = {"location_id": location, "mode": mode, "rules": rules, **params}
        return json.loads(json.dumps(run_index(params, context)))

    def query(self, sql, *params):
        db = self.open()
        try:
            return db.execute(sql, params).fetchall()
        finally:
            db.close()

    def entries(self, root):
        """Return {path below the root: (kind, size, mtime, ctime, inode)} as the index has it."""
        db = self.open()
        paths = {}
        for number, path in db.execute("SELECT id, path FROM folders"):
            paths[number] = _bytes(path)
        root = os.fsencode(root)
        found = {}
        for parent, name, *rest in db.execute(
            "SELECT parent, name, kind, size, mtime, ctime, inode FROM entries"
        ):
            path = _bytes(name) if parent == 0 else paths[parent].rstrip(b"/") + b"/" + _bytes(name)
            if path == root or path.startswith(root.rstrip(b"/") + b"/"):
                assert path not in found, f"doubled: {path!r}"
                found[path] = tuple(rest)
        db.close()
        return found

    def ids(self):
        """Return {path: entries.id}."""
        db = self.open()
        paths = {
            number: _bytes(path) for number, path in db.execute("SELECT id, path FROM folders")
        }
        rows = db.execute("SELECT id, parent, name FROM entries").fetchall()
        db.close()
        return {
            (
                _bytes(name) if parent == 0 else paths[parent].rstrip(b"/") + b"/" + _bytes(name)
            ): number
            for number, parent, name in rows
        }

    def check(self):
        """Assert everything that must hold of any library when no job is running."""
        db = self.open()
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert db.execute("SELECT count(*) FROM vanished").fetchone() == (0,)
        orphans = "SELECT e.id, e.name FROM entries e WHERE parent != 0 AND NOT EXISTS"
        assert (
            db.execute(
                f"{orphans} (SELECT 1 FROM entries p WHERE p.id = e.parent AND p.kind = 1)"
            ).fetchall()
            == []
        )
        assert (
            db.execute(
                "SELECT id FROM folders EXCEPT SELECT id FROM entries WHERE kind = 1"
            ).fetchall()
            == []
        )
        assert (
            db.execute(
                "SELECT id FROM entries WHERE kind = 1 EXCEPT SELECT id FROM folders"
            ).fetchall()
            == []
        )
        rows = db.execute(
            "SELECT f.path, p.path, e.name FROM folders f JOIN entries e ON e.id = f.id"
            " LEFT JOIN folders p ON p.id = e.parent"
        )
        for path, above, name in rows:
            want = (
                _bytes(name) if above is None else _bytes(above).rstrip(b"/") + b"/" + _bytes(name)
            )
            assert _bytes(path) == want
        self._check_names(db)
        db.close()

    def _check_names(self, db):
        db.execute("INSERT INTO names(names) VALUES ('integrity-check')")
        done = db.execute("SELECT entry FROM names_progress").fetchone()[0]
        want = {}
        for number, name in db.execute("SELECT id, name FROM entries WHERE id <= ?", (done,)):
            folded = fold(name)
            for at in range(len(folded) - 2):
                want.setdefault(folded[at : at + 3], set()).add(number)
        db.execute("CREATE VIRTUAL TABLE temp.terms USING fts5vocab(main, names, instance)")
        have = {}
        for term, number in db.execute("SELECT term, doc FROM temp.terms"):
            have.setdefault(term, set()).add(number)
        db.execute("DROP TABLE temp.terms")
        folded_by_sqlite = {}
        for term, numbers in want.items():
            folded_by_sqlite.setdefault(term.replace("\0", ""), set()).update(numbers)
        assert (sum(map(len, have.values())) and have == folded_by_sqlite) or not want

    def totals(self, location):
        return self.query(
            "SELECT file_count, directory_count, total_size FROM locations WHERE uuid = ?",
            uuid.UUID(location).bytes,
        )[0]


def _bytes(stored):
    return stored if isinstance(stored, bytes) else stored.encode()


def find(root):
    """Return what find says is there: {path: (kind, size, mtime, ctime, inode)}."""
    out = subprocess.run(
        ["find", os.fsencode(root), "-printf", r"%p\0%y\0%s\0%T@\0%C@\0%i\0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=False,
    ).stdout
    fields = out.split(b"\0")[:-1]
    found = {}
    for at in range(0, len(fields), 6):
        path, kind, size, mtime, ctime, inode = fields[at : at + 6]
        found[path] = (KINDS[kind.decode()], int(size), _ns(mtime), _ns(ctime), int(inode))
    return found


def _ns(text):
    seconds, _, fraction = text.partition(b".")
    return int(seconds) * 10**9 + int(fraction[:9].ljust(9, b"0"))


def differences(index, disk):
    """Return what differs, short enough to read in a failed test."""
    lines = [f"missing {path!r}" for path in disk.keys() - index.keys()]
    lines += [f"stale {path!r}" for path in index.keys() - disk.keys()]
    lines += [
        f"{path!r}: index {index[path]} disk {disk[path]}"
        for path in index.keys() & disk.keys()
        if index[path] != disk[path]
    ]
    return sorted(lines)[:20]


def age(root, seconds=3600):
    """Set back the mtime of every folder, so that a rescan trusts it."""
    for folder, _, _ in os.walk(os.fsencode(root)):
        stat = os.stat(folder)
        os.utime(folder, ns=(stat.st_atime_ns, stat.st_mtime_ns - seconds * 10**9))


def in_thread(work):
    """Start `work` in a thread that is joined by the caller."""
    thread = threading.Thread(target=work)
    thread.start()
    return thread
