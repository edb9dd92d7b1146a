"""Paths that clients send, and what they mean on this device.

In memory a path is text in which undecodable bytes stand as lone surrogates, as os.fsdecode gives
it. What a client sends is brought into the form the index has: absolute, without a slash at the
end, without empty parts, "." and "..". That is done on the text alone. The index never follows a
symbolic link, so neither does ".." here.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from uuid import UUID

from sd_daemon.core.index.identity_text import id_to_text, identity_uuid
from sd_daemon.core.index.walk import join, loose
from sd_wire.errors import InvalidValue, PathNotIndexed, UnsupportedPath

if TYPE_CHECKING:
    import sqlite3

    from sd_wire.types.paths import ContentPath, PathInput, PhysicalPath


def shown(path: str) -> str:
    """A path for a person: U+FFFD where it is not UTF-8."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def ending(path: PathInput) -> str:
    """What stands at the end of a path as it was sent: `/`, which says that it is a folder, `/.`,
    which says that what is in it is meant, or nothing."""
    text = path if isinstance(path, str) else ""
    if not isinstance(path, str) and path.Physical is not None:
        exact = path.Physical.path_bytes
        text = path.Physical.path if exact is None else os.fsdecode(exact)
    inner = text.rstrip("/")
    if inner.endswith("/."):
        return "/."
    return "/" if inner and inner != text else ""


def absolute(path: str, path_bytes: bytes | None = None, *, field: str = "path") -> str:
    """The path that `path`, or where they are given the exact `path_bytes`, stands for.

    Raises InvalidValue, which names `field`, for what cannot be an absolute path.
    """
    if path_bytes is not None:
        path, field = os.fsdecode(path_bytes), f"{field}_bytes"
    else:
        try:
            os.fsencode(path)
        except UnicodeEncodeError:
            raise _unusable(field, "it has characters that no file name can have") from None
    if "\0" in path:
        raise _unusable(field, "a path cannot contain the character NUL")
    if not path.startswith("/"):
        raise _unusable(field, "it is not an absolute path")
    return _clean(path)


def resolve(
    db: sqlite3.Connection, path: PathInput, device_slug: str, *, field: str = "path"
) -> str:
    """The path on this device that an SdPath or a bare path stands for.

    Raises UnsupportedPath for what is elsewhere, InvalidValue for what cannot be a path,
    PathNotIndexed for content that no file of the library has.
    """
    if isinstance(path, str):
        if not path.startswith("/"):
            raise UnsupportedPath(path=path or "an empty text", pointer=_pointer(field))
        return absolute(path, field=field)
    if path.Physical is not None:
        return _physical(path.Physical, device_slug, field)
    if path.Content is not None:
        return _instance(db, path.Content, field)
    kind = "a cloud path" if path.Cloud is not None else "a sidecar"
    raise UnsupportedPath(path=kind, pointer=_pointer(field))


def _unusable(field: str, reason: str) -> InvalidValue:
    return InvalidValue(field=field, reason=reason, pointer=_pointer(field))


def _pointer(field: str) -> str:
    return "/payload/" + field.replace(".", "/")


def _clean(path: str) -> str:
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return "/" + "/".join(parts)


def _physical(path: PhysicalPath, device_slug: str, field: str) -> str:
    if path.device_slug != device_slug:
        place = f"{path.path} on the device {path.device_slug!r}"
        raise UnsupportedPath(path=place, pointer=_pointer(f"{field}.Physical.device_slug"))
    if path.path_bytes is None and not path.path.startswith("/"):
        raise UnsupportedPath(path=path.path, pointer=_pointer(f"{field}.Physical.path"))
    return absolute(path.path, path.path_bytes, field=f"{field}.Physical.path")


def _instance(db: sqlite3.Connection, wanted: ContentPath, field: str) -> str:
    """The oldest entry with this content. A content's UUID is a digest of its hash and nothing is
    stored by it, so this tries every content: about two seconds for a million."""
    text = str(wanted.content_id)
    for (content,) in db.execute("SELECT id FROM contents"):
        if identity_uuid(id_to_text(content)) == text:
            row = db.execute(
                "SELECT f.path, e.name FROM entries e JOIN folders f ON f.id = e.parent"
                " WHERE e.content = ? ORDER BY e.id LIMIT 1",
                (content,),
            ).fetchone()
            if row is not None:
                return join(loose(row[0]), loose(row[1]))
    raise PathNotIndexed(path=f"content {text}", pointer=_pointer(field))


def content_uuid(content: int) -> UUID:
    """The UUID of a content by its number in the database."""
    return UUID(identity_uuid(id_to_text(content)))
