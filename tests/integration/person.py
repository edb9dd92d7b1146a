"""What a person does with a daemon, and what they see of it. Everything goes through the socket."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest
from running import CallFailed

from sd_daemon.core.index.passes import FOLLOWING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from running import Daemon, Wire

ENDS = ["JobCompleted", "JobFailed", "JobCancelled", "JobPaused"]

KINDS = {"f": 0, "d": 1, "l": 2, "p": 3, "s": 4, "b": 5, "c": 6}

ODD_NAMES = [
    *(b"plain.txt", b"with space", b"trailing ", b"new\nline", b"quo'te\"s", b"%s"),
    *("Gr\u00fc\u00dfe.txt".encode(), "\U0001f4f7.jpg".encode(), b"not \xff utf-8", b".hidden"),
    *(b"tab\there", b"back\\slash", b"x" * 255, b"-rf"),
]


def plant(folder: Path, folders: int = 0, files: int = 0) -> Path:
    """A tree with odd names, and below it so many folders with so many files each."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(ODD_NAMES):
        path = os.fsencode(folder) + b"/" + name
        if number % 4 == 3:
            os.mkdir(path)
            path += b"/inside"
        with open(path, "wb") as file:
            file.write(name * number)
    os.symlink("nowhere", folder / "link")
    for number in range(folders):
        inner = folder / f"{number:04}"
        inner.mkdir()
        for file_number in range(files):
            (inner / f"{file_number:04}.txt").write_bytes(b"%d of %d" % (file_number, number))
    return folder


class Events:
    """The events that come, one after the other."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self.seen: list[tuple[str, dict[str, Any]]] = []
        self.lines: list[dict[str, Any]] = []

    def until(self, *names: str, **fields: Any) -> dict[str, Any]:
        """Read up to an event with one of these names and these fields; its body."""
        while True:
            line = self._wire.read()
            event = line["Event"]
            name, body = (event, {}) if isinstance(event, str) else next(iter(event.items()))
            self.lines.append(line)
            self.seen.append((name, body))
            if name in names and all(body.get(key) == value for key, value in fields.items()):
                return dict(body)

    def names(self, *without: str) -> list[str]:
        """The names of what came so far."""
        return [name for name, _ in self.seen if name not in without]


class Person:
    """Somebody with a daemon and, once they made it, one library."""

    def __init__(self, daemon: Daemon) -> None:
        self.daemon = daemon

    def ask(self, method: str, payload: Any = None, library: str | None = None) -> Any:
        """`libraries.list` or `libraries.create!`, the mark standing for an action."""
        full = f"action:{method[:-1]}.input" if method.endswith("!") else f"query:{method}"
        return self.daemon.call(full, payload, library)

    def refused(self, method: str, payload: Any = None, library: str | None = None) -> Refusal:
        """What is said instead of doing it."""
        with pytest.raises(CallFailed) as failed:
            self.ask(method, payload, library)
        return Refusal(failed.value.reply)

    def listen(self, *names: str, library: str | None = None) -> Events:
        """Hear of events from now on; no names are the usual ones."""
        wire = self.daemon.connect()
        wanted = {
            "event_types": list(names),
            "filter": {"library_id": library} if library else None,
        }
        assert "Subscribed" in wire.ask({"Subscribe": wanted, "id": "w"})
        return Events(wire)

    def stop(self) -> float:
        """End the daemon in order; how many seconds that took."""
        began = time.monotonic()
        assert self.daemon.stop() == 0
        took = time.monotonic() - began
        self.daemon.kill()  # closes what is left of its pipes
        return took

    def restart(self) -> None:
        """End it in order and start it again."""
        self.stop()
        self.daemon.start()

    def strike(self) -> None:
        """kill -9."""
        self.daemon.kill()

    # --- libraries -----------------------------------------------------------------------------

    def create(self, name: str = "Home", path: Path | None = None) -> str:
        """A new library; its id."""
        given = {"name": name, "path": None if path is None else str(path)}
        return str(self.ask("libraries.create!", given)["library_id"])

    def libraries(self) -> dict[str, dict[str, Any]]:
        """The open libraries by name."""
        return {one["name"]: one for one in self.ask("libraries.list", {"include_stats": True})}

    def folder(self, name: str = "Home") -> str:
        """Where a library of the daemon's own is."""
        return f"{self.daemon.data_dir}/libraries/{name}.sdlibrary"

    # --- locations -----------------------------------------------------------------------------

    def add(self, path: Path, library: str | None = None, **more: Any) -> tuple[str, str]:
        """Make a folder a location; its id and that of its job."""
        made = self.ask("locations.add!", {"path": str(path), **more}, library)
        return made["location_id"], made["job_id"]

    def index(self, path: Path, library: str | None = None, **more: Any) -> str:
        """The same, and wait for its job; the location's id."""
        location, job = self.add(path, library, **more)
        assert self.ended(job)["status"] == "completed"
        return location

    def index_again(self, path: Path) -> None:
        """Let the location at this path be read again, and wait for it."""
        for location, one in self.locations().items():
            if one["sd_path"]["Physical"]["path"] == str(path):
                job = self.ask("locations.rescan!", {"location_id": location})["job_id"]
                assert self.ended(job)["status"] == "completed"

    def locations(self, library: str | None = None) -> dict[str, dict[str, Any]]:
        """The locations by their id."""
        found = self.ask("locations.list", None, library)["locations"]
        return {one["id"]: one for one in found}

    # --- jobs ----------------------------------------------------------------------------------

    def job(self, job: str) -> dict[str, Any]:
        """A job as it is."""
        return dict(self.ask("jobs.info", {"job_id": job}))

    def ended(self, job: str) -> dict[str, Any]:
        """A job when it is neither queued nor running."""
        events = self.listen(*ENDS)
        info = self.job(job)
        while info["status"] in ("queued", "running"):
            events.until(*ENDS, job_id=job)
            info = self.job(job)
        return info

    def all_quiet(self, library: str | None = None) -> None:
        """Wait until no job is queued or running, and the index has followed."""
        events = self.listen(*ENDS)
        while [
            one
            for one in self.ask("jobs.active", None, library)["jobs"]
            if one["status"] != "paused"
        ]:
            events.until(*ENDS)
        self.ask("indexing.catch_up", None, library)


