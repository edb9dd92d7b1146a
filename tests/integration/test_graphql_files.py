"""The content of files over HTTP: connections that stay, versions, conditions and ranges."""

from __future__ import annotations

import http.client
import os
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

import pytest
from graphql_server import PATIENCE, Answer, GraphQLServer, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Shown(NamedTuple):
    """A file that is served."""

    server: GraphQLServer
    path: Path
    url: str

    def get(self, **headers: str) -> Answer:
        """Ask for it; `If_Range` is the header If-Range."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.server.ask("GET", self.url, None, {**self.server.bearer, **named})


def shown(server: GraphQLServer, number: int) -> Shown:
    """One of the pictures."""
    query = f'{{ searchFiles(query: "picture {number}") {{ files {{ id }} }} }}'
    (file,) = server.post(query).data["searchFiles"]["files"]
    (library,) = server.post("{ librariesList { id } }").data["librariesList"]
    path = server.pictures / f"picture {number}.txt"
    return Shown(server, path, f"/files/{library['id']}/{file['id']}/content")


@pytest.fixture(scope="module")
def graphql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GraphQLServer]:
    """A server with files behind it."""
    with serving(tmp_path_factory.mktemp("files")) as server:
        yield server


def descriptors(server: GraphQLServer) -> set[str]:
    """What the server has open of the pictures, once it is done with what it has answered."""
    assert server.ask("GET", "/health").status == 200
    folder = f"/proc/{server.process.pid}/fd"
    opened = {os.readlink(f"{folder}/{one}") for one in os.listdir(folder)}
    return {one for one in opened if one.startswith(str(server.pictures))}


def test_a_connection_is_good_for_many_files(graphql: GraphQLServer) -> None:
    files = [shown(graphql, number) for number in range(3)]
    with closing(http.client.HTTPConnection("127.0.0.1", graphql.port, timeout=PATIENCE)) as client:
        client.connect()
        own = client.sock
        for file in files * 3:
            for method, more, status in (
                ("GET", {}, 200),
                ("GET", {"Range": "bytes=3-8"}, 206),
                ("HEAD", {}, 200),
                ("GET", {"Range": "bytes=999999-"}, 416),
                ("GET", {"If-None-Match": "*"}, 304),
                ("GET", {"If-Match": '"another"'}, 412),
            ):
                client.request(method, file.url, None, {**graphql.bearer, **more})
                answer = client.getresponse()
                content = file.path.read_bytes()
                sent = {200: content, 206: content[3:9]}.get(status, b"")
                assert answer.status == status
                assert answer.read() == (b"" if method == "HEAD" else sent)
                assert client.sock is own, "the server has hung up"
    assert not descriptors(graphql)


def test_another_version_is_not_continued(graphql: GraphQLServer) -> None:
    """A download that was interrupted goes on only where the file is still the same."""
    file = shown(graphql, 3)
    content = file.path.read_bytes()
    first = file.get()
    tag, date = first.headers["Etag"], first.headers["Last-Modified"]
    for same in (tag, date):
        answer = file.get(Range="bytes=5-", If_Range=same)
        assert (answer.status, answer.body) == (206, content[5:])
    for other in ('"another"', f"W/{tag}", "Sat, 01 Jan 2000 00:00:00 GMT", "nonsense"):
        answer = file.get(Range="bytes=5-", If_Range=other)
        assert (answer.status, answer.body) == (200, content)


@pytest.mark.parametrize(
    "ranges", ["bytes=0-0,2-3", "bytes=abc", "bytes=5-2", "bytes=-", "bytes=", "lines=1-2"]
)
def test_a_range_that_means_nothing_here_is_not_looked_at(
    graphql: GraphQLServer, ranges: str
) -> None:
    file = shown(graphql, 3)
    answer = file.get(Range=ranges)
    assert (answer.status, answer.body) == (200, file.path.read_bytes())
    assert "Content-Range" not in answer.headers


@pytest.mark.parametrize(
    ("ranges", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=990-", 990, 1000),
        ("bytes=990-99999", 990, 1000),
        ("bytes=-10", 990, 1000),
        ("bytes=-99999", 0, 1000),
    ],
)
def test_a_range_is_sent(graphql: GraphQLServer, ranges: str, start: int, end: int) -> None:
    file = shown(graphql, 3)
    content = file.path.read_bytes()
    assert len(content) == 1000
    answer = file.get(Range=ranges)
    assert (answer.status, answer.body) == (206, content[start:end])
    assert answer.headers["Content-Range"] == f"bytes {start}-{end - 1}/1000"


@pytest.mark.parametrize("ranges", ["bytes=1000-", f"bytes={'9' * 90}-", "bytes=-0"])
def test_a_range_after_the_end_cannot_be_sent(graphql: GraphQLServer, ranges: str) -> None:
    answer = shown(graphql, 3).get(Range=ranges)
    assert (answer.status, answer.body) == (416, b"")
    assert answer.headers["Content-Range"] == "bytes */1000"


def test_a_file_that_becomes_shorter_ends_its_connection(graphql: GraphQLServer) -> None:
    """What was promised and is not there any more is not made up from the next answer."""
    file = shown(graphql, 4)
    large = 256 << 20  # more than the sockets between here and there can hold
    os.truncate(file.path, large)
    with closing(http.client.HTTPConnection("127.0.0.1", graphql.port, timeout=PATIENCE)) as client:
        client.request("GET", file.url, None, graphql.bearer)
        answer = client.getresponse()
        assert answer.length == large
        os.truncate(file.path, 1000)
        with pytest.raises(http.client.IncompleteRead):
            answer.read()
    assert not descriptors(graphql)
