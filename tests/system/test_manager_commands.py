"""`sd start`, `stop`, `restart`, `enable`, `disable` where systemd owns the socket."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from machine import Machine

SOCKET = "/home/alice/.local/share/spacedrive/daemon/daemon.sock"


@pytest.fixture
def alices(machine: Machine) -> Iterator[Machine]:
    """Alice's socket listens and her daemon does not run; afterwards neither."""
    machine.run("systemctl --user start spacedrive.socket", user="alice")
    machine.run("systemctl --user stop spacedrive.service", user="alice")
    yield machine
    machine.run("systemctl --user disable --now spacedrive.socket spacedrive", user="alice")


def sd(machine: Machine, words: str) -> dict[str, Any]:
    found = json.loads(machine.output(f"sd {words} --json", user="alice"))
    assert isinstance(found, dict)
    return found


def state(machine: Machine, unit: str) -> str:
    return machine.output(f"systemctl --user show -P ActiveState {unit}", user="alice")


def test_systemd_starts_and_stops_what_it_owns(alices: Machine) -> None:
    started = sd(alices, "start")
    assert started["manager"] == "systemd (user)"
    assert started["unit"] == "spacedrive.service"
    main = alices.output("systemctl --user show -P MainPID spacedrive.service", user="alice")
    assert started["pid"] == int(main) > 0
    assert sd(alices, "start")["pid"] == started["pid"], "it ran already"
    assert sd(alices, "restart")["pid"] not in (0, started["pid"])
    assert sd(alices, "stop")["pid"] is None
    assert state(alices, "spacedrive.service") == "inactive"
    assert state(alices, "spacedrive.socket") == "inactive"
    # Nobody listens, so the question does not start it again.
    assert alices.run("sd status", user="alice", check=False).returncode == 3
    assert "by systemd (user): spacedrive.service" in alices.run("sd start", user="alice").stderr


def test_enabled_it_is_there_for_the_first_client(alices: Machine) -> None:
    sd(alices, "enable")
    enabled = alices.output("systemctl --user is-enabled spacedrive.socket", user="alice")
    assert enabled == "enabled"
    assert state(alices, "spacedrive.service") == "inactive"
    alices.run("sd status", user="alice")
    assert state(alices, "spacedrive.service") == "active"
    sd(alices, "disable")
    assert state(alices, "spacedrive.socket") == "inactive"
    assert alices.run("sd status", user="alice", check=False).returncode == 3


def test_a_daemon_started_by_hand_does_not_take_the_path(alices: Machine) -> None:
    by_hand = alices.run("sd-daemon", user="alice", check=False)
    assert by_hand.returncode == 6
    assert "another daemon already listens" in by_hand.stderr
    assert sd(alices, "start")["pid"], "and the path still works"


def test_the_daemon_of_the_machine_is_meant_by_name(machine: Machine) -> None:
    machine.run("systemctl start spacedrive.socket")
    done = machine.run("sd restart --system --json")
    assert json.loads(done.stdout)["manager"] == "systemd"
    refused = machine.run("sd stop --system", user="carol", check=False)
    assert refused.returncode == 1
    assert "could not stop spacedrive" in refused.stderr
    assert "/var/lib/spacedrive" in machine.output("sd --system status")
    assert "/var/lib/spacedrive" in machine.output("sd status --system --json")
    machine.run("sd stop --system")
    machine.run("systemctl start spacedrive.socket")


def test_without_a_unit_it_is_a_process_of_its_own(machine: Machine) -> None:
    elsewhere = "--data-dir /home/alice/elsewhere"
    started = sd(machine, f"start {elsewhere}")
    assert started["manager"] is None
    assert started["pid"] > 0
    refused = machine.run(f"sd enable {elsewhere}", user="alice", check=False)
    assert refused.returncode == 5
    assert "no service manager listens on" in refused.stderr
    assert sd(machine, f"stop {elsewhere}")["pid"] is None
