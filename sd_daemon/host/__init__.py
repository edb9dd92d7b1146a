"""The operating system's side: start, signals, logs, service manager.

Importing this comes before everything else the daemon imports, and sees to it that OpenSSL is not
among it. Through a Unix socket nothing is ever encrypted, and OpenSSL would be 6 MiB of a daemon
that may have 28 in all. Three modules would bring it:

- asyncio imports `ssl`, and is written for Pythons that have none;
- uvloop imports `ssl` and looks names up in it, so it finds a module that has only names;
- hashlib takes OpenSSL's functions where it can, and else Python's own, which are the same.

Whoever imports `ssl` afterwards gets the real one; only these two loops can never speak TLS.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

_OWN_HASHES = ("_md5", "_sha1", "_sha3", "_blake2")  # some distributions leave a few out


class _Names(ModuleType):
    """A module of exceptions that nobody raises and error numbers that nobody has."""

    def __getattr__(self, name: str) -> type[Exception] | int:
        if name.startswith("__"):
            raise AttributeError(name)
        return -1 if name.isupper() else type(name, (Exception,), {})


def _load(name: str, *, without: str, instead: ModuleType | None = None) -> None:
    """Import a module while another one cannot be imported."""
    if name in sys.modules or without in sys.modules or find_spec(name) is None:
        return
    sys.modules[without] = instead  # type: ignore[assignment]
    try:
        import_module(name)
    finally:
        del sys.modules[without]


if all(find_spec(name) is not None for name in _OWN_HASHES):
    _load("hashlib", without="_hashlib")
_load("asyncio", without="ssl")
_load("uvloop", without="ssl", instead=_Names("ssl"))
