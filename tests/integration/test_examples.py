"""The clients of examples/, each against a real daemon that also goes away and comes back."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from running import Daemon

EXAMPLES = Path(__file__).parents[2] / "examples"
LANGUAGES = ["python", "shell", "node", "c"]
TOOLS = {"python": sys.executable, "shell": "nc", "node": "node", "c": "cc"}
WARNINGS = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-O2"]


def need(tool: str) -> str:
    """A program that the example needs; where there is none, there is nothing to test."""
    found = shutil.which(tool)
    if found is None:
        assert "CI" not in os.environ, f"{tool} has to be installed where changes are checked"
        pytest.skip(f"{tool} is not installed")
    return found


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The client in C, built without a single warning."""
    program = tmp_path_factory.mktemp("c") / "client"
    subprocess.run([need("cc"), *WARNINGS, "-o", program, EXAMPLES / "client.c"], check=True)
    return program


@pytest.fixture(params=LANGUAGES)
def command(request: pytest.FixtureRequest) -> list[str]:
    """How the client of a language is started."""
    language = request.param
    tool = need(TOOLS[language])
    if language == "c":
        return [str(request.getfixturevalue("compiled"))]
    if language == "shell":
        return ["sh", str(EXAMPLES / "client.sh")]
    return [tool, str(EXAMPLES / f"client.{'py' if language == 'python' else 'js'}")]


class Client:
    """A running example."""

    def __init__(self, command: list[str], environment: Mapping[str, str]) -> None:
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**kept, "HOME": "/nonexistent", **environment},
            start_new_session=True,
            text=True,
        )
        self.printed: list[dict[str, Any]] = []

    def remark(self, beginning: str) -> str:
        """Its next remark that begins so; fails where it ends without one."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if line.startswith(beginning):
                return line
        pytest.fail(f"it never said {beginning!r}")

    def read_until_made(self, library: str) -> None:
        """Read what it prints, up to the making of a library."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.printed.append(json.loads(line))
            event = self.printed[-1]["Event"]
            if "LibraryCreated" in event and event["LibraryCreated"]["name"] == library:
                return
        pytest.fail(f"it never printed that {library} was made")

    def kill(self) -> None:
        """End it, with whatever it has started."""
        with contextlib.suppress(ProcessLookupError):  # it has ended by itself
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()


@pytest.fixture
def start() -> Iterator[Callable[..., Client]]:
    """Starts clients, and ends them with the test."""
    started: list[Client] = []

    def begin(command: list[str], **environment: str) -> Client:
        started.append(Client(command, environment))
        return started[-1]

    yield begin
    for one in started:
        one.kill()


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A folder whose path leaves room for a socket's."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def make_library(daemon: Daemon, name: str) -> None:
    daemon.call("action:libraries.create.input", {"name": name, "path": None})


def kept_events(daemon: Daemon, first: int, last: int) -> list[dict[str, Any]]:
    """What the daemon has in its journal, from one number to another."""
    with daemon.connect() as wire:
        wire.send({"Subscribe": {"event_types": [], "after": first - 1}, "id": "w"})
        assert wire.read()["Subscribed"]["gone"] is None
        found = []
        while "CaughtUp" not in (line := wire.read()):
            found.append(line)
    return [line for line in found if line["sequence"] <= last]


def test_it_says_hello_calls_and_handles_an_error(
    daemon: Daemon, command: list[str], start: Callable[..., Client]
) -> None:
    make_library(daemon, "Home")
    client = start([*command, "--socket", str(daemon.socket_path)])
    client.remark("connected to ")
    assert "Home" in client.remark("libraries: ")
    assert client.remark("an error, as expected: ").rstrip(")\n").endswith("method-not-found")


def test_it_prints_every_event_once_also_over_a_restart(
    make_daemon: Callable[..., Daemon], command: list[str], start: Callable[..., Client]
) -> None:
    daemon = make_daemon().start()
    client = start(command, SD_SOCKET=str(daemon.socket_path))
    client.remark("subscribed")
    make_library(daemon, "Before")
    client.read_until_made("Before")
    for number, end in enumerate((signal.SIGTERM, signal.SIGKILL)):
        daemon.signal(end)
        daemon.wait()
        daemon = make_daemon().start()
        make_library(daemon, f"While away {number}")  # most likely before it is back
        client.remark("subscribed")
        make_library(daemon, f"After {number}")
    client.read_until_made("After 1")
    numbers = [line["sequence"] for line in client.printed]
    assert numbers == sorted(set(numbers))
    kept = kept_events(daemon, numbers[0], numbers[-1])
    assert [without_id(line) for line in client.printed] == [without_id(line) for line in kept]


def without_id(line: dict[str, Any]) -> dict[str, Any]:
    """An event as it is for every subscription."""
    return {name: value for name, value in line.items() if name != "id"}


def test_it_prints_only_what_was_asked_for(
    daemon: Daemon, command: list[str], start: Callable[..., Client]
) -> None:
    words = ["--socket", str(daemon.socket_path), "LibraryCreated", "LibraryClosed"]
    client = start([*command, *words])
    client.remark("subscribed")
    make_library(daemon, "One")
    make_library(daemon, "Two")
    client.read_until_made("Two")
    assert [next(iter(line["Event"])) for line in client.printed] == ["LibraryCreated"] * 2


def test_it_finds_the_daemon_in_the_documented_order(
    daemon: Daemon, command: list[str], start: Callable[..., Client], short_path: Path
) -> None:
    socket, data = str(daemon.socket_path), str(daemon.data_dir)
    xdg, home = short_path / "xdg", short_path / "home"
    below_xdg, below_home = xdg / "spacedrive", home / ".local/share/spacedrive"
    for place in (below_xdg, below_home):
        place.parent.mkdir(parents=True)
        place.symlink_to(data)
    wrong = str(short_path / "wrong")
    ways: list[tuple[list[str], dict[str, str], str]] = [
        (["--socket", socket], {"SD_SOCKET": wrong, "SD_DATA_DIR": wrong}, socket),
        (["--data-dir", data], {"SD_SOCKET": wrong, "SD_DATA_DIR": wrong}, socket),
        ([], {"SD_SOCKET": socket, "SD_DATA_DIR": wrong}, socket),
        ([], {"SD_DATA_DIR": data, "XDG_DATA_HOME": wrong}, socket),
    ]
    if sys.platform != "darwin":
        ways += [
            ([], {"XDG_DATA_HOME": str(xdg), "HOME": wrong}, f"{below_xdg}/daemon/daemon.sock"),
            ([], {"HOME": str(home)}, f"{below_home}/daemon/daemon.sock"),
        ]
    for words, environment, expected in ways:
        client = start([*command, *words], **environment)
        assert client.remark("connected to ").startswith(f"connected to {expected}:")


def test_without_a_daemon_it_says_so(
    command: list[str], start: Callable[..., Client], tmp_path: Path
) -> None:
    client = start(command, HOME=str(tmp_path), SD_INSTANCE="work")
    said = client.remark("no daemon answers at ")
    assert f"{tmp_path}/.local/share/spacedrive/daemon/daemon-work.sock" in said
    assert "/run/spacedrive/daemon-work.sock" in said
    assert client.process.wait(20) == 3
