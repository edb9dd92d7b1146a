"""What a service manager hears, to the byte, from a socket that stands for it."""

from __future__ import annotations

import array
import asyncio
import os
import socket
import time
from typing import TYPE_CHECKING

import pytest

from sd_daemon.host.notify import STATUS_BYTES, Supervisor
from sd_daemon.host.status import INTERVAL, Status

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STANDARD_ERROR = 2


class Service:
    """A notify socket, and the environment of whoever is to use it."""

    def __init__(self, path: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path.replace("@", "\0"))
        self.socket.settimeout(5)
        self.environ = os.environ
        self.environ["NOTIFY_SOCKET"] = path

    def heard(self) -> list[str]:
        """The lines of the next datagram."""
        return self.socket.recv(65536).decode().split("\n")

    def silent(self) -> bool:
        """Whether nothing waits to be heard."""
        self.socket.settimeout(0)
        try:
            self.socket.recv(1)
        except BlockingIOError:
            return True
        finally:
            self.socket.settimeout(5)
        return False

    def received(self) -> tuple[list[str], list[int]]:
        """The next datagram with its descriptors."""
        text, extra, _, _ = self.socket.recvmsg(65536, socket.CMSG_SPACE(64))
        numbers = array.array("i")
        for _, _, data in extra:
            numbers.frombytes(data)
        return text.decode().split("\n"), list(numbers)


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """A service manager that listens."""
    monkeypatch.setenv("NOTIFY_SOCKET", "")  # so that it is as before afterwards
    made = Service(str(tmp_path / "notify"))
    yield made
    made.socket.close()


@pytest.fixture
def supervisor(service: Service) -> Iterator[Supervisor]:
    """The daemon's end."""
    made = Supervisor.of(service.environ, os.getpid())
    yield made
    assert made._socket is not None
    made._socket.close()


def test_a_state_is_one_datagram(service: Service, supervisor: Supervisor) -> None:
    supervisor.ready("serving")
    assert service.heard() == ["READY=1", "STATUS=serving"]
    supervisor.stopping("closing")
    assert service.heard() == ["STOPPING=1", "STATUS=closing"]
    supervisor.extend(2.5)
    assert service.heard() == ["EXTEND_TIMEOUT_USEC=2500000"]
    supervisor.alive()
    assert service.heard() == ["WATCHDOG=1"]
    supervisor.trigger("the disk hangs")
    assert service.heard() == ["WATCHDOG=trigger", "STATUS=the disk hangs"]


def test_reloading_says_when_in_the_same_datagram(service: Service, supervisor: Supervisor) -> None:
    before = time.monotonic_ns() // 1000
    supervisor.reloading("reading")
    name, clock, status = service.heard()
    assert (name, status) == ("RELOADING=1", "STATUS=reading")
    key, _, value = clock.partition("=")
    assert key == "MONOTONIC_USEC"
    assert before <= int(value) <= time.monotonic_ns() // 1000


def test_a_status_is_any_text_on_one_line(service: Service, supervisor: Supervisor) -> None:
    supervisor.status("→ 日本 é\nREADY=1\r\n\u2028WATCHDOG=trigger \udcff")
    assert service.heard() == ["STATUS=→ 日本 é READY=1 WATCHDOG=trigger \\xff"]


