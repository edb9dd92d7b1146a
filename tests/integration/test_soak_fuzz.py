"""Ten million messages of nonsense: most to a daemon without libraries, which answers faster."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fuzzing import fuzz

if TYPE_CHECKING:
    from running import Daemon


@pytest.mark.soak
def test_ten_million_messages_of_nonsense(lonely: Daemon) -> None:
    fuzz(lonely, 9_000_000)
    lonely.call("action:libraries.create.input", {"name": "Home", "path": None})
    fuzz(lonely, 1_000_000)
    assert lonely.stop() == 0
