"""kill -9 at random moments of copies and moves, and disks that fill up."""

from __future__ import annotations

import os
import signal
import subprocess
from itertools import islice
from typing import TYPE_CHECKING

import pytest
from copying_kills import Campaign, manifest, rounds, temporaries, workers_of
from person import Person, plant
from trash_bin import Bin

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from running import Daemon

SEED = int(os.environ.get("KILL_SEED", "7"))


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Path]:
    """Another filesystem."""
    if os.geteuid():
        pytest.skip("only root can mount a filesystem")
    place = tmp_path / "other"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300m", "none", place], check=True)
    yield place
    subprocess.run(["umount", "-l", place], check=True)


@pytest.fixture
def person(daemon_with_bin: Daemon) -> Person:
    person = Person(daemon_with_bin)
    person.create("Home")
    return person


@pytest.fixture
def campaign(
    person: Person, tmp_path: Path, other: Path, request: pytest.FixtureRequest
) -> Campaign:
    # more than 200 in all: two processes copy them
    files = 40 if request.node.get_closest_marker("soak") else 12
    campaign = Campaign(person, tmp_path, other, Bin(tmp_path / "share" / "Trash"), SEED, files)
    campaign.measure()
    return campaign


@pytest.fixture
def daemon_with_bin(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Daemon:
    """A daemon whose trash is the test's own."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    daemon: Daemon = request.getfixturevalue("daemon")
    return daemon


def test_killed_now_and_then(campaign: Campaign) -> None:
    for scenario in islice(rounds(campaign.chance), 6):
        campaign.run(scenario)
    assert campaign.struck > 1


@pytest.mark.soak
def test_killed_three_hundred_times(campaign: Campaign) -> None:
    for number, scenario in enumerate(islice(rounds(campaign.chance), 240)):
        campaign.run(scenario, kills=2 if number % 4 == 0 else 1)
    assert campaign.struck > 100


def test_a_worker_that_is_killed_alone(person: Person, tmp_path: Path) -> None:
    """The job has failed then, and goes on where it was when it is told to."""
    tree, to = plant(tmp_path / "tree", 30, 30), tmp_path / "to"
    (tree / "large").write_bytes(os.urandom(30_000_000))
    to.mkdir()
    request = {
        "sources": {"paths": [str(tree)]},
        "destination": str(to),
        "limits": {"bandwidth": 20_000_000},
    }
    events = person.listen("JobProgress")
    receipt = person.ask("files.copy!", request)
    events.until("JobProgress", job_id=receipt["id"])
    assert person.daemon.process is not None
    (worker,) = workers_of(person.daemon.process.pid)
    os.kill(worker, signal.SIGKILL)
    failed = person.ended(receipt["id"])
    assert (failed["status"], "SIGKILL" in failed["error_message"]) == ("failed", True)
    assert not (to / "tree").exists()
    person.restart()
    assert person.job(receipt["id"])["status"] == "failed"
    person.ask("jobs.resume!", {"job_id": receipt["id"]})
    assert person.ended(receipt["id"])["status"] == "completed"
    assert manifest(to / "tree") == manifest(tree)
    assert temporaries(to) == []
