"""Started by the first connection, by hand, at boot; stopped, and started again."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from machine import Machine
    from service import Service


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


def test_nobody_else_reaches_a_users_daemon(machine: Machine) -> None:
    path = "/home/alice/.local/share/spacedrive/daemon/daemon.sock"
    tried = machine.run(f"sd --socket {path} status", user="carol", check=False)
    assert tried.returncode == 4, "permission denied"


def test_two_instances_are_apart(service: Service) -> None:
    machine = service.machine
    machine.run("systemctl start spacedrive@one.socket spacedrive@two.socket")
    one, two = (f"sd --socket /run/spacedrive/daemon-{name}.sock" for name in ("one", "two"))
    machine.run(f"{one} library create First && {two} status", user="bob")
    assert "First" in machine.output(f"{one} library list", user="bob")
    assert "First" not in machine.output(f"{two} library list", user="bob")
    machine.run("systemctl stop spacedrive@one.service")
    assert machine.output("systemctl is-active spacedrive@two.service") == "active"
    assert "First" in machine.output(f"{one} library list", user="bob"), "started again"


def test_a_user_has_instances_too(machine: Machine) -> None:
    machine.run("systemctl --user start spacedrive@work.socket", user="alice")
    status = machine.output("sd --instance work status --json", user="alice")
    assert '"instance_name":"work"' in status.replace(" ", "")
    assert "spacedrive/instances/work" in status


def test_what_is_enabled_is_there_after_a_boot(service: Service) -> None:
    machine = service.machine
    machine.run("systemctl enable -q spacedrive.service")
    machine.run("systemctl --user enable -q spacedrive.socket", user="alice")
    machine.reboot()
    service.wait_for("systemctl is-active -q spacedrive.service")
    assert machine.output("systemctl is-active spacedrive.socket") == "active"
    # alice has not logged in: her manager lingers, and so does her socket.
    path = "/home/alice/.local/share/spacedrive/daemon/daemon.sock"
    service.wait_for(f"test -S {path}")
    assert service.inside("ping", path) > 0
    machine.run("systemctl disable -q spacedrive.service spacedrive.socket")
    machine.run("systemctl --user disable -q spacedrive.socket", user="alice")
