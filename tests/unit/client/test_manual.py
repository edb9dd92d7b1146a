"""The manual pages say what there is: every command and option, every setting, nothing else."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec
import pytest

from sd_client.cli.main import COMMANDS, root
from sd_daemon.core.config import StoredConfig
from sd_daemon.host.command_line import command_line

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[3]
PAGES = sorted((ROOT / "docs/man").iterdir())
# Pages of others, on every Linux that has the daemon.
FOREIGN = {"journalctl.1", "nc.1", "systemctl.1", "systemd.socket.5", "systemd.unit.5"}
# What the manual says the daemon does nothing by.
WITHOUT_EFFECT = ("preferences", "job_logging", "proxy_pairing")
SERVICES_WITHOUT_EFFECT = (
    *("networking_enabled", "volume_monitoring_enabled", "statistics_listener_enabled"),
)

HELP = {"-h", "--help"}  # explained once, in sd(1)

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def tool(name: str) -> str:
    """A program that reads pages."""
    found = shutil.which(name)
    if found is None and os.environ.get("CI"):
        pytest.fail(f"{name} is missing")
    return found or pytest.skip(f"{name} is missing")


def options_of(command: click.Command) -> set[str]:
    """All spellings of the options that a command shows in its help."""
    context = click.Context(command, info_name="sd")
    return {
        name
        for one in command.get_params(context)
        if isinstance(one, click.Option) and not one.hidden
        for name in (*one.opts, *one.secondary_opts)
    }


def commands(command: click.Command = root, words: tuple[str, ...] = ()) -> Iterator[Any]:
    """Every command and the words that reach it."""
    yield words, command
    if isinstance(command, click.Group):
        context = click.Context(command, info_name="sd")
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from commands(below, (*words, name))


EVERY_COMMAND = dict(commands())


def explained(text: str) -> set[str]:
    """The options that stand as terms in lists."""
    terms = "\n".join(re.findall(r"^\.It (Fl .*)$", text, re.MULTILINE))
    return {"-" + name.replace("\\-", "-") for name in re.findall(r"Fl (\S+)", terms)}


@pytest.mark.parametrize("words", EVERY_COMMAND, ids=lambda words: "-".join(words) or "sd")
def test_every_option_is_explained(words: tuple[str, ...]) -> None:
    text = (ROOT / "docs/man" / ("sd-" + words[0] if words else "sd")).with_suffix(".1").read_text()
    if len(words) == 2:
        verb = " ".join(words).replace("-", r"\-")
        text = text.partition(f".Ss sd {verb}\n")[2]
        text = re.split(r"^\.S[sh] ", text, maxsplit=1, flags=re.MULTILINE)[0]
    elif words:
        text = text.partition("\n.Ss ")[0]
    assert explained(text) - HELP == options_of(EVERY_COMMAND[words]) - HELP
    assert bool(explained(text) & HELP) is (words == ())


def test_each_command_has_a_page_and_each_page_is_of_something() -> None:
    ours = {"spacedrived.8", "spacedrive.conf.5", "spacedrive.socket.5", "sd.1"}
    assert {page.name for page in PAGES} == {f"sd-{name}.1" for name in COMMANDS} | ours


def test_the_daemon_s_options_are_explained() -> None:
    declared = command_line()
    names = {name for action in declared._actions for name in action.option_strings}
    assert explained((ROOT / "docs/man/spacedrived.8").read_text()) == names


def test_every_setting_is_explained_with_its_default() -> None:
    text = (ROOT / "docs/man/spacedrive.conf.5").read_text()
    terms = set(re.findall(r"^\.It Cm (\S+) :", text, re.MULTILINE))
    stored = msgspec.to_builtins(StoredConfig())
    sections = {name: value for name, value in stored.items() if isinstance(value, dict)}
    fields = {field for section in sections.values() for field in section}
    assert terms == fields | stored.keys() - sections.keys()
    assert text.count("\nDefault:\n.Li ") == len(terms)
    assert set(re.findall(r'^\.Ss "The section (\w+)"', text, re.MULTILINE)) == set(sections)


def test_what_is_said_to_have_no_effect_is_not_read() -> None:
    text = (ROOT / "docs/man/spacedrive.conf.5").read_text()
    idle = [part.split('"')[0] for part in text.split("The section ") if "nothing by it." in part]
    assert idle == list(WITHOUT_EFFECT)
    reads = re.compile(rf"\.({'|'.join(WITHOUT_EFFECT + SERVICES_WITHOUT_EFFECT)})\b")
    readers = [
        path.name
        for path in (ROOT / "sd_daemon").rglob("*.py")
        if path != ROOT / "sd_daemon/core/config.py" and reads.search(path.read_text())
    ]
    assert readers == []


def test_every_variable_that_the_programs_read_is_explained() -> None:
    source = "".join(
        path.read_text()
        for folder in ("sd_client", "sd_wire", "sd_daemon")
        for path in (ROOT / folder).rglob("*.py")
    )
    read = set(re.findall(r'environ(?:\.get\(|\.pop\(|\[)"(\w+)"', source))
    text = "".join((ROOT / "docs/man" / name).read_text() for name in ("sd.1", "spacedrived.8"))
    named = set(re.findall(r"\bEv (\w+)", text))
    assert read - named <= {"HOME", "TERM", "XDG_RUNTIME_DIR", "PYTHONPATH"}


@every_page
def test_it_refers_to_pages_that_exist(page: Path) -> None:
    text = page.read_text()
    referred = {f"{name}.{number}" for name, number in re.findall(r"Xr (\S+) (\d)", text)}
    assert referred
    assert referred <= {one.name for one in PAGES} | FOREIGN
    assert page.name not in referred


@every_page
def test_mandoc_and_groff_have_no_complaint(page: Path) -> None:
    lint = [tool("mandoc"), "-T", "lint", "-W", "warning", str(page)]
    assert subprocess.run(lint, capture_output=True, check=False).stdout == b""
    groff = [tool("man"), "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", str(page)]
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "MAN_KEEP_STDERR": "1"}
    ran = subprocess.run(groff, capture_output=True, check=False, env=environment)
    assert (ran.returncode, ran.stderr) == (0, b"")


@every_page
def test_it_can_be_read(page: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "MANWIDTH": "80"}
    ran = subprocess.run(
        [tool("man"), "-l", str(page)], capture_output=True, check=True, env=environment
    )
    text = re.sub(r".\x08", "", ran.stdout.decode())
    assert page.stem.upper() in text.splitlines()[0]
    assert "SEE ALSO" in text
    for line in text.splitlines():
        assert len(line) <= 90, line


def test_examples_can_be_copied() -> None:
    """No dash becomes a hyphen, no quotation mark a curved one."""
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "MANWIDTH": "80"}
    page = ROOT / "docs/man/sd-call.1"
    ran = subprocess.run(
        [tool("man"), "-l", str(page)], capture_output=True, check=True, env=environment
    )
    text = re.sub(r".\x08", "", ran.stdout.decode())
    assert """sd call query:search.files '{"query": "sunset"}'""" in text
    assert "sd call action:libraries.create.input - < library.json" in text
