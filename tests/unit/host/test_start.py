"""What the daemon is started with."""

from __future__ import annotations

import subprocess
import sys

import pytest

from sd_daemon.core.jobs.worker import WORK, Kind
from sd_daemon.host.command_line import command_line
from sd_daemon.host.inherit import inherited_sockets, instance_of
from sd_daemon.host.main import boot_id, read_start
from sd_daemon.host.options import plainly
from sd_daemon.host.succession import Inheritance


@pytest.mark.parametrize(
    ("name", "instance"),
    [
        ("", None),
        ("unknown", None),
        ("spacedrive.socket", None),
        ("spacedrive", None),
        ("work", "work"),
        ("work-2_x", "work-2_x"),
        ("no/slash", None),
    ],
)
def test_the_name_of_a_descriptor_is_an_instance(name: str, instance: str | None) -> None:
    assert instance_of(name, None) == instance


def test_an_unnamed_socket_belongs_to_the_instance_that_is_started() -> None:
    assert instance_of("spacedrive@work.socket", "work") == "work"


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"LISTEN_FDS": "1"},
        {"LISTEN_FDS": "1", "LISTEN_PID": "2"},
        {"LISTEN_FDS": "x", "LISTEN_PID": "1"},
        {"LISTEN_FDS": "-1", "LISTEN_PID": "1"},
    ],
)
def test_descriptors_for_others_are_not_ours(environ: dict[str, str]) -> None:
    given = {**environ, "PATH": "/bin"}
    assert inherited_sockets(given, 1, None) == ({}, Inheritance({}))
    assert given == {"PATH": "/bin"}, "a child would see the variables"


def test_the_daemon_does_without_openssl_and_leaves_it_to_others() -> None:
    program = (
        "import sys, sd_daemon.host.main\n"
        "assert not {'ssl', '_ssl', '_hashlib'} & set(sys.modules)\n"
        "assert not {'ctypes', 'email', 'http', 'importlib.metadata'} & set(sys.modules)\n"
        "import hashlib, ssl\n"
        "assert ssl.create_default_context\n"
        "print(hashlib.sha1(b'').hexdigest())\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert ran.stdout.strip() == b"da39a3ee5e6b4b0d3255bfef95601890afd80709"


def loaded_for(module: str) -> set[str]:
    """What is imported in a process that imports only what a worker does for its work there."""
    program = f"import sys, sd_daemon.host.worker, {module}\nprint(*sys.modules)\n"
    command = [sys.executable, "-S", "-c", f"import sys; sys.path[:] = {sys.path!r}\n{program}"]
    ran = subprocess.run(command, capture_output=True, check=True, text=True)
    return set(ran.stdout.split())


@pytest.mark.parametrize("kind", WORK.values(), ids=WORK)
def test_a_worker_is_waited_for_and_reads_what_its_work_needs_only(kind: Kind) -> None:
    loaded = loaded_for(kind.target.partition(":")[0])
    slow = {"asyncio", "concurrent.futures", "logging", "ssl", "_hashlib", "ctypes", "inspect"}
    assert not slow & loaded
    assert not {name for name in loaded if name.startswith("sd_daemon.server")}
    assert callable(kind.work())


def test_a_worker_reads_no_work_but_its_own() -> None:
    loaded = loaded_for("sd_daemon.core.fileops.copying.job")
    assert "sd_daemon.core.index.job" not in loaded
    assert "sd_wire.operations.search" not in loaded


@pytest.mark.parametrize(
    "line",
    [
        "",
        "--data-dir /d",
        "--data-dir=/d --instance=work",
        "--instance work --socket=/a=b --networking --foreground-log --idle-exit 1.5",
        "--data-dir= --idle-exit=30",
        "--socket one --socket another",
    ],
)
def test_a_plain_command_line_means_the_same_without_argparse(line: str) -> None:
    words = line.split(" ") if line else []
    assert plainly(words) == vars(command_line().parse_args(words))


@pytest.mark.parametrize(
    "line",
    [
        "--help",
        "--version",
        "--data",
        "--data-dir",
        "--data-dir --networking",
        "--networking=yes",
        "--idle-exit never",
        "--idle-exit 0",
        "--idle-exit inf",
        "word",
        "--",
    ],
)
def test_any_other_is_for_argparse(line: str) -> None:
    assert plainly(line.split(" ")) is None


def test_the_idle_daemon_has_only_what_somebody_uses() -> None:
    program = "import sys, sd_daemon.host.main\nprint(*sys.modules)\n"
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, text=True
    )
    loaded = set(ran.stdout.split())
    assert not {"argparse", "shutil", "bz2", "lzma", "_hashlib", "typing_extensions"} & loaded
    assert {name for name in loaded if name.startswith("sd_daemon.core.search")} == set()
    assert "sd_wire.describe" not in loaded


def test_the_version_is_told_without_starting_anything() -> None:
    command = [sys.executable, "-m", "sd_daemon", "--version"]
    ran = subprocess.run(command, capture_output=True, check=True, text=True)
    assert ran.stdout.startswith("sd-daemon ")


def test_the_unit_tells_the_boot_as_the_kernel_spells_it() -> None:
    told = {"SD_BOOT_ID": "a34a3bff19cc4c4b8c6fcbd6b1e7d9b4"}
    assert boot_id(told) == "a34a3bff-19cc-4c4b-8c6f-cbd6b1e7d9b4"
    assert boot_id({}) is None
    assert boot_id({"SD_BOOT_ID": "%b"}) is None


@pytest.mark.parametrize("text", ["0", "-1", "inf", "nan", "soon", ""])
def test_an_idle_time_is_a_number_of_seconds(text: str) -> None:
    with pytest.raises(SystemExit, match="2"):
        read_start(["--idle-exit", text])
    assert read_start(["--idle-exit", "0.5"])[0].idle_exit == 0.5
