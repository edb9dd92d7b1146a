"""kill -9 while files go to the trash, come back, or are destroyed.

Whatever the moment: each thing is in its place, or in the trash with an info file that says where
that was, or, where that was asked for, gone; never half, never twice, and nothing hidden stays.
"""

from __future__ import annotations

import base64
import os
import random
import sqlite3
import time
from typing import TYPE_CHECKING, Any

import pytest
from person import Person, in_index, on_disk
from trash_bin import Bin

if TYPE_CHECKING:
    from pathlib import Path

    from running import Daemon

FOLDERS, FILES = 24, 12


class Campaign:
    """A person who deletes and takes back, and somebody who kills the daemon."""

    def __init__(self, daemon: Daemon, folder: Path, seed: int) -> None:
        self.person = Person(daemon)
        self.daemon = daemon
        self.chance = random.Random(seed)
        self.tree = folder / "tree"
        self.tree.mkdir()
        self.bin = Bin(folder / "share" / "Trash")
        self.person.create("Home")
        self.round = 0
        self.struck = 0  # kills that a job was in the middle of
        self._longest: dict[str, float] = {}  # seconds that a job takes which nobody kills
        self.person.index(self.tree)

    def run(self, kills: int) -> None:
        """Kill so many times, each time at something else."""
        kinds = [self._to_trash, self._permanently, self._restoring, self._resolving]
        for kind in kinds:
            kind()
        for number in range(kills):
            kinds[number % len(kinds)]()
        assert self.struck > kills / 6, f"{self.struck} of {kills} kills hit a job"

    def followed(self) -> bool:
        """Whether the index is as the disk, when all that was begun for it is done."""
        events = self.person.listen("FileOperationCompleted")
        (self.tree / "last").touch()
        last = {"targets": {"paths": [str(self.tree / "last")]}}
        events.until("FileOperationCompleted", job_id=self.person.ask("files.delete!", last)["id"])
        self.person.all_quiet()
        return in_index(self.person.folder(), self.tree) == on_disk(self.tree)

    # --- what is done ----------------------------------------------------------------------------

    def _plant(self) -> dict[str, bytes]:
        """New things; what each holds, by its path. A folder holds the same everywhere in it."""
        self.round += 1
        place = self.tree / f"round {self.round}"
        place.mkdir()
        things = {}
        for number in range(FOLDERS):
            content = b"%d of %d" % (number, self.round)
            folder = place / f"folder {number}"
            for file in range(FILES):
                inner = folder / str(file % 3)
                inner.mkdir(parents=True, exist_ok=True)
                (inner / f"{file}").write_bytes(content)
            things[str(folder)] = content
            name = os.fsdecode(b"%s/file \xff %d" % (os.fsencode(place), number))
            with open(name, "wb") as single:
                single.write(content)
            things[name] = content
        return things

    def _to_trash(self) -> None:
        things = self._plant()
        job = self._strike_at("files.delete!", {"targets": {"paths": self._named(things)}})
        self._over(job, "completed")
        assert not [path for path in things if os.path.lexists(path)]
        held = self.bin.things()
        assert set(things) <= set(held)
        for path, content in things.items():
            self._check_whole(held[path], content)

    def _permanently(self) -> None:
        things = self._plant()
        kept = self.bin.originals()
        wanted = {"targets": {"paths": self._named(things)}, "permanent": True, "recursive": True}
        if self.chance.random() < 0.3:
            wanted["secure"] = True
        job = self._strike_at("files.delete!", wanted)
        self._over(job, "completed")
        assert not [path for path in things if os.path.lexists(path)]
        assert self.bin.originals() == kept

    def _restoring(self) -> None:
        things = self._plant()
        job = self.person.ask("files.delete!", {"targets": {"paths": self._named(things)}})["id"]
        assert self.person.ended(job)["status"] == "completed"
        self.person.all_quiet()
        listed = self.person.ask("trash.list", {"limit": 10_000})["items"]
        here = f"/round {self.round}/"
        ids = [one["id"] for one in listed if here in one["original_path"]["Physical"]["path"]]
        assert len(ids) == len(things)
        job = self._strike_at("trash.restore!", {"items": ids})
        self._over(job, "completed")
        held = self.bin.things()
        for path, content in things.items():
            assert path not in held
            self._check_whole(path, content)

    def _resolving(self) -> None:
        """Each single file is the same as those in the folder that is beside it."""
        things = self._plant()
        place = self.tree / f"round {self.round}"
        self.person.index_again(self.tree)
        action = self.chance.choice(["trash", "hardlink"])
        job = self._strike_at("duplicates.resolve!", {"within": str(place), "action": action})
        self._over(job, "completed")
        held = self.bin.things()
        every = [os.path.join(top, name) for top, _, names in os.walk(place) for name in names]
        by_content: dict[bytes, list[str]] = {}
        for path in every:
            with open(path, "rb") as file:
                by_content.setdefault(file.read(), []).append(path)
        assert set(by_content) == set(things.values())
        for content, paths in by_content.items():
            assert len({os.stat(path).st_ino for path in paths}) == 1
            gone = [path for path in held if path.startswith(f"{place}/")]
            mine = [path for path in gone if self._content(held[path]) == content]
            assert len(paths) + len(mine) == FILES + 1

    # --- what has to hold ------------------------------------------------------------------------

    def _named(self, things: dict[str, bytes]) -> list[Any]:
        (device,) = self.person.ask("devices.list")
        return [
            {
                "Physical": {
                    "device_slug": device["slug"],
                    "path": os.fsencode(path).decode("utf-8", "replace"),
                    "path_bytes": _base64(os.fsencode(path)),
                }
            }
            for path in things
        ]

    def _strike_at(self, method: str, payload: dict[str, Any]) -> str:
        """Begin, kill at any moment, start again; once in a while kill again on the way. The first
        of a kind is let alone, to know how long such a one takes."""
        events = self.person.listen("JobStarted", "JobCompleted")
        job = str(self.person.ask(method, payload)["id"])
        events.until("JobStarted", job_id=job)
        began = time.monotonic()
        if method not in self._longest:
            events.until("JobCompleted", job_id=job)
            self._longest[method] = time.monotonic() - began
            return job
        while True:
            # Any moment at all: there is none to wait for.
            time.sleep(self.chance.uniform(0, self._longest[method]))
            self.person.strike()
            self.struck += self._is_half_done(job)
            self.daemon.start()
            if self.chance.random() < 0.7:
                return job

    def _is_half_done(self, job: str) -> bool:
        db = _operations(self.person.folder())
        try:
            states = dict(
                db.execute(
                    "SELECT state, count(*) FROM steps WHERE operation = ? GROUP BY state", (job,)
                )
            )
        finally:
            db.close()
        return bool(states.get("planned") or states.get("doing"))

    def _over(self, job: str, status: str) -> None:
        ended = self.person.ended(job)
        assert ended["status"] == status, ended
        data = ended["output"]["data"]
        assert data["failed_count"] == 0, data
        self.person.all_quiet()
        hidden = [
            os.path.join(top, name)
            for top, folders, files in os.walk(self.tree.parent)
            for name in [*folders, *files]
            if name.startswith(".spacedrive")
        ]
        assert hidden == []

    def _check_whole(self, path: str, content: bytes) -> None:
        """One thing with all that was in it."""
        if os.path.isfile(path):
            assert self._content(path) == content
            return
        found = [os.path.join(top, name) for top, _, names in os.walk(path) for name in names]
        assert len(found) == FILES
        assert {self._content(one) for one in found} == {content}

    def _content(self, path: str) -> bytes:
        with open(path, "rb") as file:
            return file.read()


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _operations(library: str) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{library}/operations.db?mode=ro", uri=True)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the daemon's user has a trash of their own."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    return tmp_path


def test_killed_four_times(place: Path, daemon: Daemon) -> None:
    Campaign(daemon, place, seed=3).run(4)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", [11, 12, 13])
def test_killed_a_hundred_times(place: Path, daemon: Daemon, seed: int) -> None:
    """Forty times each."""
    campaign = Campaign(daemon, place, seed=seed)
    campaign.run(40)
    assert campaign.followed()
    print(f"{campaign.struck} kills in the middle of a job")
