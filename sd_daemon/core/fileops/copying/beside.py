"""Small files of a tree, copied by a second process beside the one that walks it.

To copy a small file takes about ten calls of the kernel and half as much time again around them.
Threads of one interpreter would wait for each other between those calls. So, once a tree turns out
to be worth it, the process that copies forks: it goes on walking, makes the folders, copies what is
large or has several names, and hands over small files by the dozen, with the two folders open; it
copies small ones itself while the other has enough. Who hands over stays responsible: what comes
back undone, or does not come back, it does itself.

The second process never outlives the first. So when a job goes on after kill -9 nobody else writes
into what it built.
"""

from __future__ import annotations

import marshal
import os
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from sd_daemon.core.fileops.copying.content import SMALL
from sd_daemon.core.fileops.copying.file import Base, Copier, How, Place
from sd_daemon.core.fileops.copying.tally import Counts, Why

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sd_daemon.core.jobs.context import Fork, Link, SecondProcess

WORTH = 200  # files that are copied alone before a second process is started
BATCH = 64  # files that are handed over together
_BATCHES, _BYTES = 16, 16 * 1024  # of names, with the other at most: less than a socket holds

Owner = TypeVar("Owner")


class Outcome(NamedTuple):
    """What came of some files of one folder. They are told by their names."""

    files: int
    size: int  # bytes
    left: list[str]  # to be copied by whoever handed them over
    failed: list[tuple[str, str, int]]  # and why, with the errno if it is the system's reason
    warnings: list[tuple[str, str]]
    error: int | None  # errno of what ends the whole copy; then not all of it was done


class Beside(Generic[Owner]):
    """The second process, for the one that hands over: when there is one, and what is with it.

    What is handed over has an `Owner`, who is told what came of it.
    """

    def __init__(self, copier: Copier, fork: Fork) -> None:
        self._copier = copier
        self._fork = fork
        self._may = True
        self._limits = copier.tally.limits
        self._second: SecondProcess | None = None
        self._with_it: deque[tuple[Owner, list[str], int]] = deque()
        self._bytes = 0

    @property
    def is_busy(self) -> bool:
        """Whether anything is with it."""
        return bool(self._with_it)

    def takes(self) -> bool:
        """Whether it takes some files now."""
        limits = self._copier.tally.limits
        if limits.bandwidth or not self._may:  # that is measured by the one process
            return False
        if limits is not self._limits:  # it has those that it was started with
            if self._with_it:
                return False
            self.end()
            self._limits = limits
        if self._second is None:
            if self._copier.tally.files < WORTH:
                return False
            self._start()
        return self._may and len(self._with_it) < _BATCHES and self._bytes < _BYTES

    def give(self, owner: Owner, names: list[str], source: int, target: int, device: int) -> None:
        """Hand over files that are to be copied between two open folders; `device` is where the
        second of them is."""
        assert self._second is not None
        text = marshal.dumps((device, names))
        self._second.give(text, [source, target])
        self._with_it.append((owner, names, len(text)))
        self._bytes += len(text)

    def outcomes(self, patience: float) -> Iterator[tuple[Owner, Outcome]]:
        """What came of what was handed over, until nothing more is told for so many seconds."""
        while self._with_it:
            outcome = self._receive(patience)
            if outcome is None:
                return
            owner, names, size = self._with_it[0]
            yield owner, outcome or Outcome(0, 0, names, [], [], None)
            self._with_it.popleft()  # until then it is there to be recalled
            self._bytes -= size

    def recall(self) -> list[Owner]:
        """Have nothing with it any more; the owners of what was, in whatever state that is."""
        owners = [owner for owner, _names, _size in self._with_it]
        if owners:
            self.end()
        self._with_it.clear()
        self._bytes = 0
        return owners

    def end(self) -> None:
        """End it, whatever it is at: it writes nothing after that."""
        if self._second is not None:
            self._second.end()
        self._second = None

    def _start(self) -> None:
        self._second = self._fork(partial(_live, how=self._copier.how))
        self._may = self._second is not None

    def _receive(self, patience: float) -> Outcome | tuple[()] | None:
        """One outcome; None where it is not known yet, nothing where there will be none."""
        if self._second is None:
            return ()
        text = self._second.take(patience)
        if text is None:
            return None
        if text:
            return Outcome(*marshal.loads(text))
        self._may = False
        self.end()
        return ()


