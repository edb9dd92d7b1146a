"""The content of a file: `/files/{library}/{id}/content`, whole or a range of it.

There is no path in the URL. The daemon is asked what the id is, with the rights that this server
has there; what it names is opened without following a symbolic link at its end, and sent only where
it is a regular file and the very one that the daemon has indexed, by its inode.
What is opened stays open until the answer has ended, and is never looked up again.
"""

from __future__ import annotations

import asyncio
import errno
import math
import mimetypes
import os
import re
import stat
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote
from uuid import UUID

from aiohttp import web

from sd_client.graphql.admission import NotAdmitted
from sd_wire.errors import SdError
from sd_wire.operations.files import GetFileById

if TYPE_CHECKING:
    from io import FileIO

    from aiohttp import ETag

    from sd_client.graphql.upstream import Upstream
    from sd_wire.types.files import File

ROUTE = "/files/{library}/{file}/content"

_RANGE = re.compile(r"bytes=[ \t]*([0-9]{0,99})-([0-9]{0,99})[ \t]*", re.IGNORECASE)
"""One range. Several, and what is none, are not looked at (RFC 9110, 14.2)."""

PIECE = 256 * 1024
"""Bytes of a file that are in memory at a time, for each client."""

_SHOWN = ("image/", "video/", "audio/", "text/plain", "application/pdf")
"""What a browser may show; everything else it saves. SVG can have scripts in it."""

_FAILURES = {
    errno.ENOENT: (410, "file-gone", "the file is not there any more"),
    errno.EACCES: (403, "file-denied", "this server may not read the file"),
    errno.EPERM: (403, "file-denied", "this server may not read the file"),
    errno.ELOOP: (409, "file-replaced", "something else is in the place of the file"),
}


class Part(NamedTuple):
    """What of a file is sent, and with which status."""

    status: int
    start: int = 0
    length: int = 0


