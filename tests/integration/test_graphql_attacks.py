"""What other people's pages, tired clients and attackers send to the GraphQL server."""

from __future__ import annotations

import hashlib
import json
import os
import socket
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode
from uuid import uuid4

import pytest
from aiohttp import ClientSession
from graphql_server import GraphQLServer, serving

from sd_client.graphql import pages
from sd_client.graphql.admission import Admission
from sd_client.graphql.server import Settings, serve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from running import Daemon

STATUS = "{ coreStatus { version } }"
FORM = "application/x-www-form-urlencoded"
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def graphql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GraphQLServer]:
    """A server with files behind it, that another site's pages may ask as well."""
    folder = tmp_path_factory.mktemp("attacked")
    with serving(folder, "--origin", "https://friend.example") as server:
        yield server


def body(query: str = STATUS, **more: Any) -> bytes:
    """A GraphQL request."""
    return json.dumps({"query": query, **more}).encode()


def test_a_form_of_another_site_is_not_a_request(graphql: GraphQLServer) -> None:
    """A page can make a browser send a form anywhere, with three content types and no question."""
    for kind in (FORM, "text/plain", "multipart/form-data; boundary=x", ""):
        headers = {**graphql.bearer, "Content-Type": kind}
        answer = graphql.ask("POST", "/graphql", body(), headers)
        assert (answer.status, answer.code) == (415, "content-type")


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://localhost.evil.example"]
)
def test_pages_of_other_sites_are_refused_even_with_the_token(
    graphql: GraphQLServer, origin: str
) -> None:
    headers = {**graphql.bearer, **JSON, "Origin": origin}
    answer = graphql.ask("POST", "/graphql", body(), headers)
    assert (answer.status, answer.code) == (403, "origin-refused")
    assert "Access-Control-Allow-Origin" not in answer.headers
    asking = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    assert graphql.ask("OPTIONS", "/graphql", None, asking).status == 403


def test_a_request_that_a_browser_calls_foreign_is_refused(graphql: GraphQLServer) -> None:
    headers = {**graphql.bearer, **JSON, "Sec-Fetch-Site": "cross-site"}
    assert graphql.ask("POST", "/graphql", body(), headers).code == "origin-refused"


def test_a_page_of_an_allowed_site_may_ask_and_read(graphql: GraphQLServer) -> None:
    origin = {"Origin": "https://friend.example"}
    asked = graphql.ask("OPTIONS", "/graphql", None, origin)
    assert asked.status == 204
    assert "Authorization" in asked.headers["Access-Control-Allow-Headers"]
    stream = {"Accept": "text/event-stream"}
    for form in ({}, stream):
        headers = {**graphql.bearer, **JSON, **origin, **form}
        answer = graphql.ask("POST", "/graphql", body(), headers)
        assert answer.status == 200
        assert answer.headers["Access-Control-Allow-Origin"] == "https://friend.example"


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8080", "[::1", "", "127.0.0.1.evil"]
)
def test_a_name_that_was_made_to_lead_here_is_not_ours(graphql: GraphQLServer, host: str) -> None:
    headers = {**graphql.bearer, **JSON, "Host": host}
    answer = graphql.ask("POST", "/graphql", body(), headers)
    assert (answer.status, answer.code) == (421, "host-unknown")
    assert graphql.ask("GET", "/", None, {"Host": host}).status == 421


def test_without_the_token_nothing_is_answered(graphql: GraphQLServer) -> None:
    for headers in ({}, {"Authorization": "Bearer x"}, {"Authorization": graphql.token}):
        answer = graphql.ask("POST", "/graphql", body(), {**JSON, **headers})
        assert (answer.status, answer.code) == (401, "not-authorized")
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert graphql.ask("GET", "/metrics").status == 401
    assert graphql.ask("GET", f"/files/{uuid4()}/{uuid4()}/content").status == 401
    assert graphql.ask("GET", "/health").status == 200


METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY")
HANDSHAKE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Protocol": "graphql-transport-ws",
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("headers", [{"Upgrade": "websocket"}, HANDSHAKE], ids=["word", "whole"])
def test_what_says_that_it_will_be_a_websocket_needs_the_token_as_well(
    graphql: GraphQLServer, method: str, headers: dict[str, str]
) -> None:
    """But for a true handshake at the one place for it, which is asked for the token afterwards."""
    content = f"/files/{uuid4()}/{uuid4()}/content"
    for path in ("/graphql", "/graphql?query=x", "/metrics", content, "/none"):
        expected = 401
        if method == "OPTIONS" and path.startswith("/graphql"):
            expected = 204
        elif method == "GET" and path.startswith("/graphql") and headers is HANDSHAKE:
            expected = 101
        sent = body() if method == "POST" else None
        answer = graphql.ask(method, path, sent, {**JSON, **headers})
        assert answer.status == expected, path


@pytest.mark.parametrize("name", ["token", "access_token"])
def test_a_token_in_the_url_is_refused_even_where_it_is_right(
    graphql: GraphQLServer, name: str
) -> None:
    path = f"/graphql?{urlencode({name: graphql.token})}"
    answer = graphql.ask("POST", path, body(), {**graphql.bearer, **JSON})
    assert (answer.status, answer.code) == (400, "token-in-url")


def test_the_token_is_for_its_owner_only(graphql: GraphQLServer) -> None:
    assert graphql.token_file.stat().st_mode & 0o777 == 0o600
    assert graphql.token_file.parent.stat().st_mode & 0o777 == 0o700


def deep(levels: int) -> str:
    """A query that leads from a file of the schema to its type, again and again."""
    return (
        "{ __schema { types " + "{ fields { type " * levels + "{ name }" + " } }" * levels + " } }"
    )


MANY = "nodes { " + " ".join(f"a{n}: name" for n in range(30)) + " }"

