"""Restarted, killed and reloaded under clients that do not stop asking."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from machine import Machine

SOCKET = "/run/spacedrive/daemon.sock"
HAMMER = (Path(__file__).parent / "hammer.py").read_text()
HAMMERED = "/root/hammered"  # what it has said so far


def hammered(machine: Machine, disturbances: list[str], apart: float = 1.0) -> dict[str, Any]:
    """What clients saw while these commands were given, each some time after the one before."""
    machine.run("systemctl reset-failed; systemctl restart spacedrive.socket spacedrive.service")
    machine.write("/root/hammer.py", HAMMER)
    seconds = apart * (len(disturbances) + 1)
    output: list[str] = []
    clients = threading.Thread(
        target=lambda: output.append(
            machine.output(f"python3 /root/hammer.py {SOCKET} {seconds} | tee {HAMMERED}")
        )
    )
    machine.run(f": > {HAMMERED}")
    clients.start()
    machine.run(f"until grep -q hammering {HAMMERED}; do sleep 0.05; done; sleep {apart}")
    for command in disturbances:
        machine.run(f"{command}; sleep {apart * 0.8}")
    clients.join()
    found = json.loads(output[0].splitlines()[-1])
    assert isinstance(found, dict)
    return found


def disturb_and_check(machine: Machine, restarts: int) -> None:
    seen = hammered(machine, ["systemctl restart spacedrive"] * restarts)
    print(f"\n{machine.release}: {restarts} restarts: {seen}")
    assert seen["failures"] == 0, seen["failed"]
    assert (seen["plain_connections_ended"], seen["plain_subscribers_ended"]) == (0, 0)
    assert (seen["lost"], seen["lost_by_plain"], seen["doubled"]) == (0, 0, 0)
    assert seen["agree"]
    nothing_is_kept_of_clients_that_are_gone(machine)


def nothing_is_kept_of_clients_that_are_gone(machine: Machine) -> None:
    """Only the ledger is."""
    kept = "systemctl show -P NFileDescriptorStore spacedrive"
    machine.run(f"timeout 20 sh -c 'until [ $({kept}) = 1 ]; do sleep 0.05; done'")


def test_no_client_notices_a_restart(machine: Machine) -> None:
    disturb_and_check(machine, 3)


@pytest.mark.soak
def test_no_client_notices_twenty_restarts(machine: Machine) -> None:
    disturb_and_check(machine, 20)


def kill_and_check(machine: Machine, times: int) -> None:
    """CoreClient repeats what it may and resumes its subscriptions; of the plain connections only
    those end that were just being answered or sent to."""
    disturbances = ["systemctl kill -s KILL spacedrive", "systemctl reload spacedrive"] * times
    seen = hammered(machine, disturbances)
    print(f"\n{machine.release}: {times} times killed and reloaded: {seen}")
    assert seen["failures"] == 0, seen["failed"]
    assert (seen["lost"], seen["doubled"]) == (0, 0)
    assert seen["agree"]
    assert seen["lost_by_plain"] == 0 or seen["plain_subscribers_ended"]
    nothing_is_kept_of_clients_that_are_gone(machine)


def test_a_crash_loses_nothing(machine: Machine) -> None:
    kill_and_check(machine, 2)


@pytest.mark.soak
def test_twenty_crashes_lose_nothing(machine: Machine) -> None:
    kill_and_check(machine, 20)


def test_stopped_for_good_the_clients_see_the_end(machine: Machine) -> None:
    machine.run("systemctl start spacedrive.socket")
    machine.write(
        "/root/wait.py",
        "import socket\n"
        "s = socket.socket(socket.AF_UNIX); s.connect('/run/spacedrive/daemon.sock')\n"
        "s.sendall(b'\"Ping\"\\n'); print(s.recv(100), flush=True); print(s.recv(100))\n",
    )
    machine.run(
        "systemd-run --unit=waiting --property=StandardOutput=file:/root/said "
        "python3 /root/wait.py; until grep -q Pong /root/said; do sleep 0.05; done"
    )
    machine.run("systemctl stop spacedrive.socket spacedrive.service")
    machine.run("while systemctl is-active -q waiting; do sleep 0.05; done")
    assert machine.output("tail -1 /root/said") == "b''"
    machine.run("systemctl start spacedrive.socket")
