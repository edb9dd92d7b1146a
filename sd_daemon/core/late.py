"""The one place where modules of the daemon are read late, by name.

What only some processes need, or some moments, is read there and then: a worker starts sooner,
and the idle daemon is smaller.
"""

from __future__ import annotations

import importlib
from typing import Any


def load(target: str) -> Any:
    """What 'package.module:name' names; the module where there is no name."""
    place, _, name = target.partition(":")
    module = importlib.import_module(place)
    return getattr(module, name) if name else module
