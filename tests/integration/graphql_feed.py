"""A subscription over server-sent events, read by hand while it goes on."""

from __future__ import annotations

import http.client
import json
from typing import TYPE_CHECKING, Any, NamedTuple

from graphql_server import PATIENCE

if TYPE_CHECKING:
    from graphql_server import GraphQLServer


class Heard(NamedTuple):
    """One event of the stream."""

    kind: str
    id: str | None
    data: Any


class Feed:
    """One stream."""

    def __init__(
        self, server: GraphQLServer, query: str, /, resume: str | None = None, **variables: Any
    ) -> None:
        server.wait()
        self._connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
        headers = {
            **server.bearer,
            "Content-Type": "application/json",
            "Accept": "text/event-stream",
            **({} if resume is None else {"Last-Event-ID": resume}),
        }
        body = json.dumps({"query": query, "variables": variables})
        self._connection.request("POST", "/graphql", body, headers)
        self._answer = self._connection.getresponse()
        if self._answer.status != 200:
            refusal = self._answer.read()
            self.close()
            raise AssertionError(refusal)

    def __enter__(self) -> Feed:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def next(self) -> Heard:
        """The next event. Raises EOFError at the end."""
        found: dict[str, str] = {}
        while True:
            line = self._answer.readline().decode().rstrip("\n")
            if not line:
                if found:
                    break
                if self._answer.isclosed():
                    raise EOFError
            name, _, value = line.partition(": ")
            assert name != ":", "nothing came, for as long as it takes to be told that"
            found[name.rstrip(":")] = value
        data = json.loads(found["data"]) if found.get("data") else None
        return Heard(found["event"], found.get("id"), data)

    def take(self, count: int) -> list[Heard]:
        """So many."""
        return [self.next() for _ in range(count)]

    def close(self) -> None:
        """Go away."""
        self._answer.close()
        self._connection.close()
