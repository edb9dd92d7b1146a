"""Answers over HTTP: which form is wanted, which status goes with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web

from sd_client.graphql.failures import INTERNAL, formatted, refusal

if TYPE_CHECKING:
    from sd_client.graphql.admission import NotAdmitted
    from sd_client.graphql.engine import Refused

JSON = "application/json"
GRAPHQL = "application/graphql-response+json"
EVENTS = "text/event-stream"
_FORMS = (GRAPHQL, JSON, EVENTS)


def accepted(header: str | None) -> str | None:
    """The form that a client likes best of those that there are; None where it wants none."""
    if not header:
        return JSON
    best: tuple[float, str] | None = None
    for part in header.split(","):
        name, *parameters = (one.strip().lower() for one in part.split(";"))
        found = JSON if name in ("*/*", "application/*") else name
        weight = _weight(parameters)
        if found in _FORMS and weight > 0 and (best is None or weight > best[0]):
            best = (weight, found)
    return None if best is None else best[1]


def _weight(parameters: list[str]) -> float:
    for one in parameters:
        name, _, value = one.partition("=")
        if name == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0


def answer(body: bytes, form: str, status: int = 200) -> web.Response:
    """A GraphQL response."""
    headers = {"Content-Type": f"{form}; charset=utf-8", "Cache-Control": "no-store"}
    return web.Response(body=body, status=status, headers=headers)


def refused(error: Refused, form: str) -> web.Response:
    """A GraphQL response without data. As plain JSON a well-formed request is answered with 200,
    whatever it asks for; GraphQL's own form says it in the status, too."""
    body = msgspec.json.encode({"errors": formatted(error.errors)})
    status = 400 if error.unreadable or form != JSON else 200
    return answer(body, JSON if form == EVENTS else form, status)


def failed() -> web.Response:
    """What a defect of this server is answered with; its log has the rest."""
    body = {"errors": formatted([refusal("internal-failure", INTERNAL)])}
    return answer(msgspec.json.encode(body), JSON, 500)


def not_admitted(error: NotAdmitted) -> web.Response:
    """What is refused before it is looked at as GraphQL."""
    extensions: dict[str, Any] = {"code": error.code}
    if error.hint:
        extensions["hint"] = error.hint
    body = {"errors": [{"message": error.text, "extensions": extensions}]}
    made = answer(msgspec.json.encode(body), JSON, error.status)
    if error.status == 401:
        made.headers["WWW-Authenticate"] = 'Bearer realm="spacedrive"'
    return made
