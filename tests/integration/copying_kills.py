"""What a kill at any instant must leave of copies and moves, and where it is tried."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Any

from person import plant

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from person import Person
    from trash_bin import Bin

Manifest = dict[str, tuple[str, str]]

SCENARIOS = ("copy", "move", "across", "overwrite")
PREFIX = ".spacedrive-"


def manifest(root: Path) -> Manifest:
    """Everything below a folder but temporaries: what it is, and what is in it."""
    found: Manifest = {}
    for folder, dirs, files in os.walk(os.fsencode(root)):
        dirs[:] = [name for name in dirs if not name.startswith(PREFIX.encode())]
        for name in [*dirs, *files]:
            path = folder + b"/" + name
            inner = os.fsdecode(path[len(os.fsencode(root)) + 1 :])
            if name.startswith(PREFIX.encode()):
                continue
            if os.path.islink(path):
                found[inner] = ("link", os.fsdecode(os.readlink(path)))
            elif os.path.isdir(path):
                found[inner] = ("folder", "")
            else:
                with open(path, "rb") as file:
                    found[inner] = ("file", hashlib.blake2b(file.read()).hexdigest())
    return found


def temporaries(*roots: Path) -> list[str]:
    """What is there that nobody should ever see."""
    return [
        os.path.join(folder, name)
        for root in roots
        for folder, dirs, files in os.walk(root)
        for name in [*dirs, *files]
        if name.startswith(PREFIX)
    ]


def workers_of(pid: int) -> list[int]:
    """The worker processes of a daemon."""
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(one) for one in file.read().split()]


class Campaign:
    """A person who copies and moves, and somebody who kills."""

    def __init__(
        self, person: Person, here: Path, other: Path, bin_: Bin, seed: int, files: int
    ) -> None:
        """`files` in each of the 25 folders."""
        self.person = person
        self.chance = random.Random(seed)
        self._bin = bin_
        self._here = here / "here"
        self._other = other / "there"
        self._pristine = plant(here / "pristine", 25, files)
        (self._pristine / "0001" / "large").write_bytes(self.chance.randbytes(20_000_000))
        os.link(self._pristine / "0001" / "0001.txt", self._pristine / "0002" / "hard")
        with open(self._pristine / "0003" / "sparse", "wb") as file:
            file.truncate(50_000_000)
            file.write(b"begin")
        self._new = manifest(self._pristine)
        old = plant(here / "old", 25, files)
        for number in range(25):
            (old / f"{number:04}" / "0003.txt").write_text("old")
            (old / f"{number:04}" / "only old").write_text("old")
        self._old_tree = old
        self._old = manifest(old)
        self._took: dict[str, float] = {}
        self.struck = 0  # kills that a job was running at

    def run(self, scenario: str, *, kills: int = 1) -> None:
        """One operation from its beginning to its end, and back."""
        source, target = self._set_up(scenario)
        before = (manifest(source.parent), manifest(target.parent))
        receipt = self.person.ask("files.copy!", self._request(scenario, source, target))
        for _ in range(kills):
            self._strike(scenario)
            self._check_instant(scenario, source, target)
            self.person.daemon.start()
        ended = self.person.ended(receipt["id"])
        assert ended["status"] == "completed", (scenario, ended)
        assert ended["output"]["data"]["failed_count"] == 0, ended
        self._check_end(scenario, source, target)
        back = self.person.ask("history.undo!", {"operation_id": receipt["id"]})
        ended = self.person.ended(back["id"])
        assert ended["status"] == "completed", (scenario, ended)
        assert (manifest(source.parent), manifest(target.parent)) == before
        self.person.all_quiet()
        assert temporaries(self._here, self._other) == []

    def measure(self) -> None:
        """How long each takes when nobody kills it."""
        for scenario in SCENARIOS:
            source, target = self._set_up(scenario)
            began = time.monotonic()
            receipt = self.person.ask("files.copy!", self._request(scenario, source, target))
            assert self.person.ended(receipt["id"])["status"] == "completed"
            self._took[scenario] = time.monotonic() - began
            self._check_end(scenario, source, target)
            self.person.all_quiet()

    def _set_up(self, scenario: str) -> tuple[Path, Path]:
        for place in (self._here, self._other):
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
        source = self._here / "source" / "tree"
        subprocess.run(["cp", "-a", self._pristine, self._made(source)], check=True)
        folder = (self._other if scenario == "across" else self._here) / "target"
        folder.mkdir()
        target = folder / "tree"
        if scenario == "overwrite":
            subprocess.run(["cp", "-a", self._old_tree, target], check=True)
        return source, target

    def _made(self, path: Path) -> Path:
        path.parent.mkdir(parents=True)
        return path

    def _request(self, scenario: str, source: Path, target: Path) -> dict[str, Any]:
        return {
            "sources": {"paths": [str(source)]},
            "destination": str(target.parent),
            "move_files": scenario in ("move", "across"),
            "on_conflict": "Overwrite" if scenario == "overwrite" else None,
            "verify_checksum": self.chance.random() < 0.2,
        }

    def _strike(self, scenario: str) -> None:
        """kill -9, at any moment: there is none to wait for. Mostly the daemon and its workers at
        once, as a power cut would; now and then the daemon alone."""
        time.sleep(self.chance.uniform(0, self._took[scenario] * 1.1))
        process = self.person.daemon.process
        assert process is not None
        os.kill(process.pid, signal.SIGSTOP)  # it is not to see its workers die
        workers = workers_of(process.pid)
        self.struck += bool(workers)
        if self.chance.random() < 0.8:
            for pid in workers:
                try:
                    os.kill(pid, 9)
                except ProcessLookupError:
                    pass
        self.person.strike()
        for pid in workers:  # one that is not ours to wait for
            while os.path.exists(f"/proc/{pid}"):
                time.sleep(0.002)

    def _check_instant(self, scenario: str, source: Path, target: Path) -> None:
        """Now, with nobody at work: everything is whole in one of its two places."""
        there, here = manifest(target.parent), manifest(source.parent)
        new = {f"tree/{name}": one for name, one in self._new.items()}
        old = {f"tree/{name}": one for name, one in self._old.items()}
        if scenario in ("copy", "overwrite"):
            assert here == {"tree": ("folder", ""), **new}
        elif "tree" in here:
            left = {name: one for name, one in here.items() if name != "tree"}
            assert left == new, "the source is neither there nor gone"
        if scenario == "overwrite":
            for name, one in there.items():
                assert one in (old.get(name), new.get(name), ("folder", "")), name
            assert old.keys() <= there.keys()
        elif "tree" in there:
            assert there == {"tree": ("folder", ""), **new}, "the target is neither there nor not"
        else:
            assert "tree" in here

    def _check_end(self, scenario: str, source: Path, target: Path) -> None:
        wanted = {**self._old, **self._new} if scenario == "overwrite" else self._new
        assert manifest(target) == wanted
        assert source.exists() == (scenario not in ("move", "across"))
        assert temporaries(self._here, self._other) == []
        hard = os.stat(target / "0001" / "0001.txt").st_ino
        if scenario != "overwrite":
            assert os.stat(target / "0002" / "hard").st_ino == hard
        sparse = os.stat(target / "0003" / "sparse")
        assert sparse.st_blocks * 512 < sparse.st_size


def rounds(chance: random.Random) -> Iterator[str]:
    """Scenarios without an end, each as often as the others."""
    while True:
        yield from chance.sample(SCENARIOS, len(SCENARIOS))
