"""A disk that is full, a log that cannot be written, a home that is not there: each is said in a
sentence, in the status and in the journal, and nothing is lost."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from service import STATE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from machine import Machine
    from service import Service

LOGS = "/var/log/spacedrive"
STATUS = "systemctl show -P StatusText spacedrive"


@pytest.fixture
def small_disk(service: Service) -> Iterator[Service]:
    """The state is on a disk of 8 MiB."""
    machine = service.machine
    machine.run(
        f"mount -t tmpfs -o size=8m,mode=700 tmpfs {STATE} && chown spacedrive: {STATE} &&"
        " systemctl start spacedrive.service"
    )
    yield service
    machine.run(f"systemctl stop 'spacedrive*'; umount {STATE}; systemctl start spacedrive.socket")


def test_a_full_disk_is_said_and_nothing_is_lost(small_disk: Service) -> None:
    service, machine = small_disk, small_disk.machine
    service.sd("library create Home")
    machine.run(f"dd if=/dev/zero of={STATE}/filler bs=64k 2>/dev/null; true")
    refused = machine.run("sd library create Second", user="bob", check=False)
    assert refused.returncode != 0
    assert "space" in refused.stderr
    # What needs no room is still answered.
    assert [one["name"] for one in service.sd("library list")] == ["Home"]
    assert "space" in service.journal()
    machine.run(f"rm {STATE}/filler")
    service.sd("library create Second")
    machine.run("systemctl restart spacedrive.service")
    assert sorted(one["name"] for one in service.sd("library list")) == ["Home", "Second"]
    service.wait_for(f"! {STATUS} | grep -q problem")


def test_a_log_that_cannot_be_written_is_said_elsewhere(service: Service) -> None:
    machine = service.machine
    machine.run(f"mkdir -p {LOGS}; mount -t tmpfs -o size=64k,mode=750 tmpfs {LOGS}")
    fill = f"dd if=/dev/zero of={LOGS}/filler bs=4k 2>/dev/null"
    machine.run(f"{fill}; systemctl start spacedrive.service")
    try:
        service.wait_for(f"{STATUS} | grep -q 'the log file {LOGS}/daemon.log cannot be written'")
        assert "the log file cannot be written" in service.journal()
        service.sd("library create Home")
        machine.run(f"rm {LOGS}/filler")
        service.sd("library create Second")
        service.wait_for(f"! {STATUS} | grep -q problem")
        assert "the log file is written again" in machine.output(f"cat {LOGS}/daemon.log")
        assert machine.output(f"stat -c '%U %a' {LOGS}/daemon.log") == "spacedrive 600"
    finally:
        machine.run(f"systemctl stop spacedrive.service; umount {LOGS}")


def test_a_home_that_is_not_there_is_said(machine: Machine) -> None:
    machine.run("useradd -M -d /home/nobody-there -s /bin/bash dave && loginctl enable-linger dave")
    number = machine.output("id -u dave")
    machine.run(f"until test -S /run/user/{number}/systemd/private; do sleep 0.05; done")
    manager = "systemctl --user -M dave@"
    started = machine.run(f"{manager} start spacedrive.service", check=False)
    assert started.returncode != 0
    told = json.dumps(machine.output(f"journalctl -q -o cat _UID={number} | tail -30"))
    assert "nobody-there" in told
    machine.run(f"loginctl disable-linger dave; systemctl stop user@{number}; userdel dave")
