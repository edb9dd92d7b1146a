"""The `sd` command as a person or a script runs it: a process, its streams, its exit status."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

LAUNCHER = Path(__file__).parents[2] / "sd_client" / "cli" / "sd"
PATIENCE = 30.0


class Ran(NamedTuple):
    """How a command ended."""

    status: int
    out: bytes
    err: str

    @property
    def lines(self) -> list[str]:
        """Standard output, line by line."""
        return self.out.decode().splitlines()


class Sd:
    """The command on one data folder."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir

    def environment(self, **more: str) -> dict[str, str]:
        """An environment in which only this data folder and this Python are meant."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("SD_")}
        return {
            **kept,
            "SD_DATA_DIR": str(self.data_dir),
            "SD_PYTHON": sys.executable,
            "TERM": "xterm",
            **more,
        }

    def command(self, *words: str | bytes) -> list[str | bytes]:
        """What a shell would execute."""
        return [str(LAUNCHER), *words]

    def __call__(
        self,
        *words: str | bytes,
        stdin: bytes = b"",
        environment: Mapping[str, str] | None = None,
        **settings: Any,
    ) -> Ran:
        """Run it to its end, without a terminal."""
        ran = subprocess.run(
            self.command(*words),
            input=stdin,
            capture_output=True,
            env=environment or self.environment(),
            timeout=PATIENCE,
            check=False,
            **settings,
        )
        return Ran(ran.returncode, ran.stdout, ran.stderr.decode("utf-8", "surrogateescape"))

    def good(self, *words: str | bytes, **settings: Any) -> Ran:
        """Run it; it has to succeed."""
        ran = self(*words, **settings)
        assert ran.status == 0, ran
        return ran


def _as_a_login_does() -> None:
    """Make standard input the terminal whose keys send signals, and let these do what they usually
    do: a shell starts its background jobs deaf to Ctrl-C, and whoever runs the tests so hands that
    down to every command."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


class Terminal:
    """The command on a terminal of its own, 80 columns wide."""

    def __init__(self, sd: Sd, *words: str, **environment: str) -> None:
        self.master, follower = pty.openpty()
        fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.process = subprocess.Popen(
            sd.command(*words),
            stdin=follower,
            stdout=follower,
            stderr=follower,
            env=sd.environment(**environment),
            start_new_session=True,
            preexec_fn=_as_a_login_does,
        )
        os.close(follower)
        self.shown = b""

    def read_until(self, text: bytes) -> bytes:
        """Everything that was shown, once this text was."""
        deadline = time.monotonic() + PATIENCE
        while text not in self.shown:
            if not self._read(deadline - time.monotonic()):
                pytest.fail(f"{text!r} was never shown: {self.shown!r}")
        return self.shown

    def read_all(self) -> tuple[int, bytes]:
        """The exit status and everything that was shown."""
        while self._read(PATIENCE):
            pass
        return self.process.wait(PATIENCE), self.shown

    def type(self, data: bytes) -> None:
        """Press keys."""
        os.write(self.master, data)

    def close(self) -> None:
        """Make sure that nothing is left of it."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.master)

    def _read(self, patience: float) -> bool:
        if not select.select([self.master], [], [], max(0.0, patience))[0]:
            return False
        try:
            data = os.read(self.master, 65536)
        except OSError:  # the other side is closed
            return False
        self.shown += data
        return bool(data)