# --- in the second process -----------------------------------------------------------------------


class _NotSmallError(Exception):
    """A file is for the other process."""


class _SmallFiles(Copier):
    """Copies what is small and has one name."""

    def _copy_file(self, place: Place, source: int, found: os.stat_result) -> int | None:
        if found.st_nlink > 1 or found.st_size > SMALL:
            raise _NotSmallError
        return super()._copy_file(place, source, found)

    def _copy_other(self, place: Place, found: os.stat_result) -> None:
        raise _NotSmallError

    def _reject(self, place: Place, reason: str) -> None:
        self.tally.fail(place.path, reason)  # the other removes it


class _Noted(Counts):
    """Keeps what goes wrong for the other process, which counts it."""

    def __init__(self) -> None:
        super().__init__()
        self.failed: list[tuple[str, str, int]] = []
        self.warnings: list[tuple[str, str]] = []

    def fail(self, path: str, reason: str) -> None:
        self.failed.append((path, str(reason), reason.errno if isinstance(reason, Why) else 0))

    def warn(self, path: str, reason: str) -> None:
        self.warnings.append((path, str(reason)))


class _Hands:
    """What the second process does."""

    def __init__(self, link: Link, how: How) -> None:
        self._link = link
        self._counts = _Noted()
        self._copier = _SmallFiles(self._counts, how)

    def work(self) -> None:
        """Copy what comes, until nothing can come any more."""
        while batch := self._receive():
            outcomes = [self._copy(batch, 0)]
            if self._copier.how.verify:  # as many together as there are
                while self._link.has_more() and (batch := self._receive()):
                    outcomes.append(self._copy(batch, len(outcomes)))
                outcomes[-1] = self._verified(outcomes[-1])
            self._share_out(outcomes)
            for outcome in outcomes:
                self._link.send(marshal.dumps(tuple(outcome)))

    def _receive(self) -> tuple[int, list[str], int, int] | None:
        """The next batch: device, names, source and target. None at the end."""
        text, folders = self._link.receive()
        return (*marshal.loads(text), *folders) if text else None

    def _copy(self, batch: tuple[int, list[str], int, int], number: int) -> Outcome:
        """Copy a batch. Its number stands for its folder in what is told of its files."""
        device, names, source, target = batch
        base, folder = Base("", device), str(number)
        files, size = self._counts.files, self._counts.size
        left, error = [], None
        for name in names:
            place = Place(name, source, folder, name, target, base, "")
            try:
                self._copier.copy(place, is_file=True)
            except _NotSmallError:
                left.append(name)
            except OSError as failure:
                error = failure.errno
                break
        os.close(source)
        os.close(target)
        counts = self._counts
        return Outcome(counts.files - files, counts.size - size, left, [], [], error)

    def _verified(self, last: Outcome) -> Outcome:
        """Verify what was copied since that was done before."""
        try:
            self._copier.flush()
        except OSError as failure:
            return last._replace(error=failure.errno)
        return last

    def _share_out(self, outcomes: list[Outcome]) -> None:
        """Tell each batch what went wrong in it."""
        for path, reason, number in self._counts.failed:
            batch, _, name = path.partition("/")
            outcomes[int(batch)].failed.append((name, reason, number))
        for path, reason in self._counts.warnings:
            batch, _, name = path.partition("/")
            outcomes[int(batch)].warnings.append((name, reason))
        self._counts.failed.clear()
        self._counts.warnings.clear()


def _live(link: Link, how: How) -> None:
    _Hands(link, how).work()
