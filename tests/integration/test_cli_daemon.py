"""`sd start`, `stop`, `restart`: they return when it is true."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cli_command import Sd

if TYPE_CHECKING:
    from collections.abc import Iterator


UNITS = [
    place
    for place in (Path(__file__).parents[2] / "contrib" / "systemd").glob("*/spacedrive*.service")
    if "graphql" not in place.name
]


@pytest.fixture
def sd(tmp_path: Path) -> Iterator[Sd]:
    """The command on a data folder that does not exist yet."""
    made = Sd(tmp_path / "data")
    yield made
    made("stop")
    made("stop", "--instance", "second")


def pid_of(sd: Sd, *options: str) -> int:
    """The process that answers."""
    pid: int = json.loads(sd.good("status", "--json", *options).out)["system"]["pid"]
    return pid


def is_alive(pid: int) -> bool:
    """Whether the process is there and not only waiting to be buried."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_daemon_that_was_started_answers_at_once(sd: Sd) -> None:
    ran = sd.good("start")
    pid = pid_of(sd)
    assert ran.err == f"the daemon is ready (pid {pid})\n"
    assert ran.out == b""


@pytest.mark.skipif(not os.path.exists("/proc/self/environ"), reason="reads /proc")
def test_it_keeps_as_little_memory_as_under_systemd(sd: Sd) -> None:
    sd.good("start")
    with open(f"/proc/{pid_of(sd)}/environ", encoding="utf-8") as file:
        environment = file.read().split("\0")
    for unit in UNITS:
        wanted = re.findall(r"^Environment=(MALLOC_\w+=\S+)$", unit.read_text("utf-8"), re.M)
        assert wanted
        assert set(wanted) <= set(environment)


def test_starting_twice_leaves_the_first(sd: Sd) -> None:
    sd.good("start")
    pid = pid_of(sd)
    assert sd.good("start").err == f"the daemon runs already (pid {pid})\n"
    assert pid_of(sd) == pid


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="reads /proc")
def test_a_daemon_that_was_stopped_is_gone(sd: Sd) -> None:
    sd.good("start")
    pid = pid_of(sd)
    assert sd.good("stop").err == "the daemon has stopped\n"
    assert not is_alive(pid)
    assert not (sd.data_dir / "daemon" / "daemon.sock").exists()
    assert sd("status").status == 3


def test_stopping_nothing_is_no_failure(sd: Sd) -> None:
    assert sd.good("stop").err == "no daemon was running\n"


def test_a_restart_is_another_process_with_the_same_libraries(sd: Sd) -> None:
    sd.good("start")
    sd.good("library", "create", "Home")
    before = pid_of(sd)
    sd.good("restart")
    assert pid_of(sd) != before
    assert [one["name"] for one in json.loads(sd.good("library", "list", "--json").out)] == ["Home"]


BOTH: list[tuple[str, ...]] = [(), ("--instance", "second")]


def test_instances_are_daemons_of_their_own(sd: Sd) -> None:
    sd.good("start")
    sd.good("start", "--instance", "second")
    assert pid_of(sd) != pid_of(sd, "--instance", "second")
    sd.good("library", "create", "Home")
    sd.good("library", "create", "Home", "--instance", "second")
    made = {name: json.loads(sd.good("library", "list", "--json", *name).out) for name in BOTH}
    places = {name: sd.data_dir.joinpath(*name[1:] and ("instances", name[1])) for name in BOTH}
    for name, place in places.items():
        assert [one["path"] for one in made[name]] == [f"{place}/libraries/Home.sdlibrary"]
        system = json.loads(sd.good("status", "--json", *name).out)["system"]
        assert system["data_directory"] == str(place)
        assert system["log_file"] == f"{place}/logs/daemon.log"
        assert os.path.exists(system["log_file"])
    sd.good("stop", "--instance", "second")
    assert sd("status", "--instance", "second").status == 3
    sd.good("status")


def test_a_daemon_that_cannot_start_says_why(sd: Sd) -> None:
    sd.data_dir.write_text("a file where the folder should be")
    ran = sd("start")
    assert ran.status == 4
    assert ran.err.startswith("sd: the daemon did not start: ")
    assert str(sd.data_dir) in ran.err
    assert "hint: 'sd start --foreground'" in ran.err


def test_a_daemon_whose_configuration_is_damaged_is_never_ready(sd: Sd) -> None:
    """It listens, and answers Ping, before it reads that file."""
    sd.data_dir.mkdir()
    (sd.data_dir / "spacedrive.json").write_text('{"log_level": "loud"}')
    for _ in range(5):
        ran = sd("start")
        assert ran.status == 78
        assert ran.err.startswith("sd: the daemon did not start: it ended with 78")
        assert "spacedrive.json" in ran.err


def test_a_folder_that_cannot_be_used_is_named(sd: Sd) -> None:
    sd.data_dir.mkdir()
    (sd.data_dir / "daemon").write_text("a file where a folder should be")
    assert f"the data folder {sd.data_dir}/daemon cannot be used: " in sd("start").err


@pytest.mark.parametrize("name", ["", "no/slash", "x" * 65])
def test_an_instance_needs_a_proper_name(sd: Sd, name: str) -> None:
    ran = sd("start", "--instance", name or " ")
    assert ran.status == 2
    assert "cannot be the name of an instance" in ran.err


def test_a_socket_path_that_is_too_long_is_said_to_be(sd: Sd) -> None:
    ran = sd("status", "--socket", "/" + "x" * 120)
    assert ran.status == 2
    assert "the socket path" in ran.err


@pytest.mark.skipif(os.path.isdir("/run/systemd/system"), reason="systemd may have a unit of ours")
@pytest.mark.parametrize("verb", ["start", "stop", "restart", "enable"])
def test_the_machines_daemon_is_nobodys_to_start_without_a_service_manager(
    sd: Sd, verb: str
) -> None:
    ran = sd(verb, "--system")
    assert ran.status == 5
    assert ran.err.splitlines() == [
        "sd: no service manager listens on /run/spacedrive/daemon.sock: it cannot"
        f" {verb} the daemon",
        "hint: sd start starts your own without one; the package brings units for systemd",
    ]
    assert not sd.data_dir.exists()


def test_a_log_that_cannot_be_written_is_in_the_status(sd: Sd) -> None:
    (sd.data_dir / "logs" / "daemon.log").mkdir(parents=True)
    sd.good("start")
    problems = json.loads(sd.good("status", "--json").out)["problems"]
    path = sd.data_dir / "logs" / "daemon.log"
    assert problems == [f"the log file {path} cannot be written: Is a directory"]


def test_ctrl_c_before_the_daemon_is_there_ends_it_in_silence(sd: Sd) -> None:
    """Most of that time is spent in reading modules."""
    program = (
        "import os, signal, sys, threading\n"
        "class Found:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'sd_daemon.host.daemon':\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Found())\n"
        "import runpy\n"
        "runpy.run_module('sd_daemon', run_name='__main__')\n"
    )
    command = [sys.executable, "-c", program, "--data-dir", str(sd.data_dir)]
    ran = subprocess.run(command, capture_output=True, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (-signal.SIGINT, b"", b"")


def test_errors_are_json_where_json_is_asked_for(sd: Sd) -> None:
    ran = sd("library", "list", "--json")
    assert ran.status == 3
    error = json.loads(ran.err)["error"]
    assert error["code"] == "daemon-not-running"
    assert error["hint"] == "start it with 'sd start'"
