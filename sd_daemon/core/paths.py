"""From a path as a client sends it to a path of this machine.

Inside the daemon a path is text as os.fsdecode gives it: exact, whatever its bytes are.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sd_wire.errors import InvalidValue, UnsupportedPath

if TYPE_CHECKING:
    from sd_wire.types.paths import PathInput, SdPath

SCHEME = "local://"


def clean_path(path: str, path_bytes: bytes | None = None, pointer: str = "/payload/path") -> str:
    """An absolute path without '.', '..' or doubled slashes. Raises InvalidValue."""
    exact = path if path_bytes is None else os.fsdecode(path_bytes)
    field = pointer.rsplit("/", 1)[-1]
    if "\0" in exact:
        raise InvalidValue(field=field, reason="it contains a NUL character", pointer=pointer)
    if not exact.startswith("/"):
        reason = f"{path!r} is not an absolute path"
        raise InvalidValue(field=field, reason=reason, pointer=pointer)
    try:
        os.fsencode(exact)
    except UnicodeEncodeError:
        raise InvalidValue(field=field, reason="it is not valid text", pointer=pointer) from None
    normal = os.path.normpath(exact)
    return normal[1:] if normal.startswith("//") else normal


def local_path(path: PathInput, device_slug: str, pointer: str = "/payload/path") -> str:
    """The path on this device that is meant. Raises UnsupportedPath, InvalidValue."""
    if isinstance(path, str):
        return clean_path(_without_scheme(path, device_slug, pointer), None, pointer)
    physical = path.Physical
    if physical is None:
        raise UnsupportedPath(path=_name_of(path), pointer=pointer)
    if physical.device_slug not in (device_slug, "local", ""):
        raise UnsupportedPath(
            path=f"{SCHEME}{physical.device_slug}{physical.path}", pointer=pointer
        )
    return clean_path(physical.path, physical.path_bytes, pointer)


def _without_scheme(path: str, device_slug: str, pointer: str) -> str:
    """`local://slug/path` means `/path` where the slug is this device's."""
    if not path.startswith(SCHEME):
        return path
    slug, _, rest = path.removeprefix(SCHEME).partition("/")
    if slug not in (device_slug, "local", ""):
        raise UnsupportedPath(path=path, pointer=pointer)
    return f"/{rest}"


def _name_of(path: SdPath) -> str:
    """What to call a path that is not a physical one."""
    kinds = [name for name in path.__struct_fields__ if getattr(path, name) is not None]
    return f"a {kinds[0]} path" if kinds else "an empty path"
