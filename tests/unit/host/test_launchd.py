"""Sockets from launchd, where a small library plays its part; and the jobs that we ship for it."""

from __future__ import annotations

import plistlib
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

LAUNCHD = Path(__file__).parents[3] / "contrib/launchd"

# launch_activate_socket(3): 0 and an array that the caller frees, or the number of an error.
STUB = r"""
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int launch_activate_socket(const char *name, int **descriptors, size_t *count) {
  static int asked = 0;
  const char *given = getenv("STUB_SOCKET"); /* NAME=DESCRIPTOR */
  if (!given) return ESRCH;
  size_t length = strlen(name);
  if (strncmp(given, name, length) || given[length] != '=') return ENOENT;
  if (asked++) return EALREADY;
  *descriptors = malloc(sizeof(int));
  **descriptors = atoi(given + length + 1);
  *count = 1;
  return 0;
}
"""

ASK = """
import os, sys
from sd_daemon.host.launchd import activated_socket
for name in sys.argv[2:]:
    sock = activated_socket(name, sys.argv[1])
    if sock is None:
        print("none")
        continue
    print("inheritable" if sock.get_inheritable() else "closed on exec")
    client, _ = sock.accept()
    client.sendall(b"from the daemon")
    client.close()
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("launchd")
    (folder / "stub.c").write_text(STUB)
    made = folder / "libstub.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", made, folder / "stub.c"], check=True)
    return made


def ask(library: Path, *names: str, sock: socket.socket | None = None) -> list[str]:
    """What a process says that asks its launchd for sockets of these names."""
    passed = [] if sock is None else [sock.fileno()]
    environment = {} if sock is None else {"STUB_SOCKET": f"default={sock.fileno()}"}
    done = subprocess.run(
        [sys.executable, "-c", ASK, library, *names],
        env=environment,
        pass_fds=passed,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


def test_without_launchd_there_is_no_socket(library: Path) -> None:
    assert ask(library, "default") == ["none"]


def test_a_socket_is_handed_over_once_by_its_name(library: Path, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as client:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        client.connect(str(tmp_path / "s"))
        said = ask(library, "other", "default", "default", sock=listener)
        assert said == ["none", "closed on exec", "none"]
        assert client.recv(100) == b"from the daemon"


def test_what_is_no_unix_socket_is_not_used(library: Path) -> None:
    with socket.socket(socket.AF_INET) as wrong:
        assert ask(library, "default", sock=wrong) == ["none"]


def printed(*options: str) -> dict[str, Any]:
    """The job that the installer would load."""
    done = subprocess.run(
        [LAUNCHD / "install", "--print", *options, sys.executable],
        capture_output=True,
        check=True,
    )
    found = plistlib.loads(done.stdout)
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("options", [(), ("--daemon",)], ids=["agent", "daemon"])
def test_a_job_says_what_launchd_understands(options: tuple[str, ...]) -> None:
    job = printed(*options, "--data-dir", "/Users/ann/A & B <x>|\\1")
    assert job["ProgramArguments"] == [
        *(sys.executable, "--data-dir", "/Users/ann/A & B <x>|\\1"),
    ]
    (name, listens), *more = job["Sockets"].items()
    assert (name, more) == ("default", [])
    assert listens["SockPathName"].startswith("/")
    assert listens["SockPathMode"] in (0o600, 0o660)
    assert (listens["SockType"], listens["SockFamily"]) == ("stream", "Unix")
    # Kept alive for ever, or run at once, it would never be started by a connection.
    assert job["KeepAlive"] == {"SuccessfulExit": False}
    assert job["RunAtLoad"] is False
    assert ("UserName" in job) == bool(options)


def test_the_installer_says_what_it_lacks() -> None:
    done = subprocess.run(
        [LAUNCHD / "install", "--print", "sd-daemon"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "not on the PATH" in done.stderr
