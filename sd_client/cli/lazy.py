"""The one place where modules are imported late, by name.

Starting the command is most of what many commands do, so a module is read when its command runs.
"""

from __future__ import annotations

import importlib
from typing import Any


def load(target: str) -> Any:
    """What 'package.module:name' names."""
    module, _, name = target.partition(":")
    return getattr(importlib.import_module(module), name)
