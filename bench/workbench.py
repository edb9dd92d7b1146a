"""What every measurement needs: a place to work, a daemon, trees, the limits, the peers."""

from __future__ import annotations

import shutil
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from bench import trees
from bench.compiled import program
from bench.daemon import MeasuredDaemon
from bench.peers import INSTALL, find
from bench.processes import json_output

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.results import Sample

_MEMORY_BYTES = 2 * 1024**3  # that have to be free for measurements in memory

_decode_sample = msgspec.json.Decoder(dict[str, float]).decode


class Workbench:
    """Handed to each measurement. `scratch` is a folder for things that are gone after the run."""

    def __init__(self, work: Path, *, quick: bool, rounds: int | None) -> None:
        self.work = work
        self.quick = quick
        self.missing: dict[str, str] = {}
        self._rounds = rounds
        self._kept: dict[int, Path] = {}
        work.mkdir(parents=True, exist_ok=True)
        self.scratch = Path(tempfile.mkdtemp(prefix="run-", dir=work))

    def close(self) -> None:
        """Remove the scratch folder; the trees stay for the next run."""
        shutil.rmtree(self.scratch, ignore_errors=True)

    def say(self, text: str) -> None:
        """Progress, for whoever watches."""
        print(f"  {time.strftime('%H:%M:%S')} {text}", flush=True)

    def rounds(self, quick: int, full: int) -> int:
        """How often contenders take turns."""
        return self._rounds or (quick if self.quick else full)

    def either(self, quick: float, full: float) -> float:
        """A length that depends on the mode."""
        return quick if self.quick else full

    def place(self, name: str) -> Path:
        """A new, empty folder in the scratch folder."""
        return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.scratch))

    def memory(self, name: str) -> Path | None:
        """A new, empty folder in memory, for whoever asks to remove; None where there is none."""
        shm = Path("/dev/shm")
        if not shm.is_dir() or shutil.disk_usage(shm).free < _MEMORY_BYTES:
            return None
        return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=shm))

    def tree(self, files: int) -> Path:
        """A tree of files; the million is of tiny files, for the sake of the disk."""
        if not (self.work / f"tree-{files}.done").exists():
            self.say(f"making a tree of {files:,} files (once; kept in {self.work})")
        return trees.tree(self.work, files, 6000 if files <= 100_000 else 400)

    def peer(self, name: str) -> str | None:
        """The path of another program, or None; what is missing is noted in the results."""
        found = find(name)
        if found is None:
            self.missing[name] = INSTALL[name]
        return found

    def limit(self, name: str, *arguments: str) -> Sample:
        """Run a program of bench/limits that reports JSON."""
        return _decode_sample(json_output([program(name), *arguments], 600))

    def request_file(self, name: str, request: bytes) -> str:
        """A file with a request, for the load generator."""
        path = self.scratch / f"request-{name}"
        path.write_bytes(request)
        return str(path)

    @property
    def small(self) -> int:
        """Files in the smaller tree."""
        return 20_000 if self.quick else 100_000

    @property
    def large(self) -> int:
        """Files in the larger tree."""
        return 100_000 if self.quick else 1_000_000

    @contextmanager
    def daemon(self, *, keep_as: int | None = None) -> Iterator[MeasuredDaemon]:
        """A daemon of ours with an empty data folder, for one block. With `keep_as` the folder
        stays, as one in which the tree of so many files is indexed."""
        place = self.place("daemon")
        with MeasuredDaemon(place) as daemon:
            yield daemon
        if keep_as is None:
            shutil.rmtree(place, ignore_errors=True)
        else:
            shutil.rmtree(self._kept.get(keep_as, place / "none"), ignore_errors=True)
            self._kept[keep_as] = place

    @contextmanager
    def indexed(self, files: int) -> Iterator[tuple[MeasuredDaemon, str]]:
        """A daemon in whose only library the tree of so many files is the only location; and
        that location's id. An earlier measurement's work is used where there is one."""
        if files not in self._kept:
            root = self.tree(files)
            self.say(f"indexing {files:,} files for what follows")
            with self.daemon(keep_as=files) as daemon:
                daemon.create_library()
                daemon.index_fully(root, files)
        with MeasuredDaemon(self._kept[files]) as daemon:
            (location,) = daemon.ask("query:locations.list")["locations"]
            yield daemon, location["id"]
