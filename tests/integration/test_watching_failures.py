"""Whatever goes wrong with watching ends in a correct index, and in a sentence that helps."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from person import assert_sound, in_index, plant
from running import obey_permissions
from watched import Watched, sysctl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from running import Daemon

MUTATOR = Path(__file__).with_name("mutator.py")


@pytest.fixture
def watched(watching: Daemon, tmp_path: Path) -> Watched:
    return Watched(watching, plant(tmp_path / "tree", folders=4, files=4))


@contextmanager
def limit(name: str, value: int) -> Iterator[None]:
    """A limit of inotify is so low for a while."""
    before = sysctl(name, value)
    try:
        yield
    finally:
        sysctl(name, before)


@contextmanager
def mounted(place: Path, *options: str) -> Iterator[Callable[[], None]]:
    """A filesystem of its own; what is yielded takes it away."""
    place.mkdir(exist_ok=True)
    command = ["mount", "-t", "tmpfs", *options, "tmpfs", str(place)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"a filesystem cannot be mounted here: {done.stderr.strip()}")

    def unmount() -> None:
        subprocess.run(["umount", "--lazy", str(place)], check=True)

    try:
        yield unmount
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=False, capture_output=True)


def test_a_queue_that_overflows(watching: Daemon, tmp_path: Path) -> None:
    """The kernel drops events. Then everything is looked at."""
    with limit("max_queued_events", 50):  # holds for queues that are made from now on
        watched = Watched(watching, plant(tmp_path / "tree", folders=4, files=4))
    (follower,) = watched.followers()
    os.kill(follower, signal.SIGSTOP)
    for number in range(200):
        (watched.tree / "0001" / f"n{number}").write_text(str(number))
    (watched.tree / "0002").rename(watched.tree / "0001" / "moved")
    (watched.tree / "0003" / "0001.txt").write_text("in place")
    os.kill(follower, signal.SIGCONT)
    watched.agrees()
    watched.counts()


def test_the_limit_of_watches_is_named_and_the_rest_is_scanned(
    make_daemon: Callable[..., Daemon], tmp_path: Path
) -> None:
    daemon = make_daemon(watching=True)
    daemon.data_dir.mkdir(mode=0o700)
    config = {"services": {"fs_scan_seconds": 1}}
    (daemon.data_dir / "spacedrive.json").write_text(json.dumps(config), "utf-8")
    daemon.start()
    with limit("max_user_watches", 4):
        watched = Watched(daemon, plant(tmp_path / "tree", folders=8, files=1))
        states = watched.person.listen("ResourceChanged", library=watched.library)
        while (state := watched.state())["watching"] != "periodic":  # the fifth is reached later
            states.until("ResourceChanged", resource_type="location")
        assert state["scan_interval"] == {"secs": 1, "nanos": 0}
        assert "sysctl -w fs.inotify.max_user_watches=" in state["watching_reason"]
        (watched.tree / "0007" / "new").write_text("nobody tells of this")
        watched.agrees()
    # With the next job it is noticed that there may be more.
    watched.person.ask("locations.rescan!", {"location_id": watched.location})
    while watched.state()["watching"] != "live":
        states.until("ResourceChanged", resource_type="location")


def test_the_limit_of_instances_is_named(watching: Daemon, tmp_path: Path) -> None:
    with limit("max_user_instances", 0):
        watched = Watched(watching, plant(tmp_path / "tree"))
        state = watched.state()
    assert state["watching"] == "periodic"
    assert "sysctl -w fs.inotify.max_user_instances=" in state["watching_reason"]


def test_a_volume_that_is_unmounted_loses_nothing(watching: Daemon, tmp_path: Path) -> None:
    place = tmp_path / "volume"
    with mounted(place) as unmount:
        (place / "folder").mkdir()
        (place / "folder" / "file").write_text("on the volume")
        watched = Watched(watching, place)
        known = watched.ids()
        assert f"{place}/folder/file" in known
        unmount()
        (place / "beneath").mkdir()  # the empty folder is no longer empty
        (place / "beneath").rmdir()
        watched.person.daemon.call("query:core.status")
        watched.person.restart()
        assert watched.ids() == known
    with mounted(place):
        (place / "folder").mkdir()
        (place / "folder" / "another").write_text("on another volume")
        watched.agrees()
        (place / "folder" / "live").write_text("and watched")
        watched.agrees()


def test_a_volume_inside_a_location_comes_and_goes(watched: Watched) -> None:
    place = watched.tree / "0001" / "volume"
    place.mkdir()
    watched.agrees()
    with mounted(place) as unmount:
        (place / "new").write_text("on it")
        watched.agrees()
        known = watched.ids()
        unmount()
        (watched.tree / "0002" / "new").write_text("told after that")
        while f"{watched.tree}/0002/new" not in watched.ids():
            time.sleep(0.02)
        assert watched.ids().items() >= known.items(), "it is not mounted, which is not deleted"


def test_a_follower_that_is_killed(watched: Watched) -> None:
    for number in range(2):  # the more have failed, the longer it takes to the next
        for follower in watched.followers():
            os.kill(follower, signal.SIGKILL)
        (watched.tree / "0001" / f"n{number}").write_text("missed by the one that was killed")
        (watched.tree / "0001" / "0001.txt").write_text("x" * number)
        watched.agrees()
    watched.person.daemon.call("query:core.status")
    assert "is started anew" in watched.person.daemon.log_text()
    watched.counts()
    watched.person.stop()
    assert_sound(watched.person.folder())


def test_an_index_that_is_locked_for_long(watched: Watched) -> None:
    db = sqlite3.connect(f"{watched.person.folder()}/library.db", isolation_level=None)
    db.execute("BEGIN IMMEDIATE")
    (watched.tree / "0001" / "new").write_text("while it is locked")
    until = time.monotonic() + 30
    while "wait for the database" not in watched.person.daemon.log_text():
        assert time.monotonic() < until
        time.sleep(0.05)
    db.execute("ROLLBACK")
    db.close()
    watched.agrees()


def test_a_folder_that_cannot_be_read(make_daemon: Callable[..., Daemon], tmp_path: Path) -> None:
    """It is noted, and when it is opened it is read and watched."""
    tree = tmp_path / "tree"
    (tree / "open").mkdir(parents=True)
    daemon = make_daemon(watching=True).start(preexec_fn=obey_permissions)
    watched = Watched(daemon, tree)
    events = watched.person.listen("EntryCreated", "EntryModified")
    (tree / "closed").mkdir(mode=0o000)
    events.until("EntryCreated")
    assert f"{tree}/closed" in watched.ids()
    (tree / "open" / "new").write_text("which does not keep the others from being seen")
    watched.agrees()
    (tree / "closed").chmod(0o755)
    (tree / "closed" / "inside").write_text("readable now")
    watched.agrees()
    (tree / "closed" / "live").write_text("and watched")
    watched.agrees()


def mutate(watched: Watched, seed: int, seconds: float, rate: int) -> subprocess.Popen[bytes]:
    """Begin to change the tree at random."""
    words = [sys.executable, str(MUTATOR), str(watched.tree), *map(str, (seed, seconds, rate))]
    return subprocess.Popen(words, stdout=subprocess.PIPE)


def told(mutator: subprocess.Popen[bytes]) -> dict[str, Any]:
    """What it says at its end."""
    out, _ = mutator.communicate()
    assert mutator.returncode == 0
    return dict(json.loads(out))


def test_somebody_who_changes_everything_at_random(watched: Watched) -> None:
    before = watched.ids()
    report = told(mutate(watched, 1, 4.0, 400))
    watched.agrees()
    watched.counts()
    now, tree = watched.ids(), watched.tree
    lost = [
        (start, path)
        for start, path in report["kept"]
        if before[f"{tree}/{start}"] != now[f"{tree}/{path}"]
    ]
    assert lost == []
    watched.person.stop()
    assert_sound(watched.person.folder())


@pytest.mark.parametrize("pause", [0.0, 0.4])
def test_a_folder_leaves_and_then_the_one_it_was_in(
    watched: Watched, tmp_path: Path, pause: float
) -> None:
    """Both go to where nobody watches, as into the trash: neither is waited for."""
    out = tmp_path / "out"
    out.mkdir()
    inner = watched.tree / "m" / "a" / "b"
    inner.mkdir(parents=True)
    (inner / "file").write_text("x")
    watched.person.ask("indexing.catch_up")
    inner.rename(out / "b")
    time.sleep(pause)  # part of what is done, and no waiting
    (watched.tree / "m" / "a").rename(out / "a")
    time.sleep(pause)
    (watched.tree / "m").rename(out / "m")
    assert watched.person.ask("indexing.catch_up") == {"complete": True}
    assert watched.differences() == []
    (watched.tree / "zap").write_text("x")
    watched.person.ask("indexing.catch_up")
    (watched.tree / "zap").unlink()
    watched.person.ask("indexing.catch_up")
    assert watched.differences() == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a filesystem")
def test_a_filesystem_inside_goes_and_the_rest_is_followed(watched: Watched) -> None:
    """What was on it is kept, for when it is back; and nobody waits for it."""
    inside = watched.tree / "inside"
    inside.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", inside], check=True)
    try:
        (inside / "kept").write_text("x")
        watched.person.ask("indexing.catch_up")
        assert watched.differences() == []
    finally:
        subprocess.run(["umount", inside], check=True)
    watched.person.ask("indexing.catch_up")
    (watched.tree / "zap").write_text("x")
    watched.person.ask("indexing.catch_up")
    (watched.tree / "zap").unlink()
    watched.person.ask("indexing.catch_up")
    index = in_index(watched.person.folder(), watched.tree)
    assert os.fsencode(watched.tree / "zap") not in index
    assert os.fsencode(inside / "kept") in index
