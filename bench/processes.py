"""Processes under measurement: started, looked at, and surely ended."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

STOP_S = 10.0


def raise_file_limit() -> None:
    """As many descriptors as we may have, for us and for those we start."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def wait_until(true: Callable[[], object], seconds: float, what: str, step: float = 0.01) -> None:
    """Raises TimeoutError with `what` unless it becomes true in time."""
    until = time.monotonic() + seconds
    while not true():
        if time.monotonic() > until:
            raise TimeoutError(f"{what}: not within {seconds:.0f} s")
        time.sleep(step)


def json_output(command: Sequence[str], seconds: float) -> bytes:
    """What a program writes. Raises RuntimeError with its complaint if it fails."""
    done = subprocess.run(command, capture_output=True, timeout=seconds, check=False)
    if done.returncode:
        complaint = done.stderr.decode("utf-8", "replace").strip()[-500:]
        raise RuntimeError(f"{' '.join(command[:2])} ended with {done.returncode}: {complaint}")
    return done.stdout


class Server:
    """A process that serves until the block ends. What it says goes to a log file."""

    def __init__(
        self,
        command: Sequence[str],
        log: Path,
        *,
        ready: Callable[[], object],
        env: Mapping[str, str] | None = None,
        patience: float = 20.0,
    ) -> None:
        self._command = list(command)
        self._log = log
        self._ready = ready
        self._env = env
        self._patience = patience
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id."""
        assert self._process is not None
        return self._process.pid

    def __enter__(self) -> Server:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self._env
            )
        try:
            wait_until(self._is_ready, self._patience, f"{self._command[0]} answers")
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _is_ready(self) -> object:
        assert self._process is not None
        if self._process.poll() is not None:
            said = self._log.read_text("utf-8", "replace")[-500:]
            raise RuntimeError(f"{self._command[0]} ended at once: {said}")
        return self._ready()

    def stop(self) -> None:
        """End it, by force if need be."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


# --- what /proc says --------------------------------------------------------------------------


def memory(pid: int) -> dict[str, float]:
    """Resident memory in KiB: `rss` in all, `pss` with shared pages shared out, `own` unshared."""
    found = dict.fromkeys(("rss", "pss", "own"), 0.0)
    names = {"Rss": "rss", "Pss": "pss", "Private_Clean": "own", "Private_Dirty": "own"}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, _, rest = line.partition(":")
        if name in names:
            found[names[name]] += float(rest.split()[0])
    return found


def peak_rss(pid: int) -> float:
    """The most memory it has had resident, in KiB; 0 where it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    for line in status.splitlines():
        if line.startswith("VmHWM:"):
            return float(line.split()[1])
    return 0.0


def wake_ups(pid: int) -> int:
    """How often its threads have gone to sleep and been woken."""
    total = 0
    for thread in Path(f"/proc/{pid}/task").iterdir():
        try:
            status = (thread / "status").read_text()
        except OSError:  # it has ended
            continue
        for line in status.splitlines():
            if line.startswith("voluntary_ctxt_switches:"):
                total += int(line.split()[1])
    return total


def cpu_seconds(pid: int) -> float:
    """Processor time it has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def children(pid: int) -> list[int]:
    """Its child processes."""
    found: list[int] = []
    try:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            found += [int(word) for word in (thread / "children").read_text().split()]
    except OSError:
        pass
    return found


class ChildMemory:
    """`with ChildMemory(pid) as seen:` watches how much memory the children of a process take.

    `seen.peak` is the most that any one of them had, in KiB.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.peak = 0.0

    def __enter__(self) -> ChildMemory:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._end.wait(0.05):
            for child in children(self._pid):
                self.peak = max(self.peak, peak_rss(child))
