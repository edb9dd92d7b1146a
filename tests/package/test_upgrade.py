"""Upgraded under clients that do not stop asking; and upgrades that fail."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from machine import Machine
    from workshop import Workshop

SYSTEM = "/run/spacedrive/daemon.sock"
ALICES = "/home/alice/.local/share/spacedrive/daemon/daemon.sock"
ENOUGH = "/var/tmp/enough"
CROWD = Path(__file__).with_name("crowd.py").read_text()

BROKEN = """#!/bin/sh
echo 'this release cannot be configured' >&2
exit 1
"""


@pytest.fixture(scope="module")
def installed(machine: Machine) -> Machine:
    """The package is installed, the machine's daemon and alice's run."""
    machine.run("dpkg -i /root/spacedrive.deb && systemctl start spacedrive")
    machine.run("systemctl --user start spacedrive.socket spacedrive.service", user="alice")
    machine.write("/usr/local/lib/crowd.py", CROWD)
    return machine


class Crowd:
    """crowd.py in the container, as a unit of its own, until it is told that it is enough."""

    def __init__(self, machine: Machine, user: str, *arguments: str) -> None:
        self._machine = machine
        self._unit = f"crowd-{user}"
        self._said = f"/var/tmp/{self._unit}"
        path, *numbers = arguments
        machine.run(f"rm -f {ENOUGH} {self._said}")
        machine.run(
            f"systemd-run --quiet --collect --unit={self._unit} --uid={user}"
            f" -p StandardOutput=file:{self._said} -p StandardError=file:{self._said}"
            f" python3 -I /usr/local/lib/crowd.py {path} {ENOUGH} {' '.join(numbers)}"
        )
        machine.run(
            f"timeout 60 sh -c 'until grep -qs hammering {self._said}; do sleep 0.05; done'"
        )

    def seen(self) -> dict[str, Any]:
        """What they saw, after it was enough."""
        said = self._machine.output(
            f"timeout 60 sh -c 'while systemctl is-active -q {self._unit}; do sleep 0.05; done';"
            f" cat {self._said}"
        )
        last = said.splitlines()[-1]
        assert last.startswith("{"), said[-3000:]
        found: dict[str, Any] = json.loads(last)
        return found


def sockets(machine: Machine) -> list[str]:
    """Which sockets there are, and since when their units listen."""
    since = "-P ActiveEnterTimestampMonotonic spacedrive.socket"
    return [
        machine.output(f"stat -c %i {SYSTEM} {ALICES}"),
        machine.output(f"systemctl show {since}"),
        machine.output(f"systemctl --user show {since}", user="alice"),
    ]


def upgrade_and_check(machine: Machine, packages: list[str]) -> None:
    """Install these one after the other. Each restarts both daemons, and nobody notices."""
    listening = sockets(machine)
    crowds = [Crowd(machine, "root", SYSTEM, "8", "20"), Crowd(machine, "alice", ALICES, "2", "4")]
    for package in packages:
        machine.run(f"dpkg -i {package}")
    machine.run(f"touch {ENOUGH}; chmod 644 {ENOUGH}")
    for crowd in crowds:
        seen = crowd.seen()
        print(f"\n{machine.release}: {len(packages)} upgrades: {seen}")
        assert seen["failures"] == 0, seen["failed"]
        assert (seen["lost"], seen["doubled"], seen["ended"]) == (0, 0, 0)
        assert seen["agree"]
        assert seen["daemons"] == len(packages) + 1
    assert sockets(machine) == listening


def test_no_client_notices_an_upgrade(installed: Machine) -> None:
    """To the next version, and back."""
    upgrade_and_check(installed, ["/root/newer.deb", "/root/spacedrive.deb"])


@pytest.mark.soak
def test_no_client_notices_ten_upgrades(installed: Machine) -> None:
    upgrade_and_check(installed, ["/root/newer.deb", "/root/spacedrive.deb"] * 5)


def test_what_does_not_run_is_not_started_and_instances_are(installed: Machine) -> None:
    """An upgrade restarts what runs, by whatever name; a socket that was stopped stays so."""
    installed.run("systemctl stop spacedrive.service && systemctl start spacedrive@work.service")
    instance = "systemctl show -P MainPID spacedrive@work.service"
    before = installed.output(instance)
    installed.run("systemctl --user stop spacedrive.socket spacedrive.service", user="alice")
    installed.run("dpkg -i /root/newer.deb")
    assert installed.output("systemctl show -P ActiveState spacedrive.service") == "inactive"
    hers = "systemctl --user show -P ActiveState spacedrive.socket spacedrive.service"
    assert set(installed.output(hers, user="alice").split()) == {"inactive"}
    assert installed.output(instance) not in ("0", before)
    installed.run("systemctl stop spacedrive@work.socket spacedrive@work.service")
    installed.run("dpkg -i /root/spacedrive.deb && systemctl start spacedrive.service")
    installed.run("systemctl --user start spacedrive.socket spacedrive.service", user="alice")


def running(machine: Machine) -> tuple[str, str]:
    """Which daemon answers: its process and its version."""
    status = json.loads(machine.output(f"sd --socket {SYSTEM} status --json"))
    return machine.output("systemctl show -P MainPID spacedrive"), status["version"]


def refused_unnoticed(installed: Machine, package: str) -> str:
    """Install one that cannot be: no client notices, the same daemon goes on. What dpkg said."""
    before = running(installed)
    crowd = Crowd(installed, "root", SYSTEM, "8", "20")
    failed = installed.run(f"dpkg -i /root/{package}", check=False)
    assert failed.returncode != 0
    assert running(installed) == before
    installed.run(f"touch {ENOUGH}")
    seen = crowd.seen()
    assert (seen["failures"], seen["lost"], seen["ended"], seen["daemons"]) == (0, 0, 0, 1)
    return failed.stderr


def test_a_package_that_cannot_be_configured_stops_nothing(
    installed: Machine, workshop: Workshop
) -> None:
    """The old daemon goes on, and installing the good one is all it takes."""
    broken = workshop.changed(
        workshop.package, f"broken-{installed.release}", "0.1.2-1", "postinst", BROKEN
    )
    shutil.copy(broken, installed.tree / "root/broken.deb")
    assert "cannot be configured" in refused_unnoticed(installed, "broken.deb")
    installed.run("dpkg -i /root/newer.deb")
    assert running(installed)[1] == "0.1.1"
    assert installed.output("dpkg --audit") == ""
    installed.run("dpkg -i /root/spacedrive.deb")


def test_a_full_disk_leaves_the_old_version_whole(installed: Machine) -> None:
    """dpkg finds no room for the new files: the old ones stay, and so does what runs."""
    lib = "/usr/lib/spacedrive"
    installed.run(
        f"cp -a {lib} /var/tmp/lib && used=$(du -sm {lib} | cut -f1) &&"
        f" mount -t tmpfs -o size=$((used + 8))m,mode=755 none {lib} && cp -a /var/tmp/lib/. {lib}"
    )
    assert "No space left on device" in refused_unnoticed(installed, "newer.deb")
    # Nothing is half there: it is the old package, with all its files, and it starts.
    listed = installed.output("dpkg -l spacedrive | tail -1").split()
    assert listed[:3] == ["ii", "spacedrive", "0.1.0-1"]
    assert installed.output(f"dpkg --verify spacedrive; find {lib} -name '*.dpkg-new'") == ""
    installed.run("systemctl restart spacedrive")
    assert running(installed)[1] == "0.1.0"
    installed.run(f"umount --lazy {lib} && rm -r /var/tmp/lib")
