"""Requests as they stand on the wire, and what came of several."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from running import Wire


def query(method: str, payload: Any = None, **beside: Any) -> dict[str, Any]:
    return {"Query": {"method": f"query:{method}", "payload": payload}, **beside}


def action(method: str, payload: Any = None, **beside: Any) -> dict[str, Any]:
    return {"Action": {"method": f"action:{method}.input", "payload": payload}, **beside}


def create(name: str, **beside: Any) -> dict[str, Any]:
    return action("libraries.create", {"name": name, "path": None}, **beside)


def search(**beside: Any) -> dict[str, Any]:
    """Something that has to wait for the database."""
    return query("search.files", {"query": "xq", "filters": {}}, **beside)


def by_id(wire: Wire, count: int) -> dict[Any, Any]:
    """So many replies by their ids."""
    replies = [wire.read() for _ in range(count)]
    return {reply["id"]: reply for reply in replies}


def code(reply: dict[str, Any]) -> str:
    return str(reply["details"]["code"])
