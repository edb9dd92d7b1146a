"""Nonsense, for a few seconds. `make soak` does it for minutes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fuzzing import fuzz

if TYPE_CHECKING:
    from running import Daemon


def test_nothing_that_is_sent_brings_it_down(lonely: Daemon) -> None:
    lonely.call("action:libraries.create.input", {"name": "Home", "path": None})
    fuzz(lonely, 50_000)
    assert lonely.stop() == 0
