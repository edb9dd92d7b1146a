"""Installed, used, removed, installed again, purged: what is there, and what is left."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from machine import Machine

APT = "apt-get -q -y -o Dpkg::Use-Pty=0"
INSTALL = f"{APT} install /root/spacedrive.deb"
ALICES = "/home/alice/.local/share/spacedrive"

# What any installation of any package writes, and what the running system does.
NOT_OURS = (
    *("/proc", "/sys", "/dev", "/run", "/tmp", "/home", "/root"),
    *("/var/lib/dpkg", "/var/lib/apt", "/var/cache/apt", "/var/log/apt", "/var/log/dpkg.log"),
    *("/var/log/journal", "/var/log/wtmp", "/var/log/lastlog", "/var/lib/systemd", "/var/tmp"),
    *("/var/cache/debconf", "/var/lib/private", "/var/cache/private", "/var/log/private"),
    *("/etc/.pwd.lock", "/etc/passwd-", "/etc/group-", "/etc/shadow-", "/etc/gshadow-"),
)
COMPILED = """
import importlib.util, pathlib
for source in pathlib.Path("/usr/lib/spacedrive").rglob("*.py"):
    if not pathlib.Path(importlib.util.cache_from_source(source)).exists():
        print(source)
"""


def files(machine: Machine) -> dict[str, str]:
    """Every file there is, with what is in it."""
    pruned = " -o ".join(f"-path {one}" for one in NOT_OURS)
    listed = machine.output(
        f"find / -xdev \\( {pruned} \\) -prune -o -type f -exec md5sum {{}} +"
        " -o -printf '%y %p %l\\n'"
    )
    named = {}
    for line in listed.splitlines():
        kind, _, name = line.partition(" ")
        named[name.strip()] = kind
    return named


def state(machine: Machine, *units: str, user: str | None = None) -> list[str]:
    """Whether units are enabled, and whether they run."""
    manager = "systemctl --user" if user else "systemctl"
    said = machine.run(
        f"{manager} is-enabled {' '.join(units)}; {manager} is-active {' '.join(units)}",
        user=user,
        check=False,
    )
    return said.stdout.split()


@pytest.fixture(scope="module")
def before(machine: Machine) -> dict[str, str]:
    """The files of a machine that never saw the package."""
    return files(machine)


@pytest.fixture(scope="module")
def installed(machine: Machine, before: dict[str, str]) -> Machine:
    """The package is installed."""
    assert before
    began = time.monotonic()
    said = machine.run(f"{INSTALL} < /dev/null")
    took = time.monotonic() - began
    print(f"\n{machine.release}: installed in {took:.1f} s")
    assert "[Y/n]" not in said.stdout
    return machine


def test_only_the_sockets_of_people_are_enabled(installed: Machine) -> None:
    units = ("spacedrive.socket", "spacedrive.service")
    assert state(installed, *units) == ["disabled", "disabled", "inactive", "inactive"]
    hers = state(installed, *units, user="alice")
    assert hers == ["enabled", "disabled", "active", "inactive"], "she is logged in"


def test_no_file_differs_from_what_was_packed(installed: Machine) -> None:
    assert installed.output("dpkg --verify spacedrive") == ""


def test_the_units_are_what_systemd_expects(installed: Machine) -> None:
    """Of the system under the system's rules, of people under theirs."""
    for manager, folder, user in (
        ("", "system", None),
        (" --user", "user", "alice"),
    ):
        said = installed.run(
            f"cd /usr/lib/systemd/{folder} && systemd-analyze{manager} --man=no verify"
            " ./spacedrive.service ./spacedrive.socket"
            " ./spacedrive@try.service ./spacedrive@try.socket",
            user=user,
            check=False,
        )
        assert (said.returncode, said.stdout + said.stderr) == (0, ""), folder


def test_the_catalogue_knows_the_messages(installed: Machine) -> None:
    assert "spacedrive" in installed.output("journalctl --list-catalog | grep -i spacedrive")


def test_everything_is_compiled_for_this_python(installed: Machine) -> None:
    """Every module of ours and of what is bundled."""
    installed.write("/root/compiled.py", COMPILED)
    assert installed.output("python3 -I /root/compiled.py") == ""


