"""The one place where modules of the daemon are read late, by name.

What only some processes need, or some moments, is read there and then: a worker starts sooner,
and the idle daemon is smaller.
"""

from __future__ import annotations

import importlib
from typing import Any


def load(target: str) -> Any:
    """What 'package.module:name' names."""
    module, _, name = target.partition(":")
    return getattr(importlib.import_module(module), name)
