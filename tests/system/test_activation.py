"""Started by the first connection, by hand, at boot; stopped, and started again."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from machine import Machine


def test_the_system_daemon_is_started_by_the_first_connection(machine: Machine) -> None:
    machine.run("systemctl start spacedrive.socket")
    assert machine.run("systemctl is-active spacedrive.service", check=False).returncode == 3
    status = machine.output("sd status --json", user="bob")
    assert '"uid":' in status
    assert machine.output("systemctl is-active spacedrive.service") == "active"


def test_the_socket_outlives_the_service(machine: Machine) -> None:
    """Three times, because the first stop is where a loop would have removed the path."""
    for _ in range(3):
        machine.run("systemctl stop spacedrive.service")
        assert "listening" in machine.output("systemctl show -P SubState spacedrive.socket")
        machine.run("sd status", user="bob")
    owner = machine.output("stat -c '%U %G %a' /run/spacedrive/daemon.sock")
    assert owner == "root spacedrive 660"


def test_a_user_has_a_daemon_of_their_own(machine: Machine) -> None:
    machine.run(
        "systemctl --user daemon-reload; systemctl --user start spacedrive.socket", user="alice"
    )
    status = machine.output("sd status --json", user="alice")
    assert "/home/alice/.local/share/spacedrive" in status
    assert machine.output("systemctl --user is-active spacedrive", user="alice") == "active"
