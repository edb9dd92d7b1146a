"""Event loops without OpenSSL, for the daemon; workers have none of them.

Through a Unix socket nothing is ever encrypted. asyncio imports `ssl`, and is written for Pythons
that have none; uvloop imports `ssl` and looks names up in it, so it finds a module that has only
names. Only these two loops can never speak TLS.
"""

from __future__ import annotations

from types import ModuleType

from sd_daemon.host.without import load_without


class _Names(ModuleType):
    """A module of exceptions that nobody raises and error numbers that nobody has."""

    def __getattr__(self, name: str) -> type[Exception] | int:
        if name.startswith("__"):
            raise AttributeError(name)
        return -1 if name.isupper() else type(name, (Exception,), {})


load_without("asyncio", "ssl")
load_without("uvloop", "ssl", _Names("ssl"))
