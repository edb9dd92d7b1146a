"""The pages that come with the server: a plain view of everything, and GraphiQL. All files are in
the package; nothing is fetched from elsewhere, which the content policy also forbids."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_KINDS = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
FILES = {
    "/": "index.html",
    "/page.js": "page.js",
    "/client.js": "client.js",
    "/page.css": "page.css",
    "/icon.svg": "icon.svg",
    "/graphiql": "graphiql.html",
    "/graphiql.js": "graphiql.js",
    "/vendor/graphiql.min.js": "vendor/graphiql.min.js",
    "/vendor/graphiql.min.css": "vendor/graphiql.min.css",
    "/vendor/react.production.min.js": "vendor/react.production.min.js",
    "/vendor/react-dom.production.min.js": "vendor/react-dom.production.min.js",
}
"""Files of the package, by the path under which they are served."""

PUBLIC = frozenset(FILES)
"""They say nothing about anybody's files, so no token is needed for them."""

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; "
    "worker-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def add(application: web.Application) -> None:
    """Serve them."""
    for path, name in FILES.items():
        application.router.add_get(path, _page(name))


def _page(name: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    kind = _KINDS[name.rpartition(".")[2]]
    headers = {
        "Content-Type": kind,
        "Content-Security-Policy": _POLICY,
        "Cache-Control": "no-cache",
    }

    async def page(_request: web.Request) -> web.StreamResponse:
        body = files(__package__).joinpath("page", name).read_bytes()
        return web.Response(body=body, headers=headers)

    return page
