"""A worker's second process ends with it, and holds nothing of its."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from sd_daemon.host.forked import fork

if TYPE_CHECKING:
    from sd_daemon.core.jobs.context import Link

pytestmark = pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2,
    reason="there is one processor, or no kernel that ends a process with its parent",
)

WORKER = """
import os, time
from sd_daemon.host.forked import fork
def live(link):
    link.send(b"%d" % os.getpid())
    while True:
        time.sleep(60)
second = fork(live)
print(second.take(60).decode(), flush=True)
time.sleep(60)
"""


def test_it_ends_with_the_worker_however_that_ends() -> None:
    with subprocess.Popen([sys.executable, "-c", WORKER], stdout=subprocess.PIPE) as worker:
        assert worker.stdout is not None
        pid = os.pidfd_open(int(worker.stdout.readline()))
        try:
            assert not select.select([pid], [], [], 0)[0]
            worker.send_signal(signal.SIGKILL)
            assert worker.stdout.read() == b"", "the worker's end is seen at once"
            assert select.select([pid], [], [], 60)[0]
        finally:
            os.close(pid)


def test_it_has_no_files_of_the_worker() -> None:
    def live(link: Link) -> None:
        link.send(" ".join(os.listdir("/proc/self/fd")).encode())

    with open(os.devnull, "rb") as file:
        second = fork(live)
        assert second is not None
        said = second.take(60)
        assert said is not None
        held = said.decode().split()
        assert second.take(60) == b""
        second.end()
        assert str(file.fileno()) not in held
        # its link, where complaints go, and the folder that is listed
        assert len(held) == 3


def test_a_defect_is_complained_of(capfd: pytest.CaptureFixture[str]) -> None:
    def live(_link: Link) -> None:
        raise ValueError("a defect of ours")

    second = fork(live)
    assert second is not None
    assert second.take(60) == b""
    second.end()
    assert "a defect of ours" in capfd.readouterr().err


def test_with_one_processor_there_is_none() -> None:
    processors = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(processors)})
    try:
        assert fork(lambda _link: None) is None
    finally:
        os.sched_setaffinity(0, processors)
