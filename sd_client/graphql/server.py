"""The HTTP server: routes, and what is asked of every request before it gets to one."""

from __future__ import annotations

import logging
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from sd_client.client import CoreClient
from sd_client.graphql import contents, metrics, pages
from sd_client.graphql.admission import Admission, NotAdmitted
from sd_client.graphql.answers import EVENTS, failed, not_admitted
from sd_client.graphql.engine import Engine
from sd_client.graphql.limits import DEFAULT, Limits
from sd_client.graphql.requests import ALLOWED, CAUSE, GraphQLRoute
from sd_client.graphql.streams import Streams
from sd_client.graphql.upstream import Upstream
from sd_client.graphql.websocket import GREETING, Conversation, is_handshake
from sd_wire.errors import SdError
from sd_wire.operation import Permission

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

log = logging.getLogger("sd_client.graphql")

BACKLOG = 1024
NAME = "spacedrive-graphql"
GRAPHQL = "/graphql"


class Settings(NamedTuple):
    """How a server is set up."""

    daemon: str  # its socket
    admission: Admission
    permission: Permission = Permission.ADMIN
    introspection: bool = True
    pages: bool = True
    limits: Limits = DEFAULT


class Server:
    """The GraphQL server."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._admission = settings.admission
        self._client = CoreClient(settings.daemon, name=NAME)
        self._upstream = Upstream(
            self._client, settings.permission, introspection=settings.introspection
        )
        self._engine = Engine(self._upstream, settings.limits, introspection=settings.introspection)
        self._streams = Streams(self._engine)
        self._metrics = metrics.Metrics()
        self._conversations: set[Conversation] = set()
        self._route = GraphQLRoute(self._engine, self._streams)
        self._runner = web.AppRunner(
            self._application(),
            keepalive_timeout=settings.limits.seconds,
            access_log=None,
            logger=_log_of_requests(),
            shutdown_timeout=1.0,
            handler_cancellation=True,
        )

    async def start(self, listeners: Sequence[socket.socket]) -> None:
        """Answer on these sockets. A daemon that is away does not keep this server from starting:
        it says so to whoever asks."""
        try:
            await self._client.connect()
        except SdError as error:
            log.warning("%s", error.text)
        await self._runner.setup()
        for one in listeners:
            await web.SockSite(self._runner, one, backlog=BACKLOG).start()

    async def stop(self) -> None:
        """Answer nobody any more."""
        await self._streams.close()
        await self._runner.cleanup()
        await self._client.close()

    def _application(self) -> web.Application:
        limit = self._settings.limits.body_bytes
        made = web.Application(middlewares=[self._admit], client_max_size=limit)
        made.on_response_prepare.append(self._protect)
        made.router.add_get(GRAPHQL, self._get)
        made.router.add_post(GRAPHQL, self._route.post)
        made.router.add_route("OPTIONS", GRAPHQL, self._preflight)
        made.router.add_get(contents.ROUTE, contents.Contents(self._upstream).get)
        made.router.add_get("/health", self._health)
        made.router.add_get("/metrics", self._measured)
        if self._settings.pages:
            pages.add(made)
        return made

    @web.middleware
    async def _admit(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        begun = time.perf_counter()
        try:
            response = await self._answer(request, handler)
        except NotAdmitted as error:
            response = not_admitted(error)
            if error.status == 405:
                response.headers["Allow"] = ALLOWED
        except web.HTTPException as error:  # of the router, such as a path that is none
            self._metrics.answered(error.status, time.perf_counter() - begun)
            raise
        except ConnectionError:  # the client has gone
            raise
        except Exception:
            if request.writer.output_size:  # too late for another answer
                raise
            log.exception("a request failed")
            response = failed()
        if response.content_type != EVENTS and not isinstance(response, web.WebSocketResponse):
            self._metrics.answered(response.status, time.perf_counter() - begun)
        return response

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self._admission.check_source(request)
        if not (_is_public(request) or _asks_first(request)):
            self._admission.check_caller(request)
        return await handler(request)

    async def _protect(self, request: web.Request, response: web.StreamResponse) -> None:
        """Before the head of any answer is sent."""
        headers = response.headers
        headers.setdefault("X-Content-Type-Options", "nosniff")
        headers.setdefault("Referrer-Policy", "no-referrer")
        headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        if (origin := self._admission.allowed_origin(request.headers)) is not None:
            headers["Access-Control-Allow-Origin"] = origin
            headers["Vary"] = "Origin"
            headers["Cross-Origin-Resource-Policy"] = "cross-origin"

    async def _get(self, request: web.Request) -> web.StreamResponse:
        if not is_handshake(request):
            return await self._route.get(request)
        if sum(not one.known for one in self._conversations) >= GREETING:
            text = f"{GREETING} WebSockets have not said yet whose they are"
            raise NotAdmitted(503, "too-many-greetings", text, "connect again in a few seconds")
        conversation = Conversation(request, self._engine, self._streams, self._admission)
        self._conversations.add(conversation)
        try:
            return await conversation.run()
        finally:
            self._conversations.discard(conversation)

    async def _preflight(self, request: web.Request) -> web.Response:
        """A browser asks whether another page may ask."""
        response = web.Response(status=204, headers={"Allow": ALLOWED})
        if self._admission.allowed_origin(request.headers) is not None:
            response.headers["Access-Control-Allow-Methods"] = ALLOWED
            allowed = f"Authorization, Content-Type, Accept, Last-Event-ID, {CAUSE}"
            response.headers["Access-Control-Allow-Headers"] = allowed
            response.headers["Access-Control-Max-Age"] = "600"
        return response

    async def _health(self, _request: web.Request) -> web.Response:
        """Whether somebody would be answered now."""
        try:
            await self._upstream.reach()
            await self._client.ping()
        except SdError as error:
            return web.json_response({"daemon": error.code, "message": error.text}, status=503)
        return web.json_response({"daemon": "connected"})

    async def _measured(self, _request: web.Request) -> web.Response:
        text = self._metrics.text(
            {
                "daemon_connected": ("Whether the daemon is there.", self._client.connected),
                "daemon_messages": ("Calls and batches sent to it.", self._upstream.messages),
                "subscriptions": ("Subscriptions of clients.", self._streams.readers),
                "daemon_subscriptions": ("What they cost the daemon.", self._streams.courses),
                "websockets": ("Open WebSockets.", len(self._conversations)),
            }
        )
        return web.Response(text=text, headers={"Content-Type": metrics.FORM})


def _is_public(request: web.Request) -> bool:
    return request.path == "/health" or request.path in pages.PUBLIC


def _asks_first(request: web.Request) -> bool:
    """Whether this is a question that brings no token: a browser's whether a page may ask, or a
    WebSocket's, which says afterwards who it is. Neither is answered with more than a yes."""
    if request.path != GRAPHQL:
        return False
    return request.method == "OPTIONS" or is_handshake(request)


@asynccontextmanager
async def serve(settings: Settings, listeners: Sequence[socket.socket]) -> AsyncIterator[Server]:
    """A server on these sockets, as long as the context is open."""
    server = Server(settings)
    await server.start(listeners)
    try:
        yield server
    finally:
        await server.stop()


def _is_of_ours(record: logging.LogRecord) -> bool:
    """Whether it is no malformed request: who sends one has its answer, and must not fill a log."""
    error = record.exc_info[1] if record.exc_info else None
    return not (isinstance(error, HttpProcessingError) and error.code < 500)


def _log_of_requests() -> logging.Logger:
    requests = logging.getLogger("sd_client.graphql.requests")
    requests.addFilter(_is_of_ours)
    return requests
