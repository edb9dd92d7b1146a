"""The pages of the GraphQL server in a real browser: Debian's Chromium, driven by Playwright."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from graphql_server import GraphQLServer
from npm import installed, need

if TYPE_CHECKING:
    from collections.abc import Iterator

    from running import Daemon

FILES = 3000


class Browser:
    """Somebody who looks at the pages, and says what they see."""

    def __init__(self, server: GraphQLServer, folder: Path, pictures: Path) -> None:
        origin = server.url.removesuffix("/graphql")
        program = str(installed() / "browse.mjs")
        self.process = subprocess.Popen(
            [need("node"), program, need("chromium"), origin, server.token, folder, pictures],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def sees(self, name: str) -> Any:
        """What is told next, which has to be this."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the browser has ended"
        seen = json.loads(line)
        assert list(seen) == [name] or name in seen, seen
        return seen[name] if len(seen) == 1 else seen

    def go_on(self) -> None:
        """Let it go on."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def close(self) -> None:
        """It has seen enough."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that takes long enough to be seen being indexed."""
    made = tmp_path / "Pictures"
    for number in range(FILES):
        place = made / f"year {number // 500}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"picture {number}.txt").write_text(f"content {number}\n")
    (made / "sunset beach.txt").write_text("The sun sets over the beach.\n")
    (made / "beach at sunset, again.txt").write_text("And again.\n")
    return made


@pytest.fixture
def browser(
    daemon: Daemon, graphql: GraphQLServer, folder: Path, tmp_path: Path
) -> Iterator[Browser]:
    """A browser; with PICTURES set, what it sees is kept there."""
    pictures = Path(os.environ.get("PICTURES", tmp_path))
    made = Browser(graphql, folder, pictures)
    yield made
    made.close()


@pytest.fixture
def graphql(daemon: Daemon) -> Iterator[GraphQLServer]:
    """A server beside a daemon without a library."""
    made = GraphQLServer(daemon)
    made.wait()
    yield made
    assert made.stop() == 0


def test_a_person_indexes_searches_and_survives_a_restart(browser: Browser, daemon: Daemon) -> None:
    assert "token" in browser.sees("asked")
    assert "#" not in browser.sees("address")
    bar = browser.sees("bar")
    assert bar == sorted(bar), "it never goes back"
    assert len(bar) > 2, "it was seen moving"
    assert bar[-1] == 1
    assert set(browser.sees("found")) == {"sunset beach.txt", "beach at sunset, again.txt"}
    assert browser.sees("shown") in ("The sun sets over the beach.\n", "And again.\n")

    assert browser.sees("ready") == "away"
    daemon.stop()
    daemon.kill()
    browser.go_on()
    assert "no daemon is running" in browser.sees("problem")
    assert "no daemon is running" in browser.sees("state")
    assert browser.sees("ready") == "back"
    daemon.start()
    daemon.call("action:libraries.create.input", {"name": "Back again", "path": None})
    browser.go_on()
    assert set(browser.sees("libraries")) == {"Home", "Back again"}
    assert browser.sees("chosen") == {"chosen": "Index", "locations": 0}

    assert browser.sees("tabs") > 8
    assert '"version"' in browser.sees("result")
    assert browser.sees("scheme") in ("dark", "light dark")
    last = browser.sees("origins")
    assert len(last["origins"]) == 1, "nothing is fetched from elsewhere"
    assert last["problems"] == []
