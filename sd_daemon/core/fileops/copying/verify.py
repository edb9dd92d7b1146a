"""Reading back what was written, from the disk, while the next is being written.

What was just written is still in memory, and to compare with that proves nothing. So it is flushed,
forgotten by the memory, and read again. Large files a thread compares with their sources, range by
range as they grow, some way behind the copying. Small files are compared with the digest of what
was read, some hundreds together: while a thread has these flushed the next are copied, and while
the disk reads them again, too. To compare them is not for the thread, which would wait for the
copying between any two of many short calls. A filesystem in memory (tmpfs) has no disk: there it
shows only that memory holds.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from blake3 import blake3

from sd_daemon.core.fileops.copying.background import Background
from sd_daemon.core.fileops.copying.kernel import FULL, forget_cached, read_ahead, write_out
from sd_daemon.core.fileops.copying.tally import why
from sd_daemon.core.fileops.rename import flush_filesystem

if TYPE_CHECKING:
    from sd_daemon.core.fileops.copying.file import Place
    from sd_daemon.core.fileops.copying.metadata import Metadata
    from sd_daemon.core.fileops.copying.tally import Counts

CHANGED = "it was changed while it was copied"
Then = Callable[[], None]
"""What the thread leaves to the other to be done."""

ROTTEN = "what the disk gives back is not what was written"

_BEHIND = 256 * 1024 * 1024  # bytes that are written and not yet read again, at most
TOGETHER = 200  # small files that are flushed together; up to five times as many are open
_TOGETHER_BYTES = _BEHIND // 4
_FEW = 4  # files that are flushed one by one
_BUFFER = 1024 * 1024
_PATIENCE_S = 0.2  # between two questions whether to go on


class Check:
    """A file that was made and is to be verified. Its descriptor belongs to this."""

    def __init__(
        self, verifier: Verifier, place: Place, target: int, found: os.stat_result
    ) -> None:
        """`found` is the stat of the source, `target` the copy, open."""
        self.place = place
        self.target = target
        self.found = found
        self.digest: blake3 | None = None  # of all that was read of a small file
        self.source = -1  # of a larger one
        self.reason: str | None = None  # why it is not what it should be
        self.is_void = False  # nobody wants to know any more
        self._verifier = verifier

    def read(self, data: bytes) -> None:
        """This was read from the source, after what was read before."""
        if self.digest is None:
            self.digest = blake3()
        self.digest.update(data)

    def grew(self, source: int, start: int, end: int) -> None:
        """All between these offsets was copied. Raises OSError, JobInterrupted."""
        if self.source < 0:
            self.source = os.dup(source)
        self._verifier.compare(self, start, end)

    def close(self) -> None:
        """Be done with it."""
        os.close(self.target)
        if self.source >= 0:
            os.close(self.source)


class Verifier:
    """Verifies the files of one copy."""

    def __init__(
        self, tally: Counts, metadata: Metadata, reject: Callable[[Place, str], None]
    ) -> None:
        """`reject` is told what is not as it should be, and why."""
        self._tally = tally
        self._metadata = metadata
        self._reject = reject
        self._path = ""  # of what was begun last
        self._together: list[Check] = []  # small files
        self._together_bytes = 0
        self._reading: list[Check] = []  # small files that the disk is reading again
        self._background: Background[Then] = Background()
        self._buffer = bytearray(_BUFFER)
        self._buffers = bytearray(_BUFFER), bytearray(_BUFFER)  # of the thread
        self._has_ended = False

    def begin(self, place: Place, target: int, found: os.stat_result) -> Check:
        """Verify a file that is about to be written."""
        self._path = place.path
        return Check(self, place, target, found)

    def compare(self, check: Check, start: int, end: int) -> None:
        """Compare a range of a file with its source. Raises OSError, JobInterrupted."""
        self._do(partial(self._compare, check, start, end), end - start)

    def complete(self, check: Check) -> None:
        """A file has been written. If it is verified it gets its times, which say that it is
        complete; else it is rejected. Raises OSError, JobInterrupted."""
        if check.digest is None:
            self._do(partial(self._finish, check), 0)
            return
        self._together.append(check)
        self._together_bytes += check.found.st_size
        if len(self._together) >= TOGETHER or self._together_bytes >= _TOGETHER_BYTES:
            self._hand_over()

    def drop(self, check: Check) -> None:
        """A file was not written to its end."""
        check.is_void = True
        self._background.do(partial(self._finish, check), 0)

    def flush(self) -> None:
        """Verify all that waits. Raises OSError, JobInterrupted."""
        if self._together:
            self._hand_over()
        while not self._background.is_idle:
            self._take(_PATIENCE_S)
        self._compare_read()

    def end(self) -> None:
        """Be done, without regard to what waits."""
        self._has_ended = True
        self._background.end()
        while not self._background.is_idle:
            with suppress(OSError):
                self._take(0)
        for check in [*self._together, *self._reading]:
            check.close()
        self._together, self._reading = [], []

    def _hand_over(self) -> None:
        self._compare_read()
        together, self._together, self._together_bytes = self._together, [], 0
        self._do(partial(self._flush, together), _BEHIND)  # nothing else may wait with it

    def _do(self, work: partial[Then], weight: int) -> None:
        self._background.do(work, weight)
        while self._take(0):
            pass
        while self._background.behind > _BEHIND:
            self._take(_PATIENCE_S)

    def _take(self, patience: float) -> bool:
        """Learn what came of something; whether anything did."""
        then = self._background.result(patience)
        if then is not None:
            then()
        elif patience:
            self._tally.tell(self._path)
        return then is not None

    def _read_again(self, together: list[Check]) -> None:
        """Have the disk begin to read what was flushed."""
        self._reading += together
        for check in together:
            forget_cached(check.target)
            read_ahead(check.target)

    def _fail(self, together: list[Check], error: OSError) -> None:
        """What could not be flushed ends the whole copy."""
        self._reading += together
        raise error

    def _compare_read(self) -> None:
        """Compare what the disk was to read again."""
        reading, self._reading = self._reading, []
        try:
            for check in reading:
                if check.reason is None:
                    self._guard(check, partial(self._compare_digest, check))
                self._judge(check)
        finally:
            for check in reading:
                check.close()

    def _compare_digest(self, check: Check) -> None:
        digest, at = blake3(), 0
        view = memoryview(self._buffer)
        while count := os.preadv(check.target, [view], at):
            digest.update(view[:count])
            at += count
        if check.digest is None or digest.digest() != check.digest.digest():
            check.reason = ROTTEN

    def _judge(self, check: Check) -> None:
        if check.reason is None:
            self._guard(check, partial(self._metadata.give_times, check.target, check.found))
        if check.reason is not None:
            self._reject(check.place, check.reason)

    def _guard(self, check: Check, do: Callable[[], None]) -> None:
        """Do something; where it fails, the file is not as it should be. Raises OSError for what
        ends the whole copy."""
        try:
            do()
        except OSError as error:
            if error.errno in FULL:
                raise
            check.reason = why(error)

    def _conclude(self, check: Check) -> None:
        """A large file was compared to its end."""
        try:
            if not check.is_void and not self._has_ended:
                self._judge(check)
        finally:
            check.close()

    # --- in the thread ---------------------------------------------------------------------------

    def _compare(self, check: Check, start: int, end: int) -> Then:
        if not (check.is_void or check.reason or self._has_ended):
            self._guard(check, partial(self._compare_range, check, start, end))
        return _nothing

    def _finish(self, check: Check) -> Then:
        return partial(self._conclude, check)

    def _flush(self, together: list[Check]) -> Then:
        """Have small files on the disk: a few one by one, many with all that their filesystem holds
        back."""
        try:
            if len(together) <= _FEW:
                for check in together:
                    os.fsync(check.target)
            else:
                for fd in {one.place.base.device: one.target for one in together}.values():
                    flush_filesystem(fd)
        except OSError as error:
            for check in together:
                check.reason = why(error)
            if error.errno in FULL:
                return partial(self._fail, together, error)
        return partial(self._read_again, together)

    # --- in the thread ---------------------------------------------------------------------------

    def _compare_range(self, check: Check, start: int, end: int) -> None:
        write_out(check.target, start, end - start)
        forget_cached(check.target, start, end - start)
        read_ahead(check.target, start, end - start)
        one, other = self._buffers
        while start < end:
            count = min(_BUFFER, end - start)
            views = memoryview(one)[:count], memoryview(other)[:count]
            read = os.preadv(check.target, [views[0]], start)
            again = os.preadv(check.source, [views[1]], start)
            is_whole = read == _BUFFER  # and need not be copied to be compared
            same = one == other if is_whole else one[:read] == other[:read]
            if not read or read != again or not same:
                now = os.fstat(check.source)
                is_same = now.st_ctime_ns == check.found.st_ctime_ns
                check.reason = ROTTEN if is_same else CHANGED
                return
            start += read


def _nothing() -> None:
    pass