BOMBS = {
    "depth": deep(20),
    "depth in fragments": "{ __schema { ...a } } fragment a on __Schema { types { ...b } }"
    + " fragment b on __Type { fields { type { fields { type { fields { type { fields { type"
    " { fields { type { fields { type { fields { type { name }}}}}}}}}}}}}}}",
    "aliases": "{ " + " ".join(f"a{n}: coreStatus {{ version }}" for n in range(51)) + " }",
    "aliases below": "{ coreStatus { " + " ".join(f"a{n}: version" for n in range(401)) + " } }",
    "roots": "{ " + "coreStatus { version } " * 51 + " }",
    "page": f'{{ filesDirectoryListing(path: {{text: "/"}}, first: 10000) {{ {MANY} }} }}',
    "tokens": "{ " + "coreStatus { " + "version " * 5000 + "} }",
    "circle": "{ coreStatus { ...a } } fragment a on CoreStatus { ...b version }"
    " fragment b on CoreStatus { ...a }",
    "doubling": " ".join(
        [
            "{ coreStatus { ...f0 } }",
            *(f"fragment f{n} on CoreStatus {{ ...f{n + 1} ...f{n + 1} }}" for n in range(60)),
            "fragment f60 on CoreStatus { version }",
        ]
    ),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_short_document_cannot_ask_for_much(graphql: GraphQLServer, name: str) -> None:
    assert "data" not in graphql.post(BOMBS[name]).json


def test_a_variable_counts_as_what_it_stands_for(graphql: GraphQLServer) -> None:
    listing = f'filesDirectoryListing(path: {{text: "/"}}, first: $n) {{ {MANY} }}'
    query = f"query($n: Int!) {{ {listing} }}"
    assert graphql.post(query, n=10_000).code == "query-too-large"
    assert graphql.post(query, n=1).code == "path-not-indexed"


def test_requests_are_not_sent_in_heaps(graphql: GraphQLServer) -> None:
    heap = b"[" + b",".join([body()] * 1000) + b"]"
    answer = graphql.ask("POST", "/graphql", heap, {**graphql.bearer, **JSON})
    assert (answer.status, answer.code) == (400, "request-unreadable")


def test_a_hundred_megabytes_are_not_kept(graphql: GraphQLServer) -> None:
    """Refused, whether their length is told or not; what was under way is thrown away."""
    head = (
        f"POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {graphql.token}\r\n"
    )
    before = graphql.memory()
    for length in (f"Content-Length: {100 << 20}\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n"):
        chunk = b" " * 65536
        if "chunked" in length:
            chunk = b"%x\r\n%b\r\n" % (len(chunk), chunk)
        with closing(socket.create_connection(("127.0.0.1", graphql.port), 20)) as client:
            client.sendall((head + length).encode())
            with suppress(OSError):  # it may hang up on us
                for _ in range((100 << 20) // 65536):
                    client.sendall(chunk)
            assert client.recv(4096).startswith(b"HTTP/1.1 413")
    assert graphql.memory() - before < 16 * 1024
    assert graphql.post(STATUS).status == 200


def test_whoever_sends_slowly_is_hung_up_on(graphql: GraphQLServer) -> None:
    """A head that never ends, and a body that never does. (The server waits ten seconds.)"""
    head = b"POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    token = f"Authorization: Bearer {graphql.token}\r\nContent-Length: 100\r\n\r\n{{".encode()
    clients = []
    for begun in (head, head + token):
        client = socket.create_connection(("127.0.0.1", graphql.port), 30)
        client.sendall(begun)
        clients.append(client)
    assert graphql.post(STATUS).status == 200
    answers = []
    for client in clients:
        with closing(client):
            answers.append(client.recv(65536))
    assert answers[0] == b""
    assert answers[1].startswith(b"HTTP/1.1 408")


def test_what_is_changed_is_not_changed_by_a_get(graphql: GraphQLServer) -> None:
    """Documents by their hash: stored by a POST, then asked for by a GET, if they only read."""
    change = 'mutation { librariesCreate(name: "by GET") { name } }'

    def named(query: str) -> dict[str, Any]:
        digest = hashlib.sha256(query.encode()).hexdigest()
        return {"persistedQuery": {"version": 1, "sha256Hash": digest}}

    def get(query: str) -> Any:
        path = f"/graphql?extensions={quote(json.dumps(named(query)))}"
        return graphql.ask("GET", path, None, graphql.bearer)

    assert get(STATUS).code == "PERSISTED_QUERY_NOT_FOUND"
    headers = {**graphql.bearer, **JSON}
    assert graphql.ask("POST", "/graphql", body(extensions=named(STATUS)), headers).data
    assert get(STATUS).data["coreStatus"]
    unwanted = body(change, variables={"skip": 1}, extensions=named(change), operationName="none")
    graphql.ask("POST", "/graphql", unwanted, headers)  # stored, and refused
    answer = get(change)
    assert (answer.status, answer.code) == (405, "get-changes-nothing")
    direct = graphql.ask("GET", f"/graphql?query={quote(STATUS)}", None, graphql.bearer)
    assert (direct.status, direct.code) == (405, "get-by-hash-only")
    lie = body("{ __typename }", extensions=named(STATUS))
    assert graphql.ask("POST", "/graphql", lie, headers).code == "hash-mismatch"


def test_a_file_is_its_id_and_nothing_else(graphql: GraphQLServer) -> None:
    found = graphql.post('{ searchFiles(query: "picture 0") { files { id } } }').data
    (file,) = found["searchFiles"]["files"]
    (library,) = graphql.post("{ librariesList { id } }").data["librariesList"]
    url = f"/files/{library['id']}/{file['id']}/content"
    path = graphql.pictures / "picture 0.txt"
    whole = graphql.ask("GET", url, None, graphql.bearer)
    assert (whole.status, whole.body) == (200, path.read_bytes())
    assert whole.headers["Content-Security-Policy"].startswith("sandbox")
    part = graphql.ask("GET", url, None, {**graphql.bearer, "Range": "bytes=2-5"})
    assert (part.status, part.body) == (206, path.read_bytes()[2:6])
    assert part.headers["Content-Range"].startswith("bytes 2-5/")
    for odd in (
        f"/files/{library['id']}/../../etc/passwd/content",
        f"/files/{library['id']}/..%2f..%2fetc%2fpasswd/content",
        f"/files/{library['id']}/{file['id']}/content/../../../../etc/passwd",
        f"/files/{library['id']}/{uuid4()}/content",
        f"/files/{uuid4()}/{file['id']}/content",
        "/vendor/../../server.py",
        "/vendor/%2e%2e/index.html",
    ):
        assert graphql.ask("GET", odd, None, graphql.bearer).status == 404, odd


def lead_back(_secret: Path, path: Path) -> None:
    """The file itself, moved to where nobody has indexed it, and a link that leads there."""
    path.symlink_to(path.parent.parent / "moved")


def test_what_has_taken_the_place_of_a_file_is_not_sent(graphql: GraphQLServer) -> None:
    """Between the index and the disk somebody has put a link to a secret, or another file."""
    secret = graphql.pictures.parent / "secret"
    secret.write_text("secret")
    (library,) = graphql.post("{ librariesList { id } }").data["librariesList"]
    for number, replace in ((1, os.symlink), (2, os.link), (3, lead_back)):
        path = graphql.pictures / f"picture {number}.txt"
        found = graphql.post(f'{{ searchFiles(query: "picture {number}") {{ files {{ id }} }} }}')
        (file,) = found.data["searchFiles"]["files"]
        path.rename(graphql.pictures.parent / "moved")
        replace(secret, path)
        url = f"/files/{library['id']}/{file['id']}/content"
        answer = graphql.ask("GET", url, None, graphql.bearer)
        assert (answer.status, answer.code) == (409, "file-replaced")
        assert b"secret" not in answer.body


NOT_UTF_8 = b"\xff\xfe".decode("latin-1")  # as http.client sends it
DEEP = quote('{"a":' + "[" * 3000 + "]" * 3000 + "}", safe="[]")
GARBAGE: dict[str, tuple[str, str, dict[str, str], int, str]] = {
    "token": ("POST", "", {"Authorization": f"Bearer {NOT_UTF_8}"}, 401, "not-authorized"),
    "origin": ("POST", "", {"Origin": "http://["}, 403, "origin-refused"),
    "variables": ("GET", f"?variables={DEEP}", {}, 400, "request-unreadable"),
    "extensions": ("GET", "?extensions=[", {}, 400, "request-unreadable"),
    "compressed": ("POST", "", {"Content-Encoding": "gzip"}, 400, "request-unreadable"),
    "cause": ("POST", "", {"X-Request-ID": NOT_UTF_8}, 400, "header-unreadable"),
}


@pytest.mark.parametrize("name", GARBAGE)
def test_garbage_is_the_fault_of_who_sends_it(graphql: GraphQLServer, name: str) -> None:
    method, query, headers, status, code = GARBAGE[name]
    sent = {**graphql.bearer, **JSON, **headers}
    answer = graphql.ask(method, f"/graphql{query}", body() if method == "POST" else None, sent)
    assert (answer.status, answer.code) == (status, code)


@pytest.mark.parametrize(
    "lines",
    [b"GET /graphql HTTP/1.1\r\nHost:\r\nHost: a\r\n", b"G?T / HTTP/1.1\r\n", b"GET / HTTP/9\r\n"],
)
def test_a_malformed_request_is_answered_and_leaves_no_trace(daemon: Daemon, lines: bytes) -> None:
    server = GraphQLServer(daemon)
    server.wait()
    with socket.create_connection(("127.0.0.1", server.port)) as sock:
        sock.sendall(lines + b"\r\n")
        assert b" 400 " in sock.recv(4096).split(b"\n")[0]
    assert server.stop() == 0
    assert b"Traceback" not in server.said


def test_a_cursor_that_is_no_text_is_refused(graphql: GraphQLServer) -> None:
    query = "subscription { events { cursor } }"
    headers = {**graphql.bearer, **JSON, "Accept": "text/event-stream", "Last-Event-ID": NOT_UTF_8}
    answer = graphql.ask("POST", "/graphql", body(query), headers)
    assert answer.status == 400


def test_a_number_of_many_digits_is_refused(graphql: GraphQLServer) -> None:
    many = "9" * 50_000
    for query in (
        f"{{ duplicatesList(first: {many}) {{ edges {{ cursor }} }} }}",
        f"query($n: Int = {many}) {{ duplicatesList(first: $n) {{ edges {{ cursor }} }} }}",
    ):
        answer = graphql.post(query)
        (error,) = answer.json["errors"]
        assert "Int" in error["message"]
        assert "extensions" not in error  # it is no defect of the server


async def test_a_defect_is_answered_as_json_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The package lacks a file of the page."""
    monkeypatch.setitem(pages.FILES, "/lost", "lost.js")
    settings = Settings(str(tmp_path / "socket"), Admission("t"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        headers = {"Authorization": "Bearer t"}
        async with serve(settings, [listener]), ClientSession(url, headers=headers) as session:
            async with session.get("/lost") as answer:
                assert answer.status == 500
                (error,) = (await answer.json())["errors"]
                assert error["extensions"]["code"] == "internal-failure"
            async with session.get("/metrics") as answer:
                assert 'requests_total{status="500"} 1' in await answer.text()