def test_a_long_status_ends_at_a_character(service: Service, supervisor: Supervisor) -> None:
    supervisor.status("x" + "é" * 3000)
    (line,) = service.heard()
    assert line == "STATUS=x" + "é" * ((STATUS_BYTES - 1) // 2)


def test_children_do_not_see_what_is_ours(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "3000000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    made = Supervisor.of(os.environ, os.getpid())
    assert made.watchdog == 3.0
    assert not {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} & set(os.environ)
    assert made._socket is not None
    assert not made._socket.get_inheritable()
    made._socket.close()


@pytest.mark.parametrize(
    "watchdog",
    [{"WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "-1"}, {"WATCHDOG_USEC": ""}],
)
def test_a_watchdog_that_is_not_for_us(
    service: Service, monkeypatch: pytest.MonkeyPatch, watchdog: dict[str, str]
) -> None:
    for name, value in {"WATCHDOG_USEC": "3000000", **watchdog}.items():
        monkeypatch.setenv(name, value)
    made = Supervisor.of(os.environ, os.getpid())
    assert made.watchdog is None
    assert made._socket is not None
    made._socket.close()


async def test_without_a_manager_nothing_happens() -> None:
    environ = {"WATCHDOG_USEC": "3000000", "PATH": "/bin"}
    made = Supervisor.of(environ, os.getpid())
    assert not made.listens
    assert made.watchdog is None
    assert environ == {"PATH": "/bin"}
    made.ready("x")
    made.keep("x", [STANDARD_ERROR])
    assert await made.barrier(0.01)


def test_an_abstract_socket_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", "")
    service = Service(f"@sd-test-{os.getpid()}")
    made = Supervisor.of(os.environ, os.getpid())
    made.alive()
    assert service.heard() == ["WATCHDOG=1"]
    service.socket.close()
    made.alive()  # a manager that is gone is no failure of ours
    assert made._socket is not None
    made._socket.close()


def test_descriptors_go_with_their_name(service: Service, supervisor: Supervisor) -> None:
    reading, writing = os.pipe()
    supervisor.keep("conn-1", [reading, writing])
    os.close(reading)
    lines, descriptors = service.received()
    assert lines == ["FDSTORE=1", "FDNAME=conn-1"]
    assert len(descriptors) == 2
    os.write(writing, b"x")
    assert os.read(descriptors[0], 1) == b"x"
    supervisor.keep("sta:te é", [writing], watched=False)
    lines, more = service.received()
    assert lines == ["FDSTORE=1", "FDNAME=sta_te__", "FDPOLL=0"]
    supervisor.forget("conn-1")
    assert service.heard() == ["FDSTOREREMOVE=1", "FDNAME=conn-1"]
    for descriptor in (writing, *descriptors, *more):
        os.close(descriptor)


async def test_a_barrier_ends_when_the_manager_has_read(
    service: Service, supervisor: Supervisor
) -> None:
    supervisor.status("before")
    passed = asyncio.create_task(supervisor.barrier(5))
    await asyncio.sleep(0)
    assert service.heard() == ["STATUS=before"]
    assert not passed.done()
    lines, (descriptor,) = service.received()
    assert lines == ["BARRIER=1"]
    os.close(descriptor)
    assert await passed
    assert not await supervisor.barrier(0.01), "nobody has read this one"


def stall(service: Service, supervisor: Supervisor) -> list[str]:
    """Say more than the manager's socket holds; what it holds."""
    said = 0
    while not supervisor._unsent:
        said += 1
        supervisor.status(str(said))
    return [f"STATUS={number}" for number in range(1, said)]


async def test_a_stalled_manager_holds_up_nobody(service: Service, supervisor: Supervisor) -> None:
    held = stall(service, supervisor)
    reading, writing = os.pipe()
    supervisor.ready("ready")
    supervisor.keep("conn", [reading])
    os.close(reading)
    for number in range(100):
        supervisor.status(f"later {number}")
        supervisor.alive()
    assert len(supervisor._unsent) == 4
    heard = [service.heard() for _ in held]
    assert [line for (line,) in heard] == held
    assert await asyncio.to_thread(service.heard) == ["READY=1", "STATUS=ready"]
    lines, descriptors = await asyncio.to_thread(service.received)
    assert lines[0] == "FDSTORE=1"
    assert await asyncio.to_thread(service.heard) == ["STATUS=later 99"]
    assert await asyncio.to_thread(service.heard) == ["WATCHDOG=1"]
    assert service.silent()
    for descriptor in (writing, *descriptors):
        os.close(descriptor)


async def test_the_sentence_is_told_when_it_changes_and_not_more_often(
    service: Service, supervisor: Supervisor
) -> None:
    sentences = ["one"]
    status = Status(asyncio.get_running_loop(), supervisor, lambda: sentences[-1])
    assert status.now() == "one"
    for number in range(50):
        sentences.append(f"no {number}")
        status.changed()
    assert service.silent(), "too early"
    began = asyncio.get_running_loop().time()
    heard = await asyncio.to_thread(service.heard)
    assert heard == ["STATUS=no 49"]
    assert asyncio.get_running_loop().time() - began <= INTERVAL + 1
    status.changed()
    await asyncio.sleep(INTERVAL * 1.2)
    assert service.silent(), "it was told before"
    assert status._timer is None, "it would wake up for nothing"
    status.close()