def test_root_starts_the_machines_daemon(installed: Machine) -> None:
    installed.run("systemctl start spacedrive")
    assert installed.output("systemctl is-active spacedrive.service spacedrive.socket") == (
        "active\nactive"
    )
    owner = installed.output("stat -c '%U %G %a' /run/spacedrive/daemon.sock /var/lib/spacedrive")
    assert owner == "root spacedrive 660\nspacedrive spacedrive 700"
    journal = installed.output("journalctl -q -o cat -u spacedrive")
    assert "daemon ready" in journal


def test_a_person_searches(installed: Machine) -> None:
    """By a socket that she starts, and a daemon that the socket starts."""
    installed.run(
        "systemctl --user start spacedrive.socket && mkdir -p pictures &&"
        " touch 'pictures/sunset beach.jpg' && sd library create Home &&"
        " sd location add pictures && sd job watch",
        user="alice",
    )
    assert "sunset beach.jpg" in installed.output("sd search sun beach", user="alice")
    assert installed.output("systemctl --user is-active spacedrive.service", user="alice")


def test_status_costs_little(installed: Machine) -> None:
    """Shown, not asserted: bench/ has the measure."""
    said = installed.run(
        "sd status; TIMEFORMAT='%R %U %S';"
        " time (for i in $(seq 50); do sd status; done > /dev/null)",
        user="alice",
    )
    real, user, system = (float(one) * 20 for one in said.stderr.split()[-3:])
    print(
        f"\n{installed.release}: sd status {real:.1f} ms, of the processor {user + system:.1f} ms"
    )


def test_status_reads_little_and_all_of_it_compiled(installed: Machine) -> None:
    """Its time is that of the files it opens: none of click, none of re, none of source."""
    installed.write("/usr/local/bin/loud", '#!/bin/sh\nexec python3 -v "$@"\n', 0o755)
    said = installed.run("SD_PYTHON=/usr/local/bin/loud sd status", user="alice").stderr
    installed.run("rm /usr/local/bin/loud")
    imported = set(re.findall(r"^import '?([\w.]+)", said, re.MULTILINE))
    assert "sd_client.cli.quick" in imported
    assert not imported & {
        "re",
        "click",
        "json",
        "asyncio",
        "msgspec",
        "socket",
        "sd_client.cli.main",
    }
    compiled = re.findall(r"^# code object from '(.*/sd_.*)'$", said, re.MULTILINE)
    assert compiled
    assert all(one.endswith(".pyc") for one in compiled)


def test_removed_it_stops_and_keeps_what_people_made(installed: Machine) -> None:
    installed.run(f"systemctl enable --now spacedrive.socket && {APT} remove spacedrive")
    said = installed.run("systemctl list-units --all --no-legend 'spacedrive*'").stdout
    assert "active " not in said.replace("inactive ", ""), said
    assert state(installed, "spacedrive.socket", user="alice")[-1] == "inactive"
    installed.run("test ! -e /usr/lib/spacedrive && test ! -e /usr/bin/sd")
    installed.run(f"test -d /var/lib/spacedrive && test -d {ALICES}/libraries")


def test_installed_again_it_goes_on(installed: Machine) -> None:
    """What was enabled before is so again, and listens at once."""
    installed.run(INSTALL)
    assert state(installed, "spacedrive.socket") == ["enabled", "active"]
    assert state(installed, "spacedrive.socket", user="alice") == ["enabled", "active"]
    assert "sunset beach.jpg" in installed.output("sd search sun beach", user="alice")
    installed.run("sd --socket /run/spacedrive/daemon.sock status")


def test_purged_nothing_is_left_but_the_user(installed: Machine, before: dict[str, str]) -> None:
    installed.run(f"{APT} purge spacedrive")
    after = files(installed)
    left = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    accounts = {f"/etc/{name}" for name in ("passwd", "group", "shadow", "gshadow")}
    assert left == accounts
    assert (
        installed.output("find /run /tmp /var/tmp -name '*spacedrive*' ! -path '/run/user/*'") == ""
    )
    assert "spacedrive" in installed.output("getent passwd spacedrive")
    installed.run(f"test -d {ALICES}/libraries")
