"""`sd cp` and `sd mv` of one file: what the quick path reads, what it does, what it leaves."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cli_command import LAUNCHER, Sd
from test_cli_quick import NEEDED, imported

if TYPE_CHECKING:
    from running import Daemon

COPY, MOVE = "file_copy", "move_files"
OURS = {"launch", "sd_client.cli.quick", "sd_client.cli.quick_carry", "sd_wire.places"}


@pytest.fixture
def sd(daemon: Daemon) -> Sd:
    """The command beside a daemon that runs, with a library."""
    made = Sd(daemon.data_dir)
    made.good("library", "create", "Home")
    return made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the file `one`, the folder `inner`, and `taken`."""
    made = tmp_path / "files"
    (made / "inner").mkdir(parents=True)
    (made / "one").write_text("one", "utf-8")
    (made / "taken").write_text("taken", "utf-8")
    return made


def jobs(sd: Sd) -> list[dict[str, Any]]:
    """Every copy and move that there was."""
    listed = json.loads(sd.good("job", "list", "--json").out)
    return [job for job in listed["jobs"] if job["name"] in (COPY, MOVE)]


def quickly(sd: Sd, *words: str) -> None:
    """Run the command; fails where it was not the quick path that answered."""
    place = f"--socket={sd.data_dir}/daemon/daemon.sock"
    loaded = imported(str(LAUNCHER), str(LAUNCHER.parent), *words, place)
    assert loaded - imported("-c", "pass") <= OURS | NEEDED
    assert loaded >= OURS


def test_a_copy_into_a_folder_and_one_to_a_new_name_import_little(sd: Sd, folder: Path) -> None:
    quickly(sd, "cp", f"{folder}/one", f"{folder}/inner")
    quickly(sd, "cp", f"{folder}/one", f'{folder}/two words \u00e4 "quoted" \\')
    assert (folder / "inner" / "one").read_text("utf-8") == "one"
    assert (folder / 'two words \u00e4 "quoted" \\').read_text("utf-8") == "one"
    assert [job["status"] for job in jobs(sd)] == ["completed", "completed"]


def test_a_move_imports_little(sd: Sd, folder: Path) -> None:
    quickly(sd, "mv", f"{folder}/one", f"{folder}/inner/other")
    assert not (folder / "one").exists()
    assert (folder / "inner" / "other").read_text("utf-8") == "one"


def test_names_are_of_the_folder_one_is_in(sd: Sd, folder: Path) -> None:
    assert sd.good("cp", "one", "inner", cwd=folder).err == ""
    assert sd.good("mv", "inner/one", "moved", cwd=folder).out == b""
    assert (folder / "moved").read_text("utf-8") == "one"


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("cp", "one", "taken"), 6),
        (("cp", "missing", "inner"), 5),
        (("mv", "one", "missing/name"), 5),
        (("cp", "one"), 2),
        (("cp", "--nonsense", "one", "new"), 2),
    ],
)
def test_what_cannot_be_done_is_told_by_the_full_command(
    sd: Sd, folder: Path, words: tuple[str, ...], status: int
) -> None:
    ran = sd(*words, cwd=folder)
    assert ran.status == status
    assert ran.err.startswith("sd: ")
    assert (folder / "one").exists()
    assert (folder / "taken").read_text("utf-8") == "taken"


@pytest.mark.parametrize(
    ("words", "made"),
    [
        (("cp", "-n", "one", "new"), "new"),
        (("cp", "-f", "one", "taken"), "taken"),
        (("cp", "./one", "new"), "new"),
        (("cp", "inner/../one", "new"), "new"),
        (("cp", "one", "inner/"), "inner/one"),
        (("cp", "inner", "copied"), "copied"),
        (("cp", "one", "taken", "inner"), "inner/taken"),
        (("mv", "--keep-both", "one", "new"), "new"),
    ],
)
def test_what_is_not_plain_is_done_by_the_full_command_once(
    sd: Sd, folder: Path, words: tuple[str, ...], made: str
) -> None:
    sd.good(*words, cwd=folder)
    assert (folder / made).exists()
    assert len(jobs(sd)) == 1


