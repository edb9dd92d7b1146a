"""TAB in real shells on a terminal: what is typed, and what the shell makes of it."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import shutil
import struct
import subprocess
import termios
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from sd_client.cli.main import root

if TYPE_CHECKING:
    from collections.abc import Iterator

SCRIPTS = Path(__file__).parents[2] / "docs/completions"
PATIENCE = 20.0
ASKED = (b"\x1b[c", b"\x1b[0c")  # which terminal this is; newer shells wait for the answer
ANSWER = b"\x1b[?62;c"
# In each of them `sd` is a function that says what it was given.
SETTINGS = {
    "bash": f"""
        source {SCRIPTS}/sd.bash
        bind 'set bell-style none' 'set enable-bracketed-paste off' 'set page-completions off'
        bind 'set completion-query-items 1000'
        PS1='here> '
        sd() {{ printf '<%s>' "$@"; echo ':end'; }}
    """,
    "zsh": f"""
        fpath=({SCRIPTS} $fpath)
        autoload -Uz compinit && compinit -D -u
        setopt no_auto_remove_slash no_beep
        unset zle_bracketed_paste
        LISTMAX=1000 PS1='here> '
        sd() {{ printf '<%s>' "$@"; echo ':end'; }}
    """,
    "fish": f"""
        source {SCRIPTS}/sd.fish
        function fish_prompt; echo 'here> '; end
        function fish_greeting; end
        function sd; printf '<%s>' $argv; echo ':end'; end
    """,
}


class Shell:
    """A shell of somebody who types."""

    def __init__(self, name: str, folder: Path) -> None:
        program = shutil.which(name)
        assert program is not None
        settings = folder / ".zshrc"  # the name that zsh looks for
        settings.write_text(SETTINGS[name])
        words = {
            "bash": ["--noprofile", "--rcfile", str(settings), "-i"],
            "zsh": ["-d", "-i"],
            "fish": ["--no-config", "-i", "-C", f"source {settings}"],
        }
        self.master, follower = pty.openpty()
        fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 200, 200, 0, 0))
        environment = {"PATH": os.environ["PATH"], "TERM": "vt100", "LC_ALL": "C.UTF-8"}
        self.process = subprocess.Popen(
            [program, *words[name]],
            stdin=follower,
            stdout=follower,
            stderr=follower,
            env={**environment, "HOME": str(folder), "ZDOTDIR": str(folder)},
            cwd=folder,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(follower)
        self.shown = b""
        self.read_until("here> ")

    def read_until(self, *texts: str) -> str:
        """Everything that was shown since the last time, once all of these texts were."""
        deadline = time.monotonic() + PATIENCE
        missing = [text for text in texts if text.encode() not in self.shown]
        while missing:
            if not select.select([self.master], [], [], max(0.0, deadline - time.monotonic()))[0]:
                pytest.fail(f"{missing} was never shown: {self.shown.decode('utf-8', 'replace')}")
            data = os.read(self.master, 65536)
            if any(question in data for question in ASKED):
                os.write(self.master, ANSWER)
            self.shown += data
            missing = [text for text in texts if text.encode() not in self.shown]
        shown, self.shown = self.shown.decode("utf-8", "replace"), b""
        return shown

    def complete(self, typed: str) -> str:
        """The words that a line has after TAB."""
        os.write(self.master, typed.encode() + b"\t\r")
        shown = self.read_until(":end")
        words = re.search(r"((?:<[^<>\r\n]*>)+)$", shown.rpartition(":end")[0])
        assert words is not None, shown
        return words[1]

    def offers(self, typed: str, *texts: str) -> str:
        """What TAB shows, which has these texts in it."""
        os.write(self.master, typed.encode() + b"\t\t")
        shown = self.read_until(*texts)
        os.write(self.master, b"\x15")  # away with the line
        os.write(self.master, b"sd over\r")
        return shown + self.read_until(":end")

    def close(self) -> None:
        """Nothing is left of it."""
        self.process.kill()
        self.process.wait()
        os.close(self.master)


@pytest.fixture(scope="module", params=["bash", "zsh", "fish"])
def shell(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shell]:
    """One of the shells, in a home folder with a folder and a file."""
    if shutil.which(request.param) is None:
        if os.environ.get("CI"):
            pytest.fail(f"{request.param} is missing")
        pytest.skip(f"{request.param} is missing")
    folder = tmp_path_factory.mktemp(request.param)
    (folder / "nature").mkdir()
    (folder / "notes.txt").touch()
    made = Shell(request.param, folder)
    yield made
    made.close()


@pytest.mark.parametrize(
    ("typed", "made"),
    [
        ("sd lib", "<library>"),
        ("sd library cr", "<library><create>"),
        ("sd location ad", "<location><add>"),
        ("sd --json library cr", "<--json><library><create>"),
        ("sd --library location library cr", "<--library><location><library><create>"),
        ("sd --socket=/run/x library cr", "<--socket=/run/x><library><create>"),
        ("sd help lib", "<help><library>"),
        ("sd help library cr", "<help><library><create>"),
        ("sd search --rev", "<search><--reverse>"),
        ("sd search sunset --rev", "<search><sunset><--reverse>"),
        ("sd search --sort rel", "<search><--sort><relevance>"),
        ("sd search --sort=rel", "<search><--sort=relevance>"),
        ("sd search -n 5 --kind ima", "<search><-n><5><--kind><image>"),
        ("sd job list --status com", "<job><list><--status><completed>"),
        ("sd describe libraries.cr", "<describe><libraries.create>"),
        ("sd events --type JobPr", "<events><--type><JobProgress>"),
        ("sd location add /et", "<location><add></etc/>"),
        ("sd location add nat", "<location><add><nature/>"),
        ("sd search --in nat", "<search><--in><nature/>"),
        ("sd info not", "<info><notes.txt>"),
        ("sd index start nature not", "<index><start><nature><notes.txt>"),
        ("sd --quie", "<--quiet>"),
    ],
)
def test_tab_completes(shell: Shell, typed: str, made: str) -> None:
    assert shell.complete(typed) == made


@pytest.mark.parametrize(
    ("typed", "left"),
    [
        ("sd location add not", "<location><add><not>"),  # a file, where a folder is meant
        ("sd library rename lib", "<library><rename><lib>"),  # nobody is asked for names
        ("sd search not", "<search><not>"),
        ("sd search -- --rev", "<search><--><--rev>"),
        ("sd test ping hello lib", "<test><ping><hello><lib>"),
        ("sd start --rev", "<start><--rev>"),
    ],
)
def test_tab_leaves_what_it_does_not_know(shell: Shell, typed: str, left: str) -> None:
    assert shell.complete(typed) == left


def test_tab_lists_the_commands(shell: Shell) -> None:
    shown = shell.offers("sd ", "search", "location", "describe", "status", "events")
    assert "app-get" not in shown


def test_tab_lists_the_verbs(shell: Shell) -> None:
    shown = shell.offers("sd library ", "create", "rename", "export", "delete")
    assert "rescan" not in shown


def test_tab_lists_the_options_of_a_command(shell: Shell) -> None:
    shown = shell.offers("sd search --", "--limit", "--older", "--no-hidden", "--socket", "--help")
    assert "--foreground" not in shown


def test_tab_lists_the_options_of_all_commands(shell: Shell) -> None:
    shown = shell.offers("sd --", "--version", "--json", "--data-dir", "--trace", "--instance")
    assert "--limit" not in shown


def commands(command: click.Command = root, typed: str = "sd") -> Iterator[tuple[str, set[str]]]:
    """How each command is typed, and the long options that it has of its own."""
    context = click.Context(command, info_name="sd")
    options = [one for one in command.get_params(context) if isinstance(one, click.Option)]
    names = [name for one in options if not one.hidden for name in one.opts + one.secondary_opts]
    yield typed, {name for name in names if name.startswith("--")} | {"--help", "--library"}
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from commands(below, f"{typed} {name}")


def test_every_command_has_its_options(shell: Shell) -> None:
    for typed, options in commands():
        shell.offers(f"{typed} --", *sorted(options))


def test_tab_lists_the_words_of_an_option(shell: Shell) -> None:
    shell.offers("sd ls --sort ", "modified", "size", "type")
