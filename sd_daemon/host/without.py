"""Importing a module while another one cannot be imported."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.machinery import PathFinder
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType


def load_without(name: str, without: str, instead: ModuleType | None = None) -> None:
    """Import `name` where it is installed; for `without` it gets `instead`, or an ImportError.
    Where either is imported already, there is nothing to be done any more."""
    if name in sys.modules or without in sys.modules or PathFinder.find_spec(name) is None:
        return
    sys.modules[without] = instead  # type: ignore[assignment]
    try:
        import_module(name)
    finally:
        del sys.modules[without]
