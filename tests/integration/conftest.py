"""A real daemon process on a folder of its own, and a record of all that any of them says.

What is recorded is checked when the last test has ended: see `recording.py`.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cli_command import Sd, Terminal
from recording import TAP, read_all, report
from running import Daemon
from trash_bin import Bin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

HERE = Path(__file__).parent
RECORDED = pytest.StashKey[Path]()
LEFT_OUT = pytest.StashKey[list[str]]()
REPORT = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    """Have every daemon of this run recorded."""
    folder = tempfile.mkdtemp(prefix="wire-of-tests-")
    config.stash[RECORDED] = Path(folder)
    config.stash[LEFT_OUT] = []
    config.stash[REPORT] = []
    known = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = f"{TAP}:{known}" if known else str(TAP)
    os.environ["RECORD_WIRE_TO"] = folder


def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave nothing behind."""
    shutil.rmtree(config.stash[RECORDED])


def pytest_deselected(items: Sequence[pytest.Item]) -> None:
    """Somebody wanted only some of the tests."""
    for item in items:
        if item.path.is_relative_to(HERE) and item.get_closest_marker("soak") is None:
            item.config.stash[LEFT_OUT].append(item.nodeid)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hold what was recorded against what is declared. What was never met is only told where
    every test of this folder was run, and none failed or was skipped (most of those need root)."""
    config = session.config
    files = {path for path in HERE.glob("test_*.py") if not path.name.startswith("test_soak")}
    ran_all = files <= {item.path for item in session.items} and not config.stash[LEFT_OUT]
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter is None or any(
        one.nodeid.startswith(str(HERE.relative_to(config.rootpath)))
        for one in reporter.stats.get("skipped", ())
    )
    complete = ran_all and not skipped and session.exitstatus == pytest.ExitCode.OK
    config.stash[REPORT] = report(read_all(config.stash[RECORDED]), complete=complete)
    if config.stash[REPORT] and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say what the record showed."""
    if config.stash[REPORT]:
        terminalreporter.section("what the daemons said is not what is declared", red=True)
        for line in config.stash[REPORT]:
            terminalreporter.line(line)


@pytest.fixture
def make_daemon(tmp_path: Path) -> Iterator[Callable[..., Daemon]]:
    """Daemons that are not started yet, by the name of their data folder."""
    made: list[Daemon] = []

    def make(name: str = "data", *, watching: bool = False) -> Daemon:
        made.append(Daemon(tmp_path / name, watching=watching))
        return made[-1]

    yield make
    for one in made:
        one.kill()


@pytest.fixture
def daemon(make_daemon: Callable[..., Daemon]) -> Daemon:
    """A daemon that answers."""
    return make_daemon().start()


@pytest.fixture
def watching(make_daemon: Callable[..., Daemon]) -> Daemon:
    """A daemon that answers, and watches what it has indexed."""
    return make_daemon(watching=True).start()


@pytest.fixture
def lonely(make_daemon: Callable[..., Daemon], tmp_path: Path) -> Daemon:
    """A daemon that can reach nothing of this user: its home is a folder of the test."""
    home = tmp_path / "home"
    home.mkdir()
    kept = {"PATH": os.environ["PATH"], "HOME": str(home), "XDG_DATA_HOME": str(home)}
    return make_daemon().start(env=kept, cwd=str(home))


@pytest.fixture
def bin_(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bin:
    """The trash of the daemon's user, who has a home of their own."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    return Bin(tmp_path / "share" / "Trash")


@pytest.fixture
def home(daemon: Daemon) -> Daemon:
    """A daemon with a library."""
    daemon.call("action:libraries.create.input", {"name": "Home", "path": None})
    return daemon


# --- the command ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sd]:
    """The command beside a daemon with a library, whose user has a home of their own."""
    place = tmp_path_factory.mktemp("cli-files")
    before = os.environ.get("XDG_DATA_HOME")
    os.environ["XDG_DATA_HOME"] = str(place / "share")
    made = Sd(place / "data")
    # Only jobs change the index: damage, as a test does it, must not be taken for a change.
    (place / "data").mkdir(mode=0o700)
    (place / "data" / "spacedrive.json").write_text('{"services": {"fs_watcher_enabled": false}}')
    made.good("start")
    made.good("library", "create", "Home")
    yield made
    made.good("stop")
    if before is None:
        del os.environ["XDG_DATA_HOME"]
    else:
        os.environ["XDG_DATA_HOME"] = before


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of a person's files."""
    made = tmp_path / "files"
    (made / "sub").mkdir(parents=True)
    for name in ("a.txt", "b.txt", "c.log", "sub/d.txt"):
        (made / name).write_text(name)
    return made


@pytest.fixture
def terminal(sd: Sd) -> Iterator[Callable[..., Terminal]]:
    """Start a command on a terminal."""
    opened: list[Terminal] = []

    def start(*words: str, **environment: str) -> Terminal:
        opened.append(Terminal(sd, *words, **environment))
        return opened[-1]

    yield start
    for one in opened:
        one.close()
