"""A real daemon process on a folder of its own, and a client that is nothing but a socket."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

START_TIME = 20.0  # seconds; a loaded machine with a cold cache needs two
ANSWER_TIME = 20.0


class Wire:
    """One connection, spoken by hand."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        try:
            self.socket.connect(str(path))  # without a time-out, so that it waits for its turn
        except OSError:
            self.socket.close()
            raise
        self.socket.settimeout(ANSWER_TIME)
        self._file = self.socket.makefile("rb")

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def send(self, *messages: Any) -> None:
        """Requests, in one write. Bytes go as they are, without an LF."""
        self.socket.sendall(
            b"".join(
                one if isinstance(one, bytes) else json.dumps(one).encode() + b"\n"
                for one in messages
            )
        )

    def read(self) -> Any:
        """The next line, decoded. Raises EOFError at the end."""
        line = self._file.readline()
        if not line:
            raise EOFError
        assert line.endswith(b"\n")
        assert line.isascii()
        return json.loads(line)

    def read_bytes(self, count: int) -> bytes:
        """So many bytes, where the daemon does not send lines."""
        return self._file.read(count)

    def ask(self, message: Any) -> Any:
        """Send one and read one."""
        self.send(message)
        return self.read()

    def read_rest(self) -> list[Any]:
        """Every line until the daemon closes."""
        return [json.loads(line) for line in self._file.read().splitlines()]

    def done(self) -> None:
        """Say that nothing more is coming, and go on listening."""
        self.socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Hang up."""
        self._file.close()
        self.socket.close()


def obey_permissions() -> None:
    """Let permissions hold for root, too, from the next program on."""
    libc = ctypes.CDLL(None)
    for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
        libc.prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP


class Daemon:
    """A daemon process. Started by `start`, killed at the end if it still runs.

    Without `watching` only jobs change the index: so a test sees what a job does, and not what
    was done by the time it ran.
    """

    def __init__(self, data_dir: Path, *, watching: bool = False) -> None:
        self.data_dir = data_dir
        self.watching = watching
        self.socket_path = data_dir / "daemon" / "daemon.sock"
        self.process: subprocess.Popen[bytes] | None = None
        self._wires: list[Wire] = []

    def start(self, *options: str, wait: bool = True, **settings: Any) -> Daemon:
        """Start it; unless told otherwise, return when it answers."""
        if not self.watching:
            self._switch_off()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "sd_daemon", "--data-dir", str(self.data_dir), *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            **settings,
        )
        if wait:
            self.wait_until_it_answers()
        return self

    def _switch_off(self) -> None:
        """Have it watch nothing, if it has no configuration yet."""
        try:
            self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            with open(self.data_dir / "spacedrive.json", "x", encoding="utf-8") as file:
                file.write('{"services": {"fs_watcher_enabled": false}}')
        except OSError:
            pass  # it has one, or what is in its place is the point of the test

    def wait_until_it_answers(self) -> None:
        """Connect until somebody is there. The kernel offers nothing to wait for here."""
        deadline = time.monotonic() + START_TIME
        while time.monotonic() < deadline:
            assert self.process is not None
            if self.process.poll() is not None:
                pytest.fail(f"the daemon ended: {self.errors()}")
            try:
                with self.connect() as wire:
                    # A query is held until the core is open, so its answer means "ready".
                    wire.ask({"Query": {"method": "query:libraries.list"}})
                return
            except OSError:
                time.sleep(0.01)
        pytest.fail("the daemon does not answer")

    def connect(self) -> Wire:
        """A new connection."""
        wire = Wire(self.socket_path)
        self._wires.append(wire)
        return wire

    def call(self, method: str, payload: Any = None, library_id: str | None = None) -> Any:
        """The result of a call. Raises CallFailed with what the daemon said."""
        kind = "Query" if method.startswith("query:") else "Action"
        call = {"method": method, "library_id": library_id, "payload": payload}
        with self.connect() as wire:
            reply = wire.ask({kind: call, "id": 1})
        if "Error" in reply:
            raise CallFailed(reply)
        return reply["JsonOk"]

    def log_text(self) -> str:
        """What the log file says."""
        path = self.data_dir / "logs" / "daemon.log"
        return path.read_text("utf-8") if path.exists() else ""

    def memory(self) -> int:
        """Resident KiB."""
        assert self.process is not None
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
            status = file.read()
        return int(status.partition("VmRSS:")[2].split()[0])

    def errors(self) -> str:
        """What it wrote to standard error, once it has ended."""
        assert self.process is not None
        assert self.process.stderr is not None
        return self.process.stderr.read().decode()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        assert self.process is not None
        os.kill(self.process.pid, number)

    def wait(self) -> int:
        """Its exit status, when it has ended."""
        assert self.process is not None
        return self.process.wait(ANSWER_TIME)

    def stop(self) -> int:
        """Stop it as a service manager does. Returns the exit status."""
        if self.process is not None and self.process.poll() is None:
            self.signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        """Make sure that nothing is left of it."""
        for wire in self._wires:
            wire.close()
        if self.process is not None:
            if self.process.poll() is None:
                self.process.kill()
            self.process.wait()
            if self.process.stderr is not None:
                self.process.stderr.close()


class CallFailed(Exception):
    """A call that was answered with an error; `reply` is the whole answer."""

    def __init__(self, reply: dict[str, Any]) -> None:
        super().__init__(reply["Error"])
        self.reply = reply
        self.code: str = reply["details"]["code"]
