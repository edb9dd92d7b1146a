"""kill -9 at random moments, again and again. Whatever the moment: the job goes on unasked, the
index is what `find` says in the end, and nothing on the disk is the worse for it."""

from __future__ import annotations

import os
import random
import shutil
import time
from typing import TYPE_CHECKING

import pytest
from person import Person, assert_sound, in_index, on_disk, plant, stored_jobs

if TYPE_CHECKING:
    from pathlib import Path

    from running import Daemon

RULES_OFF = {"no_system_files": False, "no_git": False, "no_dev_dirs": False}
FOLDERS, FILES = 80, 40
PART = 0.6  # of the time that a whole pass takes is the longest from a start to the kill


class Campaign:
    """A person, a tree that changes, and somebody who kills the daemon."""

    def __init__(self, daemon: Daemon, folder: Path, seed: int) -> None:
        self.person = Person(daemon)
        self.daemon = daemon
        self.chance = random.Random(seed)
        self.tree = plant(folder / "tree", FOLDERS, FILES)
        self.passes = 0
        self.changes = 0
        self.struck = 0  # kills that a job was running at
        self.person.create("Home")
        self.person.ask("config.library.update!", RULES_OFF)
        other, self.paused = self.person.add(plant(folder / "other"))
        if self.person.ended(self.paused)["status"] == "completed":
            self.paused = self.person.ask("locations.rescan!", {"location_id": other})["job_id"]
            self.daemon.call("action:jobs.pause.input", {"job_id": self.paused})
        began = time.monotonic()
        self.location = self.person.index(self.tree)
        self.longest = (time.monotonic() - began) * PART
        self._begin_a_pass()

    def run(self, kills: int) -> None:
        """Kill so many times, then look at what is left."""
        for number in range(kills):
            if number % 5 == 4:
                self._kill_while_it_starts()
            else:
                self._kill_while_it_works()
            if number == kills // 2 and not self.passes:  # a slow machine: let one come to its end
                self.daemon.start()
                self.person.all_quiet()
        self.daemon.start()
        self._check()
        assert self.passes, "no pass was ever completed: the kills come too early"
        assert self.struck > kills / 4, "hardly a job was hit: the kills come too late"

    def _kill_while_it_works(self) -> None:
        if self.daemon.process is None or self.daemon.process.poll() is not None:
            self.daemon.start()
        if not self._active():
            self._check()
            self.daemon.start()
            self._begin_a_pass()
            self.passes += 1
        time.sleep(
            self.chance.uniform(0, self.longest)
        )  # any moment at all: there is none to wait for
        self._strike()

    def _begin_a_pass(self) -> None:
        """Mostly over a changed tree, now and then over one that nobody has seen yet."""
        if self.chance.random() < 0.3:
            gone = self.person.ask("locations.remove!", {"location_id": self.location})
            self.person.ended(gone["job_id"])
            self.location, _ = self.person.add(self.tree)
            return
        full = self.chance.random() < 0.7
        self.changes += 1
        self._change_the_tree(inside_files=full)
        wanted = {"location_id": self.location, "full_rescan": full}
        self.person.ask("locations.rescan!", wanted)

    def _kill_while_it_starts(self) -> None:
        self.daemon.start(wait=False)
        time.sleep(self.chance.uniform(0.05, 0.8))
        self._strike()

    def _strike(self) -> None:
        self.person.strike()
        self.struck += "running" in stored_jobs(self.person.folder()).values()

    def _active(self) -> list[str]:
        jobs = self.person.ask("jobs.active")["jobs"]
        return [one["id"] for one in jobs if one["id"] != self.paused]

    def _change_the_tree(self, *, inside_files: bool) -> None:
        """What people do to folders, and to files, which only a full pass looks for."""
        folders = sorted(one for one in self.tree.iterdir() if one.is_dir())
        one, other, third = self.chance.sample(folders, 3)
        one.rename(self.tree / os.fsdecode(b"moved \xff %d" % self.changes))
        shutil.rmtree(other)
        plant(self.tree / f"new {self.changes}", 3, 20)
        for file in list(third.iterdir())[:5]:
            if inside_files and file.is_file() and not file.is_symlink():
                file.write_bytes(self.chance.randbytes(100))

    def _check(self) -> None:
        """The end of a pass: every job came through, and the index is right."""
        self.person.all_quiet()
        assert self.person.job(self.paused)["status"] == "paused"
        states = stored_jobs(self.person.folder())
        assert set(states.values()) <= {"completed", "paused"}
        assert in_index(self.person.folder(), self.tree) == on_disk(self.tree)
        self.person.stop()
        assert_sound(self.person.folder())


def test_killed_fifteen_times(daemon: Daemon, tmp_path: Path) -> None:
    Campaign(daemon, tmp_path, seed=9).run(15)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_killed_two_hundred_times(daemon: Daemon, tmp_path: Path, seed: int) -> None:
    """Four trees, fifty times each."""
    campaign = Campaign(daemon, tmp_path, seed=seed)
    campaign.run(50)
    print(f"{campaign.passes} passes, {campaign.struck} kills in the middle of a job")
