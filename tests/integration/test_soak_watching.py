"""The whole campaign: a tree is changed for five minutes, and everything goes wrong besides."""

from __future__ import annotations

import os
import random
import signal
import time
from typing import TYPE_CHECKING

import pytest
from person import assert_sound, plant
from test_watching_failures import limit, mutate, told
from watched import PATIENCE_S, Watched

if TYPE_CHECKING:
    from pathlib import Path

    from running import Daemon

SECONDS, RATE = 300.0, 2000
RESTARTS, HOLDS = 5, 4
HELD_S = 3.5  # a follower is held up, until the queue overflows


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_five_minutes_of_everything(watching: Daemon, tmp_path: Path) -> None:
    chance = random.Random(20)
    with limit("max_queued_events", 3000):
        watched = Watched(watching, plant(tmp_path / "tree", folders=60, files=20))
        mutator = mutate(watched, 42, SECONDS, RATE)
        began = time.monotonic()
        mishaps = [*["restart"] * RESTARTS, *["hold"] * HOLDS]
        for at, mishap in sorted((chance.uniform(0, SECONDS), one) for one in mishaps):
            time.sleep(max(0.0, at - (time.monotonic() - began)))
            if mishap == "hold":
                for follower in watched.followers():
                    os.kill(follower, signal.SIGSTOP)
                    time.sleep(HELD_S)
                    os.kill(follower, signal.SIGCONT)
            elif chance.random() < 0.5:
                watched.person.restart()
            else:
                watched.person.strike()
                watched.person.daemon.start()
        report = told(mutator)
        watched.agrees()
        watched.counts()
    print(f"{report['operations']:,} operations")
    watched.person.stop()
    assert_sound(watched.person.folder())


@pytest.mark.soak
@pytest.mark.parametrize("rate", [500, RATE])
def test_ids_are_kept_through_renames_seen_live(
    watching: Daemon, tmp_path: Path, rate: int
) -> None:
    watched = Watched(watching, plant(tmp_path / "tree", folders=60, files=20))
    before = watched.ids()
    report = told(mutate(watched, 43, 60.0, rate))
    watched.agrees()

    def lost() -> list[tuple[str, str]]:
        now, tree = watched.ids(), watched.tree
        return [
            (start, path)
            for start, path in report["kept"]
            if before[f"{tree}/{start}"] != now.get(f"{tree}/{path}")
        ]

    # What was found last may yet prove to be something known; what is lost stays lost.
    until = time.monotonic() + PATIENCE_S
    while lost() and time.monotonic() < until:
        time.sleep(0.1)
    print(f"{len(lost())} of {len(report['kept'])} ids lost")
    assert lost() == []
