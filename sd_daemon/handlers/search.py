"""Search."""

from __future__ import annotations

from sd_daemon.core.search.files import search_files
from sd_daemon.handlers.handler import Context, handles
from sd_wire.operations.search import SearchFiles, SearchResult


@handles(SearchFiles)
async def find_files(context: Context, request: SearchFiles) -> SearchResult:
    """Files by parts of their names."""
    library = context.library
    return await library.database.read(search_files, library.ids, library.device_slug, request)
