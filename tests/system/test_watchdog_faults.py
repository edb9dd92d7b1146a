"""Faults that a daemon survives without doing its work: each is found, told, and mended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from service import INSIDE, SOCKET

if TYPE_CHECKING:
    from service import Service

PERIOD = 6  # seconds; WatchdogSec. A quarter of it is to be more than a busy machine is late
SILENT = f"did not answer for {PERIOD / 2:g} s"
DONE = """until sd job list --json | grep -qE '"status": ?"completed"'; do sleep 0.1; done"""
RESTART = 4.0  # seconds from the end of one daemon to the next on a busy machine


@pytest.mark.parametrize(
    ("fault", "culprit", "frame"),
    [
        ("loop", "Watchdog timeout", "block_the_loop"),
        ("worker", f".db {SILENT}: to be started anew", "sleep_in_a_thread"),
        ("accept", f"the socket {SOCKET} {SILENT}", "_give_up"),
        ("disk", f"the disk that holds /var/lib/spacedrive {SILENT}", "faulty.py"),
    ],
)
def test_a_fault_is_found_and_mended(
    service: Service, fault: str, culprit: str, frame: str
) -> None:
    machine = service.machine
    machine.run("sd library create Home", user="bob")
    service.be_faulty(fault, f"WatchdogSec={PERIOD}")
    machine.run("systemctl restart spacedrive.service")
    # Somebody is there, who needs the disk; and there is a job, if it is not done by then.
    machine.run(f"systemd-run -q --collect {INSIDE} subscribe {SOCKET} 1")
    machine.run(f"sd location add /usr/lib/python3 && {SIGNAL}", user=None)
    took = service.wait_for("test $(systemctl show -P NRestarts spacedrive.service) = 1")
    assert took < PERIOD + RESTART
    journal = service.journal()
    assert culprit in journal, journal
    assert "Failed with result 'watchdog'" in journal
    assert frame in journal, "the stacks do not show where it hung"
    assert "Current thread" in journal or "Thread 0x" in journal
    service.wait_for("systemctl is-active -q spacedrive.service")
    machine.run(DONE, user="bob")


SIGNAL = "systemctl kill -s USR1 --kill-whom=main spacedrive.service"


@pytest.mark.parametrize("seconds", [5, pytest.param(60, marks=pytest.mark.soak, id="a minute")])
def test_a_busy_machine_is_no_fault(service: Service, seconds: int) -> None:
    service.drop_in(f"WatchdogSec={PERIOD}")
    service.machine.run("systemctl start spacedrive.service")
    burn = f"timeout {seconds} sh -c 'while :; do :; done' &"
    service.machine.run(f"{burn * 6} wait")
    assert service.show("NRestarts") == "0"
    assert service.show("ActiveState") == "active"


def test_a_worker_that_does_nothing_is_replaced(service: Service) -> None:
    """It is another process: the daemon stays, and so does the job."""
    machine = service.machine
    service.drop_in(f"WatchdogSec={PERIOD}")
    machine.run("sd library create Home", user="bob")
    machine.run(
        "sd location add /usr/lib &&"
        "until pkill -STOP -P $(systemctl show -P MainPID spacedrive.service); do :; done"
    )
    machine.run(DONE, user="bob")
    assert "a worker does nothing and is killed" in service.journal()
    assert service.show("NRestarts") == "0"
