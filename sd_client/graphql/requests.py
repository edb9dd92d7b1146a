"""GraphQL requests out of HTTP: a POST with JSON, or a GET that names a stored document.

A form, which any page can send here without asking, is neither.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web
from graphql import OperationType

from sd_client.graphql.admission import NotAdmitted
from sd_client.graphql.answers import EVENTS, JSON, accepted, answer, refused
from sd_client.graphql.engine import Asked, Extensions, Refused
from sd_client.graphql.sse import stream
from sd_wire.messages import MAX_CORRELATION

if TYPE_CHECKING:
    from sd_client.graphql.engine import Engine
    from sd_client.graphql.streams import Streams

ALLOWED = "GET, POST, OPTIONS"
CAUSE = "X-Request-ID"
"""What the daemon publishes and logs on behalf of a request bears it as correlationId."""


class GraphQLRoute:
    """`/graphql`."""

    def __init__(self, engine: Engine, streams: Streams) -> None:
        self._engine = engine
        self._streams = streams

    async def post(self, request: web.Request) -> web.StreamResponse:
        """A query, a mutation, or with `Accept: text/event-stream` a subscription."""
        form = _form(request)
        if request.content_type != JSON:
            text = f"the content type {request.content_type[:60]!r} is not {JSON}"
            raise NotAdmitted(415, "content-type", text, "send JSON")
        asked = _read(await self._body(request))
        return await self._carry_out(request, asked, form, reading_only=False)

    async def get(self, request: web.Request) -> web.StreamResponse:
        """A query that an earlier POST has stored, by its hash."""
        form = _form(request)
        asked = _from_url(request)
        return await self._carry_out(request, asked, form, reading_only=True)

    async def _body(self, request: web.Request) -> bytes:
        try:
            async with asyncio.timeout(self._engine.limits.seconds):
                return await request.read()
        except TimeoutError:
            seconds = f"{self._engine.limits.seconds:.0f}"
            text = f"the request did not arrive within {seconds} s"
            raise NotAdmitted(408, "request-too-slow", text) from None
        except web.RequestPayloadError as error:
            text = f"the body cannot be read: {str(error)[:200]}"
            raise NotAdmitted(400, "request-unreadable", text) from None
        except web.HTTPRequestEntityTooLarge:
            limit = self._engine.limits.body_bytes
            text = f"the request is larger than {limit} bytes"
            raise NotAdmitted(413, "request-too-large", text, "send it in pieces") from None

    async def _carry_out(
        self, request: web.Request, asked: Asked, form: str, *, reading_only: bool
    ) -> web.StreamResponse:
        try:
            prepared = self._engine.prepare(asked)
            kind = self._engine.check(prepared, asked).operation
            if reading_only and kind is OperationType.MUTATION:
                raise NotAdmitted(405, "get-changes-nothing", "a GET cannot change anything")
            if form == EVENTS:
                return await stream(request, self._streams, self._engine, prepared, asked)
            if kind is OperationType.SUBSCRIPTION:
                text = "a subscription is answered as text/event-stream, or over a WebSocket"
                raise NotAdmitted(406, "subscription-needs-a-stream", text)
            cause = _header(request, CAUSE)[:MAX_CORRELATION] or None
            return answer(await self._engine.answer(prepared, asked, cause), form)
        except Refused as error:
            return refused(error, form)


def _form(request: web.Request) -> str:
    form = accepted(request.headers.get("Accept"))
    if form is None:
        text = "none of the forms that the client accepts is there"
        raise NotAdmitted(406, "not-acceptable", text, f"accept {JSON}")
    return form


def _header(request: web.Request, name: str) -> str:
    """A header that is sent on as text."""
    found = request.headers.get(name, "")
    if not found.isascii():  # a surrogate stands for a byte that is no UTF-8
        raise NotAdmitted(400, "header-unreadable", f"the header {name} is not ASCII")
    return found


def _read(body: bytes) -> Asked:
    try:
        return msgspec.json.decode(body, type=Asked)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        batch = body.lstrip()[:1] == b"["
        reason = "send one request, and in it as many fields as you like" if batch else None
        raise NotAdmitted(400, "request-unreadable", str(error)[:300], reason) from error


def _from_url(request: web.Request) -> Asked:
    given = request.query
    if "query" in given:
        text = "a GET names a stored document by its hash, and does not bring one"
        raise NotAdmitted(405, "get-by-hash-only", text, "POST it, with extensions.persistedQuery")
    try:
        return Asked(
            operation_name=given.get("operationName"),
            variables=_json(given.get("variables"), dict[str, Any]),
            extensions=_json(given.get("extensions"), Extensions),
        )
    except (msgspec.DecodeError, RecursionError) as error:
        raise NotAdmitted(400, "request-unreadable", str(error)[:300]) from error


def _json(text: str | None, kind: Any) -> Any:
    return None if not text else msgspec.json.decode(text, type=kind)
