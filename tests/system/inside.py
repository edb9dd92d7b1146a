"""Clients for the inside of a container: plain sockets, nothing of ours. Prints JSON.

inside.py ping SOCKET                 one request; milliseconds
inside.py subscribe SOCKET COUNT      hold subscriptions until their end; print "held" first
inside.py cold SOCKET COUNT UNIT      stop the unit, connect, and so on; milliseconds of each
inside.py visit SOCKET COUNT PAUSE    requests with pauses, about so long; what went wrong
inside.py shutdown SOCKET             ask the daemon to end; what it says
inside.py polite SOCKET SECONDS       one request after the other; how many failed, and the slowest
inside.py hostile SOCKET SECONDS      whatever a client should not do
inside.py try                         what a service may do, tried from within its sandbox
"""

from __future__ import annotations

import ctypes
import json
import os
import random
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

QUESTION = b'{"Query":{"method":"query:libraries.list"}}\n'
TIME = 30.0


def ask(path: str, question: bytes = QUESTION) -> dict[str, Any]:
    """One request over a connection of its own."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(TIME)
        sock.connect(path)
        sock.sendall(question)
        answer = sock.makefile("rb").readline()
    reply: dict[str, Any] = json.loads(answer)
    return reply


def ping(path: str) -> float:
    """Milliseconds of a request."""
    began = time.monotonic()
    assert "JsonOk" in ask(path)
    return round((time.monotonic() - began) * 1000, 1)


def subscribe(path: str, count: str) -> str:
    """Hold subscriptions until the daemon ends them."""
    held = []
    for _ in range(int(count)):
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(path)
        sock.sendall(b'{"Subscribe":{"event_types":[],"filter":null}}\n')
        assert sock.recv(4096)
        held.append(sock)
    print("held", flush=True)
    for sock in held:
        while sock.recv(65536):
            pass
    return "ended"


def cold(path: str, count: str, unit: str) -> list[float]:
    """Milliseconds from connecting to the first answer of a daemon that did not run."""
    times = []
    for _ in range(int(count)):
        subprocess.run(["systemctl", "stop", unit], check=True)
        times.append(ping(path))
    return times


def visit(path: str, count: str, pause: str) -> dict[str, Any]:
    """Requests one after the other, each over a new connection; how many failed, and how."""
    failed = []
    started = set()
    for _ in range(int(count)):
        try:
            status = ask(path, b'{"Query":{"method":"query:core.status"}}\n')
            started.add(status["JsonOk"]["system"]["started_at"])
        except (OSError, ValueError, KeyError) as error:
            failed.append(repr(error))
        time.sleep(random.uniform(0, 2 * float(pause)))
    return {"failed": failed, "daemons": len(started)}


def shutdown(path: str) -> dict[str, Any]:
    """Ask the daemon to end; what it says."""
    return ask(path, b'{"Shutdown":null,"id":1}\n')


def polite(path: str, seconds: str) -> dict[str, Any]:
    """One request after the other, each over a new connection."""
    failed: list[str] = []
    times: list[float] = []
    until = time.monotonic() + float(seconds)
    while time.monotonic() < until:
        try:
            times.append(ping(path))
        except (OSError, ValueError, AssertionError) as error:
            failed.append(repr(error))
        time.sleep(0.01)
    times.sort()
    slowest = {"p99_ms": times[len(times) * 99 // 100], "worst_ms": times[-1]} if times else {}
    return {"failed": failed, "requests": len(times), **slowest}


def hostile(path: str, seconds: str) -> str:
    """Whatever a client should not do, all of it at once."""
    until = time.monotonic() + float(seconds)
    held: list[socket.socket] = []

    def connected() -> socket.socket:
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(0.2)
        sock.connect(path)
        return sock

    def garbage() -> None:
        connected().sendall(random.randbytes(65536) + b"\n{]\n" * 1000)

    def endless() -> None:
        sock = connected()
        for _ in range(100):
            sock.sendall(b"[" * 1_000_000)

    def slow() -> None:
        sock = connected()
        held.append(sock)
        for letter in QUESTION[:20]:
            sock.sendall(bytes([letter]))

    def deaf() -> None:
        sock = connected()
        held.append(sock)
        for _ in range(1000):
            sock.sendall(b'{"Query":{"method":"query:core.describe"},"id":1}\n')

    def many() -> None:
        held.extend(connected() for _ in range(200))

    while time.monotonic() < until:
        for one in (garbage, endless, slow, deaf, many):
            try:
                one()
            except OSError:
                pass  # refused, cut off, made to wait: as it should be
    return "done"


def attempt() -> dict[str, str]:
    """What came of each thing that a daemon has no business with."""
    libc = ctypes.CDLL(None, use_errno=True)

    def mount() -> None:
        if libc.mount(b"none", b"/tmp", b"tmpfs", 0, None):
            raise OSError(ctypes.get_errno(), "mount")

    def unshare() -> None:
        if libc.unshare(0x10000000):  # CLONE_NEWUSER
            raise OSError(ctypes.get_errno(), "unshare")

    def write(path: str) -> None:
        with open(path, "w") as file:
            file.write("x")

    tries = {
        "write /usr": lambda: write("/usr/x"),
        "write /etc": lambda: write("/etc/x"),
        "write /var/lib": lambda: write("/var/lib/x"),
        "write state": lambda: write("/var/lib/spacedrive/x"),
        "AF_INET": lambda: socket.socket(socket.AF_INET).close(),
        "AF_UNIX": lambda: socket.socket(socket.AF_UNIX).close(),
        "list /home": lambda: os.listdir("/home/shared"),
        "write /home": lambda: write("/home/shared/x"),
        "other processes": lambda: os.stat("/proc/1/status"),
        "/proc/sys": lambda: os.stat("/proc/sys/kernel"),
        "/dev/kmsg": lambda: os.stat("/dev/kmsg"),
        "mount": mount,
        "unshare": unshare,
        "setuid": lambda: os.setuid(0),
        "set the clock": lambda: time.clock_settime(time.CLOCK_REALTIME, time.time()),
        "write sysctl": lambda: write("/proc/sys/kernel/hostname"),
        "write /srv": lambda: write("/srv/shared/x"),
    }
    came: dict[str, str] = {}
    for name, one in tries.items():
        try:
            one()
            came[name] = "done"
        except OSError as error:
            came[name] = f"refused: {error.strerror}"
    return came


if __name__ == "__main__":
    commands: dict[str, Callable[..., object]] = {
        one.__name__: one for one in (ping, subscribe, cold, visit, shutdown, polite, hostile)
    }
    commands["try"] = attempt
    print(json.dumps(commands[sys.argv[1]](*sys.argv[2:])))