@pytest.fixture
def before(sd: Sd, folder: Path) -> str:
    """The id of a slow job that others have to wait for."""
    sd.good("call", "action:config.app.update.input", '{"limits_file_operations":1}')
    (folder / "large").write_bytes(b"x" * (1 << 20))
    slow = sd.good("cp", "--detach", "--bandwidth", "1K", "large", "copied", cwd=folder)
    return slow.lines[0]


def waiting(sd: Sd, folder: Path, *words: str) -> subprocess.Popen[bytes]:
    """The command, once its job waits and the quick path has lost its patience."""
    one = subprocess.Popen(
        sd.command(*words), cwd=folder, env=sd.environment(), stderr=subprocess.PIPE
    )
    maps = Path(f"/proc/{one.pid}/maps")
    while "msgspec" not in maps.read_text("utf-8"):  # which the full command alone reads
        assert one.poll() is None
        time.sleep(0.01)
    return one


def test_one_that_takes_long_is_begun_once_and_waited_for(
    sd: Sd, folder: Path, before: str
) -> None:
    with waiting(sd, folder, "cp", "one", "new") as one:
        sd.good("job", "cancel", before)
        _, said = one.communicate(timeout=30)
    assert (one.returncode, said) == (0, b"")
    assert (folder / "new").read_text("utf-8") == "one"
    assert sorted(job["status"] for job in jobs(sd)) == ["cancelled", "completed"]


def test_one_that_fails_is_begun_once_and_its_reason_is_told(
    sd: Sd, folder: Path, before: str
) -> None:
    with waiting(sd, folder, "cp", "one", "inner/new") as one:
        (folder / "inner").rmdir()
        sd.good("job", "cancel", before)
        _, said = one.communicate(timeout=30)
    assert one.returncode != 0
    assert said.startswith(b"sd: ")
    assert len(jobs(sd)) == 2


def test_without_a_daemon_there_is_a_sentence_and_a_hint(tmp_path: Path, folder: Path) -> None:
    ran = Sd(tmp_path / "none")("cp", "one", "new", cwd=folder)
    assert ran.status == 3
    assert ran.err.startswith("sd: no daemon is running: there is no socket at ")


class Asked:
    """Somebody in the place of a daemon, who has taken a request for a copy."""

    def __init__(self, sd: Sd, folder: Path, path: Path) -> None:
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(path))
            listening.listen()
            words = ("cp", "one", "new", "--socket", str(path))
            self.command = subprocess.Popen(
                sd.command(*words),
                cwd=folder,
                env=sd.environment(),
                stderr=subprocess.PIPE,
                # A shell starts its background jobs deaf to Ctrl-C, and they hand that down.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )
            self.connection, _ = listening.accept()
        self.lines = self.connection.makefile("rb")
        assert self.lines.readline().startswith(b'{"Action":')

    def said(self) -> tuple[int, bytes]:
        """How the command ended."""
        _, said = self.command.communicate(timeout=30)
        self.lines.close()
        self.connection.close()
        return self.command.returncode, said


def test_a_copy_whose_beginning_nobody_knows_is_not_asked_for_again(
    sd: Sd, folder: Path, tmp_path: Path
) -> None:
    asked = Asked(sd, folder, tmp_path / "sock")
    asked.connection.shutdown(socket.SHUT_RDWR)
    status, said = asked.said()
    assert status == 7
    assert said == b"sd: the daemon does not answer\nhint: 'sd logs' may say why\n"


def test_who_stops_waiting_at_once_is_told_that_the_job_goes_on(
    sd: Sd, folder: Path, tmp_path: Path
) -> None:
    asked = Asked(sd, folder, tmp_path / "sock")
    job = "01234567-89ab-4def-8123-456789abcdef"
    asked.connection.sendall(b'{"JsonOk":{"id":"%s","job_name":"file_copy"}}\n' % job.encode())
    assert asked.lines.readline().startswith(b'{"Subscribe":')
    asked.command.send_signal(signal.SIGINT)
    assert asked.said() == (130, b"the job goes on: 'sd job watch 01234567' shows it\n")
