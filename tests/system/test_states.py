"""What the service manager is told: ready, a status, more time; and what it is not told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from service import INSIDE, SOCKET, STATE

if TYPE_CHECKING:
    from service import Service


def test_it_is_ready_only_when_it_answers(service: Service) -> None:
    service.drop_in(f"ExecStartPost={INSIDE.replace('python3', '/usr/bin/python3')} ping {SOCKET}")
    service.machine.run("systemctl start spacedrive.service")
    assert service.show("Result") == "success"


def test_a_long_opening_gets_the_time_that_it_needs(service: Service) -> None:
    service.machine.run("sd library create Home && systemctl stop spacedrive.service")
    service.be_faulty("slow", "TimeoutStartSec=1")
    service.machine.run("systemctl start --no-block spacedrive.service")
    service.wait_for(f"systemctl show -P StatusText spacedrive.service | grep -q 'opening {STATE}'")
    assert service.show("ActiveState") == "activating"
    service.machine.run("systemctl start spacedrive.service")
    assert service.show("NRestarts") == "0"


def test_the_status_is_a_sentence(service: Service) -> None:
    config = '{"access": {"admin": ["user:日本 é →"]}}'
    service.machine.run(f"cat > {STATE}/spacedrive.json", text=config)
    service.machine.run("sd status && sd library create Home")
    service.wait_for("systemctl show -P StatusText spacedrive.service | grep -q '1 library'")
    service.machine.run(f"systemd-run -q --unit=holder {INSIDE} subscribe {SOCKET} 2")
    service.wait_for("systemctl show -P StatusText spacedrive.service | grep -q '2 clients'")
    status = service.show("StatusText")
    assert status.startswith(f"serving {STATE}: 1 library, 2 clients, no jobs running; problem: ")
    assert "user:日本 é →" in status


def test_a_hundred_subscribers_do_not_delay_the_end(service: Service) -> None:
    took = service.machine.output(
        f"{INSIDE} subscribe {SOCKET} 100 > /tmp/held &"
        "until grep -q held /tmp/held; do sleep 0.05; done;"
        "a=$(date +%s%N); systemctl stop spacedrive.service;"
        "echo $((($(date +%s%N) - a) / 1000000)); wait; grep -q ended /tmp/held"
    )
    assert int(took) < 2000
    assert service.show("Result") == "success"
    assert service.show("ExecMainStatus") == "0"


@pytest.mark.parametrize("count", [4, pytest.param(30, marks=pytest.mark.soak)])
def test_the_first_answer_and_the_memory(
    service: Service, capsys: pytest.CaptureFixture[str], count: int
) -> None:
    """Measured, not judged: the machine may have other things to do."""
    times = sorted(service.inside("cold", SOCKET, str(count), "spacedrive.service"))
    pid = service.show("MainPID")
    lines = service.machine.output(f"cat /proc/{pid}/smaps_rollup").splitlines()
    pss = next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    with capsys.disabled():
        p95 = times[int(len(times) * 0.95)]
        print(
            f"\n{service.machine.release}: first answer of a daemon that was started for it:"
            f" p50 {times[len(times) // 2]:.0f} ms, p95 {p95:.0f} ms of {count};"
            f" PSS {pss / 1024:.1f} MiB"
        )
    assert times[0] > 0