class Contents:
    """The route."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream

    async def get(self, request: web.Request) -> web.StreamResponse:
        """Send the file, or the range of it that is asked for."""
        file = await self._find(request)
        # aiohttp's FileResponse takes a path, and opens it whenever it likes: what is sent has to
        # be what was looked at, so it is sent from the descriptor.
        with os.fdopen(await asyncio.to_thread(_open, file), "rb", buffering=0) as opened:
            found = os.fstat(opened.fileno())
            part = _part(request, found)
            response = _head(file, found, part)
            await response.prepare(request)
            if part.length and request.method == "GET":
                await _send(request, response, opened, part)
            await response.write_eof()
        return response

    async def _find(self, request: web.Request) -> File:
        library, named = _id(request, "library"), _id(request, "file")
        operation = GetFileById.operation
        try:
            file: File | None = await self._upstream.call(operation, GetFileById(named), library)
        except SdError as error:
            status = 503 if error.retryable else 404
            raise NotAdmitted(status, error.code, error.text, error.advice) from error
        if file is None:
            raise NotAdmitted(404, "file-not-found", f"there is no file {named}")
        return file


def _id(request: web.Request, name: str) -> UUID:
    try:
        return UUID(request.match_info[name])
    except ValueError:
        raise NotAdmitted(404, "file-not-found", f"the {name} in the URL is no id") from None


def _open(file: File) -> int:
    """A descriptor of exactly the file that the daemon means."""
    physical = file.sd_path.Physical
    if physical is None:
        raise NotAdmitted(404, "file-elsewhere", "the file is not on this device")
    path = physical.path if physical.path_bytes is None else physical.path_bytes
    # A FIFO would be waited for without O_NONBLOCK.
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags)
    except OSError as error:
        unknown = (404, "file-unreadable", "the file cannot be opened")
        raise NotAdmitted(*_FAILURES.get(error.errno or 0, unknown)) from error
    found = os.fstat(descriptor)
    if stat.S_ISREG(found.st_mode) and file.inode in (None, found.st_ino):
        return descriptor
    os.close(descriptor)
    if stat.S_ISREG(found.st_mode):
        raise NotAdmitted(
            409, "file-replaced", "another file is in the place of the one that is indexed"
        )
    raise NotAdmitted(404, "file-without-content", "this is no regular file")


def _part(request: web.Request, found: os.stat_result) -> Part:
    """What is sent of a file, after the conditions of the request (RFC 9110, 13.2.2)."""
    tag, modified = _tag(found), _modified(found)
    unmodified, since = request.if_unmodified_since, request.if_modified_since
    if request.if_match is not None:
        wanted = _names(request.if_match, tag, weak=False)
    else:
        wanted = unmodified is None or modified <= unmodified.timestamp()
    if not wanted:
        return Part(412)
    if request.if_none_match is not None:
        known = _names(request.if_none_match, tag, weak=True)
    else:
        known = since is not None and modified <= since.timestamp()
    if known:
        return Part(304)
    whole = Part(200, 0, found.st_size)
    if request.method != "GET" or not _unchanged(request, tag, modified):
        return whole
    return _ranged(request.headers.get("Range", ""), found.st_size) or whole


def _names(tags: tuple[ETag, ...], tag: str, *, weak: bool) -> bool:
    return any(one.value in (tag, "*") and (weak or not one.is_weak) for one in tags)


def _unchanged(request: web.Request, tag: str, modified: int) -> bool:
    """Whether the client has a part of exactly this version, as far as it says (If-Range)."""
    given = request.headers.get("If-Range")
    if given is None or given.strip() == f'"{tag}"':
        return True
    return request.if_range is not None and request.if_range.timestamp() == modified


def _ranged(header: str, size: int) -> Part | None:
    """What a Range asks for, or None where it asks for nothing that can be understood."""
    found = _RANGE.fullmatch(header.strip())
    first, last = ("", "") if found is None else found.groups()
    if not first and not last:
        return None
    if not first:
        count = int(last)
        if count and not size:  # all of nothing, which no Content-Range can say
            return None
        return Part(206, max(size - count, 0), min(count, size)) if count else Part(416)
    if last and int(last) < int(first):
        return None
    start, end = int(first), min(int(last) + 1, size) if last else size
    return Part(206, start, end - start) if start < size else Part(416)


def _tag(found: os.stat_result) -> str:
    return f"{found.st_mtime_ns:x}-{found.st_size:x}"


def _modified(found: os.stat_result) -> int:
    """In seconds, as the header tells it."""
    return math.ceil(found.st_mtime)


async def _send(
    request: web.Request, response: web.StreamResponse, opened: FileIO, part: Part
) -> None:
    """Send a part after the head. Raises ConnectionError where the client is away, or the file has
    become shorter: what was promised cannot be sent any more."""
    position, end = part.start, part.start + part.length
    while position < end:
        # Not loop.sendfile: uvloop has none, and it would wait for the disk in the only thread.
        piece = await asyncio.to_thread(_read, opened, position, min(PIECE, end - position))
        if not piece:
            if request.transport is not None:
                request.transport.close()
            raise ConnectionAbortedError(errno.ECONNABORTED, "the file has become shorter")
        await response.write(piece)
        position += len(piece)


def _read(opened: FileIO, position: int, length: int) -> bytes:
    return os.pread(opened.fileno(), length, position)


def _head(file: File, found: os.stat_result, part: Part) -> web.StreamResponse:
    """An answer that nothing of is sent yet."""
    response = web.StreamResponse(status=part.status, headers=_headers(file))
    response.etag = _tag(found)
    response.last_modified = _modified(found)
    response.headers["Accept-Ranges"] = "bytes"
    if part.status == 206:
        end = part.start + part.length - 1
        response.headers["Content-Range"] = f"bytes {part.start}-{end}/{found.st_size}"
    elif part.status == 416:
        response.headers["Content-Range"] = f"bytes */{found.st_size}"
    if part.status != 304:
        response.content_length = part.length
    return response


def _headers(file: File) -> dict[str, str]:
    """The browser shall neither guess what it is nor run what is in it."""
    name = file.name if file.extension is None else f"{file.name}.{file.extension}"
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    shown = kind.startswith(_SHOWN) and kind != "image/svg+xml"
    if kind.startswith("text/"):
        kind = f"{kind}; charset=utf-8"
    return {
        "Content-Type": kind,
        "Content-Disposition": f"{'inline' if shown else 'attachment'}; filename*=UTF-8''"
        f"{quote(name.encode('utf-8', 'replace'))}",
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "Cache-Control": "private, no-cache",
    }
