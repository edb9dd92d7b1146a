"""A daemon starts, is the only one, and ends in order."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from running import Daemon

Make = Callable[..., Daemon]

ENABLE_FD_3 = """
import os, sys
os.dup2(int(sys.argv[1]), 3); os.set_inheritable(3, True)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()), LISTEN_FDNAMES=sys.argv[2])
os.execv(sys.executable, [sys.executable, "-m", "sd_daemon", *sys.argv[3:]])
"""


def listening(path: Path) -> socket.socket:
    """A socket as a service manager makes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(str(path))
    sock.listen()
    return sock


def start_with(sock: socket.socket, daemon: Daemon, name: str = "spacedrive.socket") -> None:
    """Start a daemon as a service manager does that has a socket for it."""
    daemon.process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            ENABLE_FD_3,
            str(sock.fileno()),
            name,
            "--data-dir",
            str(daemon.data_dir),
        ],
        pass_fds=[sock.fileno()],
        stderr=subprocess.PIPE,
    )


def test_sigterm_ends_it_within_two_seconds_and_leaves_no_socket(daemon: Daemon) -> None:
    daemon.call("action:libraries.create.input", {"name": "Home", "path": None})
    began = time.monotonic()
    assert daemon.stop() == 0
    assert time.monotonic() - began < 2
    assert not daemon.socket_path.exists()
    assert "daemon stopped" in daemon.log_text()
    library = daemon.data_dir / "libraries" / "Home.sdlibrary"
    assert not list(library.glob("*.db-wal")), "the write-ahead log was not checkpointed"


def test_an_idle_client_does_not_delay_the_end(daemon: Daemon) -> None:
    with daemon.connect() as wire:
        assert wire.ask("Ping") == "Pong"
        began = time.monotonic()
        assert daemon.stop() == 0
        assert time.monotonic() - began < 2
        assert wire.read_rest() == []


def test_shutdown_by_request_is_answered_and_the_end_can_be_seen(daemon: Daemon) -> None:
    with daemon.connect() as watcher, daemon.connect() as wire:
        watcher.ask({"Subscribe": {"event_types": ["CoreShutdown"], "filter": None}})
        assert wire.ask("Shutdown") == {"Ok": []}
        assert wire.read_rest() == []
        assert watcher.read_rest() == [{"Event": "CoreShutdown"}]
    assert daemon.wait() == 0


