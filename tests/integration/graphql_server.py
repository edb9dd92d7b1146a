"""`sd graphql` as a process beside a daemon, and an HTTP client that is nothing but a socket."""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from cli_command import LAUNCHER, Sd
from running import Daemon

if TYPE_CHECKING:
    from collections.abc import Iterator


PATIENCE = 20.0

HAND_OVER = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.argv[2], sys.argv[2:])
"""
"""What a service manager does for a program that it starts."""


class Answer(NamedTuple):
    """An HTTP answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)

    @property
    def data(self) -> Any:
        """The data of a GraphQL answer without errors."""
        found = self.json
        assert "errors" not in found, found["errors"]
        return found["data"]

    @property
    def code(self) -> str:
        """The code of the first error."""
        return str(self.json["errors"][0]["extensions"]["code"])


class GraphQLServer:
    """One server. It inherits its socket, as from systemd, so that nobody has to wait for it: a
    connection is accepted by the kernel from the first moment on."""

    def __init__(self, daemon: Daemon, *options: str) -> None:
        self.daemon = daemon
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.token_file = daemon.data_dir / "graphql" / "token"
        number = str(self.listener.fileno())
        self.process = subprocess.Popen(
            [sys.executable, "-c", HAND_OVER, number, str(LAUNCHER), "graphql", *options],
            env=Sd(daemon.data_dir).environment(LISTEN_FDS="1"),
            pass_fds=(self.listener.fileno(),),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        self.said = b""  # on standard error, when it has ended

    @property
    def pictures(self) -> Path:
        """The folder that `serving` has indexed."""
        return self.daemon.data_dir.parent / "Pictures"

    @property
    def url(self) -> str:
        """Where GraphQL is."""
        return f"http://127.0.0.1:{self.port}/graphql"

    @property
    def token(self) -> str:
        """What callers need."""
        return self.token_file.read_text("ascii").strip()

    @property
    def bearer(self) -> dict[str, str]:
        """The header with the token."""
        return {"Authorization": f"Bearer {self.token}"}

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """One HTTP request with exactly these headers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.getheaders()), answer.read())
        finally:
            connection.close()

    def post(self, query: str, /, accept: str | None = None, **variables: Any) -> Answer:
        """A GraphQL request of somebody who has the token."""
        self.wait()
        body = json.dumps({"query": query, "variables": variables}).encode()
        headers = {**self.bearer, "Content-Type": "application/json"}
        if accept is not None:
            headers["Accept"] = accept
        return self.ask("POST", "/graphql", body, headers)

    def gauge(self, name: str) -> int:
        """A figure of its metrics."""
        text = self.ask("GET", "/metrics", None, self.bearer).body.decode()
        found = re.search(rf"^spacedrive_graphql_{name} (\d+)$", text, re.MULTILINE)
        assert found is not None, text
        return int(found[1])

    def memory(self) -> int:
        """Resident KiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text("ascii")
        return int(status.partition("VmRSS:")[2].split()[0])

    def index(self, folder: Path) -> None:
        """Add a location, and wait until it is indexed."""
        added = self.post(
            "mutation($path: String!) { locationsAdd(path: {text: $path}) { jobId } }",
            path=str(folder),
        ).data["locationsAdd"]
        stream = "subscription($id: UUID!) { jobUpdates(jobId: $id) { status } }"
        told = self.subscribe(stream, id=added["jobId"])
        assert told[-1]["data"]["jobUpdates"]["status"] == "COMPLETED"

    def subscribe(self, query: str, /, **variables: Any) -> list[Any]:
        """What a subscription tells, to its end."""
        answer = self.post(query, accept="text/event-stream", **variables)
        assert answer.status == 200, answer.body
        *events, last = answer.body.decode().removesuffix("\n\n").split("\n\n")
        assert last == "event: complete\ndata: "
        return [json.loads(one.partition("data: ")[2]) for one in events if one != ":"]

    def wait(self) -> None:
        """Return when it answers; before that, there may be no token."""
        if not self.token_file.exists():
            assert self.ask("GET", "/health").status in (200, 503)

    def stop(self) -> int:
        """End it as a service manager does."""
        self.listener.close()
        self.process.terminate()
        status = self.process.wait(PATIENCE)
        if self.process.stderr is not None:
            self.said = self.process.stderr.read()
            self.process.stderr.close()
        return status


@contextmanager
def serving(folder: Path, *options: str) -> Iterator[GraphQLServer]:
    """A server beside a daemon with a library and an indexed folder, Pictures. Whatever a test has
    the daemon do, it is nothing to the person who runs it: its home is a folder of the test."""
    home = folder / "home"
    home.mkdir()
    environment = {**os.environ, "HOME": str(home), "XDG_DATA_HOME": str(home)}
    daemon = Daemon(folder / "data").start(env=environment)
    try:
        daemon.call("action:libraries.create.input", {"name": "Home", "path": None})
        server = GraphQLServer(daemon, *options)
        try:
            server.index(folder_of(folder))
            yield server
        finally:
            status = server.stop()
        assert status == 0
    finally:
        daemon.kill()


def folder_of(parent: Path) -> Path:
    """A folder with files, one of which has a name that is not UTF-8."""
    made = parent / "Pictures"
    made.mkdir()
    for number in range(5):
        (made / f"picture {number}.txt").write_text(f"content {number}\n" * 100)
    with open(os.fsencode(made) + b"/caf\xe9.txt", "wb") as file:
        file.write(b"coffee")
    return made
