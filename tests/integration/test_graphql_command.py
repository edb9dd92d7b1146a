"""`sd graphql` as a command: where it listens, what it may be told, and how it fails."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from cli_command import Sd
from graphql_server import PATIENCE, GraphQLServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from running import Daemon


@pytest.fixture
def serve(home: Daemon) -> Iterator[Callable[..., GraphQLServer]]:
    """Start servers with options."""
    made: list[GraphQLServer] = []

    def start(*options: str) -> GraphQLServer:
        made.append(GraphQLServer(home, *options))
        made[-1].wait()
        return made[-1]

    yield start
    for one in made:
        assert one.stop() == 0


def test_introspection_is_answered_as_configured(serve: Callable[..., GraphQLServer]) -> None:
    question = "{ __schema { queryType { name } } }"
    served = serve()
    assert served.post(question).data["__schema"]
    closed = serve("--no-introspection")
    assert "introspection" in closed.post(question).json["errors"][0]["message"]
    for name in ("", "other: __typename "):  # the contract is the schema in other words
        contract = f"{{ {name}coreDescribe {{ protocol }} }}"
        assert served.post(contract).data["coreDescribe"]["protocol"]
        assert closed.post(contract).code == "introspection-refused"
    assert closed.post("{ coreStatus { version } }").data["coreStatus"]
    misspelt = "query ($how: FilesSrt) { coreStats { version } }"
    assert "coreStatus" in str(served.post(misspelt).json)
    assert "Did you mean" not in str(closed.post(misspelt).json)


def test_nobody_may_do_more_than_the_server_is_told(serve: Callable[..., GraphQLServer]) -> None:
    reading = serve("--permission", "read")
    assert reading.post("{ librariesList { name } }").data["librariesList"]
    answer = reading.post('mutation { librariesCreate(name: "No") { name } }')
    assert answer.code == "permission-refused"
    writing = serve("--permission", "write")
    assert writing.post('mutation { librariesCreate(name: "Yes") { name } }').data
    assert writing.post("mutation { configAppReload { success } }").code == "permission-refused"


def test_without_pages_there_are_none(serve: Callable[..., GraphQLServer]) -> None:
    server = serve("--no-pages")
    for path in ("/", "/graphiql", "/page.js"):
        assert server.ask("GET", path, None, server.bearer).status == 404
    assert server.ask("GET", "/health").status == 200


def test_pages_run_nothing_from_elsewhere(serve: Callable[..., GraphQLServer]) -> None:
    server = serve()
    for path in ("/", "/graphiql"):
        answer = server.ask("GET", path)
        assert answer.status == 200
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self'" in policy
        assert b"http" not in answer.body.replace(b"http-equiv", b"")


def free_port() -> int:
    """One that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as made:
        port: int = made.getsockname()[1]
        return port


def over_unix(path: Path, **headers: str) -> Any:
    """What is answered on a Unix socket."""
    connection = http.client.HTTPConnection("localhost")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(str(path))
    question = json.dumps({"query": "{ coreStatus { peer { uid } } }"})
    sent = {"Content-Type": "application/json", **headers}
    connection.request("POST", "/graphql", question, sent)
    with closing(connection):
        return json.loads(connection.getresponse().read())


def test_before_a_proxy_a_unix_socket_asks_for_the_token(home: Daemon, tmp_path: Path) -> None:
    """Whoever asks through it comes as the user whose process the proxy is."""
    sd = Sd(home.data_dir)
    path = tmp_path / "graphql.sock"
    listen = ("--listen", f"127.0.0.1:{free_port()}", "--unix", str(path))
    words = ("graphql", *listen, "--always-token")
    server = subprocess.Popen(sd.command(*words), env=sd.environment(), stderr=subprocess.PIPE)
    assert server.stderr is not None
    server.stderr.readline()  # printed when it listens
    token = (home.data_dir / "graphql" / "token").read_text().strip()
    refused = over_unix(path)
    answered = over_unix(path, Authorization=f"Bearer {token}")
    server.terminate()
    assert server.wait(PATIENCE) == 0
    server.stderr.close()
    assert refused["errors"][0]["extensions"]["code"] == "not-authorized"
    assert "uid" in answered["data"]["coreStatus"]["peer"]


def test_it_listens_where_it_is_told_and_cleans_up(home: Daemon, tmp_path: Path) -> None:
    sd = Sd(home.data_dir)
    path, port = tmp_path / "graphql.sock", free_port()
    words = ("graphql", "--listen", f"127.0.0.1:{port}", "--unix", str(path))
    server = subprocess.Popen(sd.command(*words), env=sd.environment(), stderr=subprocess.PIPE)
    assert server.stderr is not None
    told = server.stderr.readline().decode()  # printed when it listens
    token = (home.data_dir / "graphql" / "token").read_text().strip()
    assert f"http://127.0.0.1:{port}/#token={token}" in told
    assert sd.good("graphql", "--listen", f"127.0.0.1:{port}", "--url").out.decode() in told
    assert path.stat().st_mode & 0o777 == 0o600
    answered = over_unix(path)
    assert "uid" in answered["data"]["coreStatus"]["peer"], "this user needs no token there"
    rebound = over_unix(path, Host="evil.example", Origin="http://evil.example")
    assert rebound["errors"][0]["extensions"]["code"] == "host-unknown"
    proxied = over_unix(path, Host="files.example", Authorization=f"Bearer {token}")
    assert "uid" in proxied["data"]["coreStatus"]["peer"], "a token will do under any name"
    second = sd(*words)
    assert (second.status, "cannot listen" in second.err) == (6, True)
    assert "it is taken" in second.err
    assert "spacedrive-graphql.socket" in second.err
    server.terminate()
    assert server.wait(PATIENCE) == 0
    server.stderr.close()
    assert not path.exists()


def test_half_of_a_name_is_not_enough(home: Daemon) -> None:
    """localhost may stand for two addresses: who is sent there must not meet somebody else."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        refused = Sd(home.data_dir)("graphql", "--listen", f"localhost:{port}")
    assert (refused.status, "it is taken" in refused.err) == (6, True)


def test_a_token_that_others_can_read_is_none(home: Daemon, tmp_path: Path) -> None:
    sd = Sd(home.data_dir)
    token = tmp_path / "token"
    missing = sd("graphql", "--token-file", str(token), "--url")
    assert (missing.status, "No such file" in missing.err) == (78, True)
    for content, mode, reason in (("secret\n", 0o644, "others may read"), ("\n", 0o600, "empty")):
        token.write_text(content)
        token.chmod(mode)
        refused = sd("graphql", "--token-file", str(token), "--url")
        assert (refused.status, reason in refused.err) == (78, True), refused.err
