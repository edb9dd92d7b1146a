"""Who may do what, as the configuration says it: users and groups, by name or number.

Names are looked up when the configuration is loaded or changed, in a thread: the system's directory
may be a server that does not answer. After that a question costs a few look-ups in dictionaries. A
name that does not exist stands for nobody, and is told where problems are told.
"""

from __future__ import annotations

import asyncio
import grp
import os
import pwd
import re
from typing import TYPE_CHECKING

import msgspec

from sd_daemon.core.log import get_log
from sd_wire.errors import InvalidValue
from sd_wire.operation import Permission

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sd_wire.operations.config import AccessConfig

log = get_log(__name__)

ROOT = 0
ROLES = (Permission.ADMIN, Permission.WRITE, Permission.READ)  # the most first
_NAMED = re.compile(r"(user|group):([^\x00-\x1f:]{1,256})")
_LARGEST_ID = 2**32 - 2  # the one after it means "none" to the kernel


def is_owner(uid: int) -> bool:
    """Whether it is the user whose files they are, or root."""
    return uid in (ROOT, os.getuid())


def check(access: AccessConfig, prefix: str, pointer: str) -> None:
    """Refuse what cannot be meant. `prefix` and `pointer` say where the fields stand.

    Raises InvalidValue.
    """
    for role in ROLES:
        for place, text in enumerate(getattr(access, role)):
            if _NAMED.fullmatch(text) is None:
                raise InvalidValue(
                    field=f"{prefix}{role}",
                    reason=f"{text!r} is none of user:NAME, user:UID, group:NAME, group:GID",
                    pointer=f"{pointer}{role}/{place}",
                )
    if access.others not in list(Permission):
        raise InvalidValue(
            field=f"{prefix}others",
            reason=f"{access.others!r} is none of {', '.join(Permission)}",
            pointer=f"{pointer}others",
        )


class _Found(msgspec.Struct):
    """What names stand for."""

    users: dict[int, Permission] = {}
    groups: dict[int, Permission] = {}
    problems: list[str] = []


class Access:
    """The permissions of users and groups. Until it is told anything, those of a new daemon."""

    def __init__(self) -> None:
        self._found = _Found()
        self._others = Permission.WRITE

    @property
    def problems(self) -> list[str]:
        """Sentences about names that do not exist."""
        return self._found.problems

    async def follow(self, config: AccessConfig) -> None:
        """Do as this configuration says from now on."""
        found = _Found()
        if config.read or config.write or config.admin:
            found = await asyncio.to_thread(_look_up, config)
        for problem in found.problems:
            log.warning(problem)
        self._found = found
        self._others = Permission(config.others)

    def permission_of(self, uid: int, groups: Iterable[int]) -> Permission:
        """What this user may do: the most that is given to it or to one of its groups."""
        if is_owner(uid):
            return Permission.ADMIN
        found = self._found
        given = {found.groups[gid] for gid in groups if gid in found.groups}
        if uid in found.users:
            given.add(found.users[uid])
        return next((role for role in ROLES if role in given), self._others)


def _look_up(config: AccessConfig) -> _Found:
    found = _Found()
    for role in ROLES:
        for text in getattr(config, role):
            kind, _, name = text.partition(":")
            number = _number_of(kind, name)
            if number is None:
                found.problems.append(f"access.{role} names {text!r}, and there is no such {kind}")
            else:
                (found.users if kind == "user" else found.groups).setdefault(number, role)
    return found


def _number_of(kind: str, name: str) -> int | None:
    if name.isascii() and name.isdecimal():
        return int(name) if int(name) <= _LARGEST_ID else None
    try:
        return pwd.getpwnam(name).pw_uid if kind == "user" else grp.getgrnam(name).gr_gid
    except KeyError:
        return None
