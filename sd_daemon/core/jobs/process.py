"""A worker process as the daemon sees it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import TYPE_CHECKING

import msgspec

import sd_daemon
from sd_daemon.core.jobs.pulse import STUCK, stands_still
from sd_daemon.core.jobs.reports import STOP, Broken, Completed, Interrupted, Order, Report
from sd_daemon.core.log import get_log
from sd_wire.messages import MAX_LINE

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable


log = get_log(__name__)

STDERR_KEPT = 16 * 1024  # bytes of what a worker had to say on standard error
KILLED_S = 2.0  # from being killed to its end; one that waits for a dead filesystem has none
STDERR_PATIENCE = 1.0  # seconds for the end of that; a process of the worker's own may hold it open
PROGRAM = "sd_daemon.host.worker"  # run by name: this floor does not import that one
LINE_LIMIT = 4 * MAX_LINE  # bytes of one report; the largest is a verification's result

WORKER_LOST = "worker-lost"  # the code of a job whose worker ended without a word
LAST_WORDS = (Completed, Interrupted, Broken)
# Whoever ends a whole session or service sends these to every process of it, the daemon included:
# they stop a job as the daemon's own end does, and it goes on with the next worker.
_POLITE = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

_decode = msgspec.json.Decoder(Report).decode


def _command() -> list[str]:
    """Start without `site` and with our own module path: 20 ms faster, and right for every way
    this program can be installed. Nothing that is read then is garbage: not to look for it is
    worth 3 ms."""
    root = os.path.dirname(next(iter(sd_daemon.__path__)))
    path = [root, *(entry for entry in sys.path if entry and entry != root)]
    bare = f"import gc, sys; gc.disable(); sys.path[:] = {path!r}"
    code = f"{bare}; from {PROGRAM} import main; main()"
    return [sys.executable, "-I", "-S", "-X", "utf8", "-c", code]


class WorkerProcess:
    """The real thing. Made by `start`."""

    def __init__(
        self, process: asyncio.subprocess.Process, job_id: str, patience: float | None
    ) -> None:
        self._process = process
        self._job_id = job_id
        self._patience = patience
        self._complaints = b""
        self._is_heard = False  # what it says is waited for
        self._is_stuck = False

    @classmethod
    async def start(
        cls, order: Order, descriptors: Iterable[int] = (), *, patience: float | None = None
    ) -> WorkerProcess:
        """Start a process for this job, which has these descriptors under the numbers they have
        here. If it stands still for `patience` seconds it is killed, and left alone where that
        does not end it. Raises OSError when the system has no room for one."""
        process = await asyncio.create_subprocess_exec(
            *_command(),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=LINE_LIMIT,
            pass_fds=tuple(descriptors),
        )
        worker = cls(process, order.job_id, patience)
        worker.tell(order)
        return worker

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    async def reports(self) -> AsyncGenerator[Report, None]:
        """What the worker says, a last word included: where it ends without one, or speaks
        nonsense, that is of our own making. However this ends, the worker has ended with it."""
        complaints = asyncio.create_task(self._read_complaints())
        guard = asyncio.create_task(self._guard())
        last: Report | None = None
        try:
            while not isinstance(last, LAST_WORDS):
                last = await self._next()
                if last is None and not self._is_stuck:
                    await complaints
                    last = self._lost(await self._process.wait())
                yield last or Broken("it waited for a filesystem that does not answer", STUCK)
                if last is None:
                    return
        finally:
            guard.cancel()
            if not isinstance(last, LAST_WORDS):
                self.kill()
            if not self._is_stuck:
                await self._process.wait()
            await asyncio.wait({complaints}, timeout=STDERR_PATIENCE)
            complaints.cancel()
            if self._complaints:
                log.warning("a worker complained", job_id=self._job_id, trace=self._said())

    async def _next(self) -> Report | None:
        assert self._process.stdout is not None
        self._is_heard = True
        try:
            line = await self._process.stdout.readline()
            return _decode(line) if line else None
        except (ValueError, msgspec.MsgspecError) as error:
            self.kill()
            return Broken(f"its worker could not be understood: {error}", "defect")
        finally:
            self._is_heard = False

    async def _guard(self) -> None:
        """End the worker when it stands still; if it cannot be ended now, wait for it no more."""
        if self._patience is None:
            return
        if await stands_still(self.pid, self._patience, lambda: self._is_heard):
            self._is_stuck = True
            self.kill()
            await asyncio.wait({asyncio.ensure_future(self._process.wait())}, timeout=KILLED_S)
            assert self._process.stdout is not None
            self._process.stdout.feed_eof()

    def stop(self) -> None:
        """Ask the worker to stop at its next safe point."""
        self._write(STOP + b"\n")

    def tell(self, message: msgspec.Struct) -> None:
        """Say something that this kind of work understands."""
        self._write(msgspec.json.encode(message) + b"\n")

    def kill(self) -> None:
        """End the worker now."""
        try:
            self._process.kill()
        except ProcessLookupError:
            pass  # it has ended by itself

    def _write(self, text: bytes) -> None:
        assert self._process.stdin is not None
        if not self._process.stdin.is_closing():
            self._process.stdin.write(text)

    async def _read_complaints(self) -> None:
        assert self._process.stderr is not None
        while piece := await self._process.stderr.read(4096):
            self._complaints = (self._complaints + piece)[-STDERR_KEPT:]

    def _said(self) -> str:
        """What it said on standard error, to be told once."""
        said, self._complaints = self._complaints, b""
        return said.decode("utf-8", "replace").rstrip("\n")

    def _lost(self, status: int) -> Broken | Interrupted:
        """What to say of a worker that ended without a last report."""
        if -status in _POLITE:
            return Interrupted()
        trace = self._said()
        if status < 0:
            known = {number.value: number.name for number in signal.Signals}
            reason = f"its worker was ended by {known.get(-status, f'signal {-status}')}"
            if -status == signal.SIGKILL:
                reason += " (by hand, or because memory ran out)"
        else:
            reason = f"its worker ended with status {status}"
        return Broken(reason, WORKER_LOST, trace)
