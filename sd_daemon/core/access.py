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


class Access:
    """The permissions of users and groups. Until it is told anything, those of a new daemon."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self._own = os.getuid()
        self._users: dict[int, Permission] = {}
        self._groups: dict[int, Permission] = {}
        self._others = Permission.WRITE

    async def follow(self, config: AccessConfig) -> None:
        """Do as this configuration says from now on."""
        users, groups, problems = {}, {}, []
        if config.read or config.write or config.admin:
            users, groups, problems = await asyncio.to_thread(_look_up, config)
        for problem in problems:
            log.warning(problem)
        self._users, self._groups, self.problems = users, groups, problems
        self._others = Permission(config.others)

    def is_owner(self, uid: int) -> bool:
        """Whether it is the user whose files they are, or root."""
        return uid in (self._own, ROOT)

    def permission_of(self, uid: int, groups: Iterable[int]) -> Permission:
        """What this user may do: the most that is given to it or to one of its groups."""
        if self.is_owner(uid):
            return Permission.ADMIN
        given = {self._groups[gid] for gid in groups if gid in self._groups}
        if uid in self._users:
            given.add(self._users[uid])
        return next((role for role in ROLES if role in given), self._others)


def _look_up(
    config: AccessConfig,
) -> tuple[dict[int, Permission], dict[int, Permission], list[str]]:
    users: dict[int, Permission] = {}
    groups: dict[int, Permission] = {}
    problems: list[str] = []
    for role in ROLES:
        for text in getattr(config, role):
            kind, _, name = text.partition(":")
            number = _number_of(kind, name)
            if number is None:
                problems.append(
                    f"access.{role} names the {kind} {name!r}, and there is no such one"
                )
            else:
                (users if kind == "user" else groups).setdefault(number, role)
    return users, groups, problems


def _number_of(kind: str, name: str) -> int | None:
    if name.isascii() and name.isdecimal():
        return int(name) if int(name) <= _LARGEST_ID else None
    try:
        return pwd.getpwnam(name).pw_uid if kind == "user" else grp.getgrnam(name).gr_gid
    except KeyError:
        return None
