"""The content of a file: `/files/{library}/{id}/content`, whole or in ranges.

There is no path in the URL. The daemon is asked what the id is, with the rights that this server
has there; what it names is opened without following a symbolic link at its end, and sent only where
it is a regular file and the very one that the daemon has indexed, by its inode.
"""

from __future__ import annotations

import asyncio
import errno
import mimetypes
import os
import stat
import sys
from typing import TYPE_CHECKING
from urllib.parse import quote
from uuid import UUID

from aiohttp import web

from sd_client.graphql.admission import NotAdmitted
from sd_wire.errors import SdError
from sd_wire.operations.files import GetFileById

if TYPE_CHECKING:
    from sd_client.graphql.upstream import Upstream
    from sd_wire.types.files import File

ROUTE = "/files/{library}/{file}/content"

_HANDLES = "/proc/self/fd" if sys.platform == "linux" else "/dev/fd"
_SHOWN = ("image/", "video/", "audio/", "text/plain", "application/pdf")
"""What a browser may show; everything else it saves. SVG can have scripts in it."""

_FAILURES = {
    errno.ENOENT: (410, "file-gone", "the file is not there any more"),
    errno.EACCES: (403, "file-denied", "this server may not read the file"),
    errno.EPERM: (403, "file-denied", "this server may not read the file"),
    errno.ELOOP: (409, "file-replaced", "something else is in the place of the file"),
}


class Contents:
    """The route."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream

    async def get(self, request: web.Request) -> web.StreamResponse:
        """Send the file, or the ranges of it that are asked for."""
        file = await self._find(request)
        descriptor = await asyncio.to_thread(_open, file)
        try:
            # aiohttp sends files by their path; this one leads to what is open already.
            response = web.FileResponse(f"{_HANDLES}/{descriptor}", headers=_headers(file))
            await response.prepare(request)
        finally:
            os.close(descriptor)
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
