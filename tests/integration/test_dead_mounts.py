"""A filesystem that does not answer any more harms nobody but those who want something of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from person import plant
from watched import PATIENCE_S, Watched

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from running import Daemon

SERVER = Path(__file__).with_name("slow_mount.py")
pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not os.path.exists("/dev/fuse"), reason="only root can mount, and FUSE"
)


class SlowMount:
    """A filesystem at `folder` that shows what is in `source`."""

    def __init__(self, base: Path) -> None:
        self.source, self.folder = base / "source", base / "mounted"
        plant(self.source)
        self.folder.mkdir()
        command = [sys.executable, SERVER, self.folder, self.source]
        self.server = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert self.server.stdout is not None
        assert self.server.stdout.readline() == b"mounted\n"

    def hang(self) -> None:
        self.server.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.server.pid, os.WSTOPPED)

    def answer(self) -> None:
        self.server.send_signal(signal.SIGCONT)

    def end(self) -> None:
        self.answer()
        subprocess.run(["umount", "--lazy", self.folder], check=True)
        self.server.kill()
        self.server.communicate()


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[SlowMount]:
    made = SlowMount(tmp_path)
    yield made
    made.end()


@pytest.fixture
def scan_seconds() -> int:
    return 1


@pytest.fixture
def patient(make_daemon: Callable[..., Daemon], scan_seconds: int) -> Daemon:
    """A daemon that scans often, and waits two seconds for an answer."""
    daemon = make_daemon(watching=True)
    daemon.data_dir.mkdir(mode=0o700)
    config = {"services": {"fs_scan_seconds": scan_seconds, "fs_answer_seconds": 2}}
    (daemon.data_dir / "spacedrive.json").write_text(json.dumps(config), "utf-8")
    return daemon.start()


def in_time(condition: Callable[[], bool]) -> None:
    """Wait until something holds."""
    until = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_what_nobody_tells_of_is_scanned(patient: Daemon, slow: SlowMount) -> None:
    watched = Watched(patient, slow.folder)
    state = watched.state()
    assert (state["watching"], state["is_available"]) == ("periodic", True)
    assert state["watching_reason"] == "fuse.slow does not tell what others change there"
    (slow.source / "new").write_text("written on another machine")
    watched.agrees()


def test_one_that_hangs_harms_no_other(patient: Daemon, slow: SlowMount, tmp_path: Path) -> None:
    watched = Watched(patient, plant(tmp_path / "tree", folders=4, files=4))
    person = watched.person
    distant = person.index(slow.folder)
    known = watched.ids()
    slow.hang()
    in_time(lambda: not person.locations()[distant]["is_available"])
    state = person.locations()[distant]
    assert state["watching_reason"] == f"the filesystem at '{slow.folder}' does not answer"
    assert "a location is not followed until it answers" in patient.log_text()
    (watched.tree / "0001" / "new").write_text("elsewhere all goes on")
    watched.agrees()
    assert person.ask("core.status")["services"]["location_watcher"]["running"]
    assert watched.ids().items() >= known.items()
    slow.answer()
    (slow.source / "later").write_text("when it is back")
    in_time(lambda: f"{slow.folder}/later" in watched.ids())
    in_time(lambda: person.locations()[distant]["is_available"])
    assert "a location answers again" in patient.log_text()


def test_one_that_hangs_inside_a_location(patient: Daemon, tmp_path: Path) -> None:
    """The folders around it are followed, and looked at whole, all the same."""
    tree = plant(tmp_path / "tree", folders=4, files=4)
    (tree / "0002").rename(tmp_path / "kept")
    slow = SlowMount(tree)
    try:
        watched = Watched(patient, tree)
        known = watched.ids()
        assert f"{slow.folder}/link" in known
        slow.hang()
        in_time(lambda: not watched.state()["is_available"])
        for follower in watched.followers():
            os.kill(follower, signal.SIGKILL)  # the next one looks at everything
        (tmp_path / "kept").rename(tree / "back")
        in_time(lambda: f"{tree}/back/0001.txt" in watched.ids())
        assert watched.ids().items() >= known.items()
        slow.answer()
        watched.agrees()
    finally:
        slow.end()


@pytest.mark.parametrize("scan_seconds", [3600])  # so that nobody knows of it yet
def test_a_scan_that_hangs_is_given_up(patient: Daemon, slow: SlowMount, tmp_path: Path) -> None:
    watched = Watched(patient, plant(tmp_path / "tree", folders=4, files=4))
    person = watched.person
    distant = person.index(slow.folder)
    ends = person.listen("JobFailed")
    slow.hang()
    person.ask("locations.rescan!", {"location_id": distant})
    failed = ends.until("JobFailed")
    assert failed["error"] == "it waited for a filesystem that does not answer"
    (watched.tree / "0001" / "new").write_text("nobody waits for it")
    watched.agrees()
    in_time(lambda: not person.locations()[distant]["is_available"])
    refusal = person.refused("locations.rescan!", {"location_id": distant})
    assert refusal.code == "location-offline"
    slow.answer()
    (slow.source / "later").write_text("when it is back")
    person.ask("locations.rescan!", {"location_id": distant})  # and not only after an hour
    in_time(lambda: f"{slow.folder}/later" in watched.ids())
    assert person.locations()[distant]["is_available"]


def test_a_follower_that_stands_still_is_replaced(patient: Daemon, tmp_path: Path) -> None:
    watched = Watched(patient, plant(tmp_path / "tree", folders=4, files=4))
    (watched.tree / "0001" / "first").write_text("so that somebody follows")
    watched.agrees()
    (still,) = watched.followers()
    os.kill(still, signal.SIGSTOP)
    (watched.tree / "0001" / "new").write_text("seen by the next one")
    watched.agrees()
    assert still not in watched.followers()
    assert "it waited for a filesystem that does not answer" in patient.log_text()
