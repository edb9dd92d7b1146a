"""Configurations that are wrong, at the start and later, and daemons that break again and again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from service import SOCKET, STATE

if TYPE_CHECKING:
    from machine import Machine
    from service import Service

DAMAGED = '{"limits": {"idle_seconds": "soon"}}'
SENTENCE = "spacedrive.json is damaged: Expected `int`, got `str` - at `$.limits.idle_seconds`"


def write_config(service: Service, text: str) -> None:
    service.machine.run(f"cat > {STATE}/spacedrive.json", text=text)


def test_a_reload_is_done_when_it_returns(service: Service) -> None:
    service.machine.run("systemctl start spacedrive.service")
    write_config(service, '{"log_level": "debug", "limits": {"idle_seconds": 7}}')
    service.machine.run("systemctl reload spacedrive.service")
    config = service.sd("config app-get")
    assert (config["log_level"], config["limits"]["idle_seconds"]) == ("debug", 7)
    assert config["logging"]["main_filter"] == "debug"


def test_a_damaged_configuration_is_refused_and_the_old_one_stays(service: Service) -> None:
    machine = service.machine
    write_config(service, '{"limits": {"idle_seconds": 7}}')
    machine.run("systemctl start spacedrive.service")
    write_config(service, DAMAGED)
    assert machine.run("systemctl reload spacedrive.service", check=False).returncode == 1
    assert service.show("ReloadResult") == "exit-code"
    assert service.show("ActiveState") == "active"
    assert service.sd("config app-get")["limits"]["idle_seconds"] == 7
    service.wait_for(f"systemctl show -P StatusText spacedrive | grep -qF '{SENTENCE}'")
    assert SENTENCE in service.journal()
    write_config(service, "{}")
    machine.run("systemctl reload spacedrive.service")
    service.wait_for("! systemctl show -P StatusText spacedrive | grep -q problem")
    assert service.sd("config app-get")["limits"]["idle_seconds"] == 0


def test_sighup_reads_it_too(service: Service) -> None:
    service.machine.run("systemctl start spacedrive.service")
    write_config(service, DAMAGED)
    service.machine.run("systemctl kill -s HUP --kill-whom=main spacedrive.service")
    service.wait_for(f"systemctl show -P StatusText spacedrive | grep -qF '{SENTENCE}'")
    assert service.show("ActiveState") == "active"
    assert "the configuration stays as it was" in service.journal()


def test_a_user_reloads_their_own(machine: Machine) -> None:
    machine.run(
        "systemctl --user start spacedrive && systemctl --user reload spacedrive", user="alice"
    )
    reload = "systemctl --user reload spacedrive"
    path = "/home/alice/.local/share/spacedrive/spacedrive.json"
    machine.run(f"echo damaged > {path}", user="alice")
    refused = machine.run(reload, user="alice", check=False)
    assert refused.returncode == 1
    machine.run(f"rm {path} && {reload}", user="alice")


def test_clients_hear_what_keeps_it_from_starting(service: Service) -> None:
    """All of them, however many: systemd does not lose patience with the socket."""
    write_config(service, DAMAGED)
    for _ in range(3):
        refused = service.machine.run("sd status", user="bob", check=False)
        assert refused.returncode == 78
        assert SENTENCE in refused.stderr
    service.wait_for("systemctl is-failed -q spacedrive.service")
    assert service.show("ExecMainStatus") == "78"
    assert service.show("NRestarts") == "0", "systemd should not have tried again by itself"
    assert service.machine.output("systemctl is-active spacedrive.socket") == "active"
    write_config(service, "{}")
    assert service.inside("ping", SOCKET) > 0


def test_a_wrong_option_is_not_tried_again(service: Service) -> None:
    service.drop_in("Environment=IDLE_EXIT=--idle-exit=soon")
    assert service.machine.run("systemctl start spacedrive", check=False).returncode == 1
    assert service.show("ExecMainStatus") == "2"
    assert service.show("NRestarts") == "0"


def test_a_daemon_that_breaks_does_not_take_its_socket_down(service: Service) -> None:
    service.drop_in("ExecStart=", "ExecStart=/bin/false", "RestartSec=10ms")
    service.machine.run("systemctl start --no-block spacedrive.service")
    service.wait_for("test $(systemctl show -P NRestarts spacedrive.service) -gt 30")
    assert service.machine.output("systemctl is-active spacedrive.socket") == "active"
    service.drop_in()
    assert service.inside("ping", SOCKET) > 0