def test_only_its_owner_can_reach_the_socket_whatever_the_umask(make_daemon: Make) -> None:
    daemon = make_daemon().start(umask=0)
    assert stat.S_IMODE(daemon.socket_path.stat().st_mode) == 0o600
    assert stat.S_IMODE(daemon.socket_path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE((daemon.data_dir / "logs" / "daemon.log").stat().st_mode) == 0o600


def test_a_second_daemon_says_so_and_leaves_the_first_alone(
    daemon: Daemon, make_daemon: Make
) -> None:
    before = daemon.socket_path.stat().st_ino
    second = make_daemon().start(wait=False)
    assert second.wait() == 6
    assert f"another daemon already listens on {daemon.socket_path}" in second.errors()
    assert daemon.socket_path.stat().st_ino == before
    assert daemon.call("query:test.ping", {"message": "still there"})["echo"] == "still there"


def test_of_daemons_that_start_at_the_same_time_exactly_one_listens(make_daemon: Make) -> None:
    racers = [make_daemon().start(wait=False) for _ in range(4)]
    losers = []
    deadline = time.monotonic() + 30
    while len(losers) < 3 and time.monotonic() < deadline:
        losers = [one for one in racers if one.process and one.process.poll() is not None]
        time.sleep(0.01)
    assert [one.wait() for one in losers] == [6, 6, 6]
    (winner,) = (one for one in racers if one not in losers)
    winner.wait_until_it_answers()


def test_after_kill_9_the_next_one_takes_the_place(daemon: Daemon) -> None:
    daemon.call("action:libraries.create.input", {"name": "Home", "path": None})
    daemon.kill()
    assert daemon.socket_path.exists(), "a killed daemon cannot tidy up"
    daemon.start()
    assert [one["name"] for one in daemon.call("query:libraries.list")] == ["Home"]
    assert "removed the socket of a daemon that was killed" in daemon.log_text()


def test_something_else_at_the_socket_path_is_not_removed(make_daemon: Make) -> None:
    daemon = make_daemon()
    daemon.socket_path.parent.mkdir(parents=True)
    daemon.socket_path.write_text("precious")
    daemon.start(wait=False)
    assert daemon.wait() == 4
    assert "there is something else in its place" in daemon.errors()
    assert daemon.socket_path.read_text() == "precious"


def test_a_socket_path_that_is_too_long_is_explained(make_daemon: Make) -> None:
    daemon = make_daemon("x" * 100).start(wait=False)
    assert daemon.wait() == 2
    said = daemon.errors()
    assert "bytes long, the system allows 107" in said
    assert "--socket" in said


def test_a_data_folder_that_cannot_be_made_is_explained(make_daemon: Make, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    daemon = make_daemon().start(wait=False)
    assert daemon.wait() == 4
    assert "cannot be used" in daemon.errors()


def test_a_bad_instance_name_is_explained(make_daemon: Make) -> None:
    daemon = make_daemon().start("--instance", "a/b", wait=False)
    assert daemon.wait() == 2
    assert "cannot be the name of an instance" in daemon.errors()


def test_an_instance_has_its_own_socket_and_its_own_data(make_daemon: Make) -> None:
    daemon = make_daemon()
    daemon.socket_path = daemon.data_dir / "daemon" / "daemon-work.sock"
    daemon.start("--instance", "work")
    status = daemon.call("query:core.status")
    assert status["system"]["instance_name"] == "work"
    assert (daemon.data_dir / "instances" / "work" / "logs" / "daemon.log").exists()


def test_an_inherited_socket_is_served_and_never_removed(make_daemon: Make) -> None:
    daemon = make_daemon()
    with listening(daemon.socket_path) as sock:
        for _ in range(2):
            start_with(sock, daemon)
            with daemon.connect() as early:  # before the daemon runs: the kernel keeps it
                assert early.ask("Ping") == "Pong"
            assert daemon.stop() == 0
            assert daemon.socket_path.exists()
            daemon.kill()


def test_the_name_of_an_inherited_socket_is_its_instance(make_daemon: Make, tmp_path: Path) -> None:
    daemon = make_daemon()
    daemon.socket_path = tmp_path / "work.sock"
    with listening(daemon.socket_path) as sock:
        start_with(sock, daemon, "work")
        status = daemon.call("query:core.status")
    assert status["system"]["instance_name"] == "work"
    assert not (daemon.data_dir / "daemon").exists(), "an own socket beside the inherited one"


def test_descriptors_meant_for_another_process_are_left_alone(make_daemon: Make) -> None:
    daemon = make_daemon()
    daemon.start(env={**os.environ, "LISTEN_FDS": "1", "LISTEN_PID": "1"})
    assert daemon.call("query:libraries.list") == []


def test_sighup_goes_on_in_a_new_log_file(daemon: Daemon) -> None:
    log = daemon.data_dir / "logs" / "daemon.log"
    log.rename(log.with_suffix(".old"))
    with daemon.connect() as wire:
        wire.ask({"SubscribeLogs": {"filter": None}})
        daemon.signal(signal.SIGHUP)
        assert wire.read()["LogMessage"]["message"] == "log reopened"
    assert "log reopened" in daemon.log_text()


def test_a_second_signal_ends_it_at_once(make_daemon: Make, tmp_path: Path) -> None:
    daemon = make_daemon().start()
    daemon.signal(signal.SIGSTOP)  # both are there before it sees either
    daemon.signal(signal.SIGTERM)
    daemon.signal(signal.SIGINT)
    daemon.signal(signal.SIGCONT)
    assert daemon.wait() in (0, 128 + signal.SIGINT, 128 + signal.SIGTERM)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_an_idle_daemon_sleeps_and_is_small(daemon: Daemon) -> None:
    assert daemon.process is not None
    status = Path(f"/proc/{daemon.process.pid}/status")

    def wake_ups() -> int:
        text = status.read_text("ascii")
        return int(text.partition("\nvoluntary_ctxt_switches:")[2].split()[0])

    before = wake_ups()
    time.sleep(2)  # what is measured is that nothing happens, so there is nothing to wait for
    assert wake_ups() - before <= 2
    assert daemon.memory() <= 32 * 1024  # 28 MiB on the machine of docs/performance.md