class Refusal:
    """An answer that is an error."""

    def __init__(self, reply: dict[str, Any]) -> None:
        ((self.kind, self.text),) = reply["Error"].items()
        details = reply["details"]
        self.code: str = details["code"]
        self.hint: str | None = details.get("hint")
        self.pointer: str | None = details.get("pointer")

    def __repr__(self) -> str:
        return f"{self.code}: {self.text}"


# --- the truth -----------------------------------------------------------------------------------

Row = tuple[int, int, int, int]  # kind, size, mtime, inode


def on_disk(root: Path) -> dict[bytes, Row]:
    """What `find` says: kind, size, mtime in nanoseconds and inode by path."""
    form = "%p\\0%y\\0%s\\0%T@\\0%i\\0"
    out = subprocess.run(
        ["find", str(root), "-printf", form], check=True, capture_output=True
    ).stdout
    fields = out.split(b"\0")[:-1]
    found = {}
    for path, kind, size, mtime, inode in zip(*[iter(fields)] * 5, strict=True):
        seconds, _, fraction = mtime.partition(b".")
        nanoseconds = int(seconds) * 10**9 + int(fraction[:9].ljust(9, b"0"))
        found[path] = (KINDS[kind.decode()], int(size), nanoseconds, int(inode))
    return found


def in_index(library: str, location_path: Path) -> dict[bytes, Row]:
    """What the index says of the same."""
    db = sqlite3.connect(f"file:{library}/library.db?mode=ro", uri=True)
    try:
        rows = db.execute(
            "WITH RECURSIVE below(id, path) AS ("
            " SELECT entry, CAST(path AS BLOB) FROM locations WHERE path = ?"
            " UNION ALL SELECT e.id, b.path || X'2F' || CAST(e.name AS BLOB)"
            " FROM entries e JOIN below b ON e.parent = b.id)"
            " SELECT CAST(b.path AS BLOB), kind, size, mtime, inode FROM below b"
            " JOIN entries e USING (id)",
            (str(location_path),),
        ).fetchall()
    finally:
        db.close()
    found = {bytes(path): (kind, size, mtime, inode) for path, kind, size, mtime, inode in rows}
    assert len(found) == len(rows), "a path is there twice"
    return found


def assert_sound(library: str) -> None:
    """Both databases are whole, no name is doubled, the names agree with their index, and nothing
    is left of a pass but of those that are paused, and of a follower that was killed: the next
    one begins with that."""
    for file in ("library.db", "jobs.db"):
        db = sqlite3.connect(f"{library}/{file}")
        try:
            assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        finally:
            db.close()
    paused = {job for job, status in stored_jobs(library).items() if status == "paused"}
    db = sqlite3.connect(f"{library}/library.db")
    try:
        doubled = "SELECT count(*) FROM entries GROUP BY parent, name HAVING count(*) > 1"
        assert db.execute(doubled).fetchall() == []
        db.execute("INSERT INTO names(names) VALUES ('integrity-check')")
        passes = {job for (job,) in db.execute("SELECT job FROM scans")}
        followed = {job for job in passes if job.startswith(FOLLOWING)}
        assert passes - followed <= paused
        if not passes:
            assert db.execute("SELECT count(*) FROM vanished").fetchone() == (0,)
    finally:
        db.close()


def stored_jobs(library: str, see: Callable[[str], bool] = bool) -> dict[str, str]:
    """The states of jobs as they are on the disk, by id."""
    db = sqlite3.connect(f"file:{library}/jobs.db?mode=ro", uri=True)
    try:
        rows = db.execute("SELECT id, status, params FROM jobs").fetchall()
    finally:
        db.close()
    return {job: status for job, status, params in rows if see(json.dumps(params))}
