"""Programs of the same trade that stand beside ours, where they are installed.

Commands come from the distribution. Python packages come from a virtual environment of their own
at bench/build/peers, so that ours keeps its few dependencies.
"""

from __future__ import annotations

import os
import shutil
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bench.compiled import BUILD
from bench.processes import Server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

VENV = BUILD / "peers"
PACKAGES = ("redis", "hiredis", "pywatchman", "grpcio", "dbus-fast")
_PIP = f"{VENV}/bin/pip install {' '.join(PACKAGES)}"

COMMANDS = {
    "watchman": ("watchman",),
    "redis-server": ("redis-server",),
    "redis-cli": ("redis-cli",),
    "dbus-daemon": ("dbus-daemon",),
    "updatedb": ("updatedb.plocate",),
    "plocate": ("plocate",),
    "fd": ("fdfind", "fd"),
    "b3sum": ("b3sum",),
    "git": ("git",),
    "rsync": ("rsync",),
    "rclone": ("rclone",),
}
"""What a peer's command may be called."""

INSTALL = {
    "watchman": "Debian: apt install watchman",
    "redis-server": "Debian: apt install redis-server",
    "redis-cli": "Debian: apt install redis-tools",
    "dbus-daemon": "Debian: apt install dbus",
    "updatedb": "Debian: apt install plocate",
    "plocate": "Debian: apt install plocate",
    "fd": "Debian: apt install fd-find",
    "b3sum": "Debian: apt install b3sum",
    "git": "Debian: apt install git",
    "rsync": "Debian: apt install rsync",
    "rclone": "Debian: apt install rclone",
    "peers-python": f"python3 -m venv {VENV} && {_PIP}",
}

_DBUS_CONFIGURATION = """<busconfig>
  <type>session</type>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="false"/>
    <allow receive_sender="*"/>
    <allow own="*"/>
  </policy>
  <limit name="max_completed_connections">4096</limit>
  <limit name="max_connections_per_user">4096</limit>
</busconfig>
"""


def find(name: str) -> str | None:
    """The path of a peer, or None where it is not installed."""
    if name == "peers-python":
        python = VENV / "bin/python"
        return str(python) if python.exists() else None
    paths = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    found = (shutil.which(command, path=paths) for command in COMMANDS[name])
    return next((path for path in found if path), None)


def answers(path: Path, request: bytes) -> bool:
    """Whether somebody answers a request on a Unix socket."""
    with socket.socket(socket.AF_UNIX) as made:
        made.settimeout(5)
        try:
            made.connect(str(path))
            made.sendall(request)
            return bool(made.recv(4096))
        except OSError:
            return False


@contextmanager
def echo(program: str, place: Path) -> Iterator[Path]:
    """The C echo; yields its socket."""
    path = place / "echo.sock"
    with Server([program, str(path)], place / "echo.log", ready=lambda: answers(path, b"x")):
        yield path


@contextmanager
def redis(program: str, place: Path) -> Iterator[tuple[Path, Server]]:
    """Redis on a Unix socket only, storing nothing; yields the socket and the process."""
    path = place / "redis.sock"
    options = {"port": "0", "unixsocket": str(path), "save": "", "appendonly": "no"}
    command = [program]
    for key, value in {**options, "dir": str(place), "maxclients": "12000"}.items():
        command += [f"--{key}", value]
    with Server(command, place / "redis.log", ready=lambda: answers(path, b"PING\r\n")) as server:
        yield path, server


@contextmanager
def watchman(program: str, place: Path) -> Iterator[tuple[Path, Server]]:
    """Watchman with a state of its own; yields the socket and the process."""
    path = place / "watchman.sock"
    command = [
        program,
        "--foreground",
        f"--sockname={path}",
        f"--logfile={place}/watchman.log",
        f"--statefile={place}/watchman.state",
        f"--pidfile={place}/watchman.pid",
    ]
    with Server(
        command, place / "watchman.out", ready=lambda: answers(path, b'["version"]\n')
    ) as server:
        yield path, server


@contextmanager
def dbus(program: str, place: Path) -> Iterator[tuple[str, Server]]:
    """A message bus of its own; yields its address and the process."""
    path = place / "bus.sock"
    configuration = place / "bus.conf"
    configuration.write_text(_DBUS_CONFIGURATION.format(socket=path))
    command = [program, f"--config-file={configuration}", "--nofork", "--nopidfile"]
    with Server(command, place / "bus.log", ready=path.exists) as server:
        yield f"unix:path={path}", server
