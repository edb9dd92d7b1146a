"""Values of the command line, and what they become in a request.

A type here turns one word into something that JSON has: a path into an absolute one, a word into
a member of an enumeration. What needs the daemon, such as the name of a location in place of its
id, is looked up later by `sd_client.cli.names`.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

import click
import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence
    from enum import Enum

    from click.shell_completion import CompletionItem


_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_WORD_BEGINS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def dashed(name: str) -> str:
    """TrackedOnly and tracked_only as tracked-only, WARN as warn."""
    return _WORD_BEGINS.sub("-", name).replace("_", "-").lower()


class Choice(click.ParamType):  # type: ignore[type-arg]
    """A member of an enumeration, in any case, with or without dashes."""

    name = "choice"

    def __init__(self, members: Sequence[str]) -> None:
        self.members = list(members)
        self._known = {_plain(member): member for member in members}

    @classmethod
    def of(cls, enumeration: type[Enum]) -> Choice:
        """The values of an enumeration as they stand on the wire."""
        return cls([str(member.value) for member in enumeration])

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str | None:
        """The words to choose from, while they fit."""
        words = "|".join(dashed(member) for member in self.members)
        return words.upper() if len(words) <= 48 else None

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The member on the wire."""
        known = self._known.get(_plain(str(value)))
        if known is None:
            words = ", ".join(dashed(member) for member in self.members)
            self.fail(f"{value!r} is not one of {words}", param, ctx)
        return known

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """The words that begin like this."""
        words = (dashed(member) for member in self.members)
        return click.Choice(list(words)).shell_complete(ctx, param, incomplete)


def _plain(word: str) -> str:
    return word.lower().replace("-", "").replace("_", "")


class AbsolutePath(click.ParamType):  # type: ignore[type-arg]
    """A path of this machine, made absolute here: the daemon has another working directory.

    The index knows a file by the way to it without links. So links on the way are followed, and
    the last one, too, where a folder is meant and not the link.
    """

    name = "path"

    def __init__(self, *, folder: bool = False) -> None:
        self.folder = folder

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The absolute path, with its exact bytes as Python carries them."""
        if not value:
            self.fail("a path is needed here", param, ctx)
        if "\0" in value:
            self.fail("a path has no NUL in it", param, ctx)
        path = absolute(value)
        way, name = (path, "") if self.folder else os.path.split(path)
        return os.path.join(os.path.realpath(way), name) if name else os.path.realpath(way)


class Bytes(click.ParamType):  # type: ignore[type-arg]
    """A size: 1500, 10K, 1.5G."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The size in bytes."""
        text = str(value).upper().removesuffix("B").removesuffix("I")
        unit = text[-1:] if text[-1:].isalpha() else ""
        try:
            return int(float(text.removesuffix(unit)) * _UNITS[unit])
        except (ValueError, KeyError):
            self.fail(f"{value!r} is not a size (1500, 10K, 1.5G)", param, ctx)


class Mode(click.ParamType):  # type: ignore[type-arg]
    """The permissions of a folder in octal: 700, 0755."""

    name = "mode"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number."""
        text = str(value)
        if not re.fullmatch("[0-7]{1,5}", text) or int(text, 8) > 0o7777:
            self.fail(f"{value!r} is not a mode in octal (700, 0755)", param, ctx)
        return int(text, 8)


class TypedPath(AbsolutePath):
    """A path as it was typed, which a command may have to take as a pattern."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The word, if it can be a path at all."""
        super().convert(value, param, ctx)
        return str(value)


def absolute(path: str) -> str:
    """The path from the root on. Links are kept."""
    return os.path.abspath(os.path.expanduser(path))


def is_exact(path: str) -> bool:
    """Whether the bytes of a path are UTF-8, so that its text says it all."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


class Json(click.ParamType):  # type: ignore[type-arg]
    """A value written as JSON."""

    name = "json"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The value."""
        try:
            return msgspec.json.decode(os.fsencode(value))
        except msgspec.DecodeError as error:
            self.fail(f"this is not JSON: {error}", param, ctx)
