"""What the units forbid, tried from within; and that the daemon does all of its work there."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from service import EXAMPLES, INSIDE, Service

if TYPE_CHECKING:
    from machine import Machine

TRY = f"ExecStartPre={INSIDE.replace('python3', '/usr/bin/python3')} try"
USUAL = {"write state", "AF_UNIX"}  # what is allowed without an example


@pytest.fixture(scope="module", autouse=True)
def _folders(machine: Machine) -> None:
    machine.run(
        "mkdir -p /srv/shared/pictures /home/shared; chmod 755 /home/shared;"
        "echo sunset > /srv/shared/pictures/sunset.jpg; chown -R spacedrive: /srv/shared"
    )


def done(service: Service) -> set[str]:
    """What the service could do when it started."""
    service.machine.run("systemctl restart spacedrive.service")
    lines = [line for line in service.journal().splitlines() if line.startswith('{"write')]
    return {name for name, came in json.loads(lines[-1]).items() if came == "done"}


def test_the_units_are_understood_without_a_warning(machine: Machine) -> None:
    for name in ("spacedrive", "spacedrive@one"):
        for kind in ("service", "socket"):
            verify = f"systemd-analyze verify --man=no {name}.{kind} 2>&1"
            assert machine.output(verify) == ""
            assert machine.output(verify.replace("verify", "verify --user"), user="alice") == ""


@pytest.mark.parametrize(("kind", "most"), [("system", 0.4), ("user", 1.4)])
def test_the_exposure_is_low(machine: Machine, kind: str, most: float) -> None:
    for unit in ("spacedrive.service", "spacedrive@.service"):
        path = f"/usr/lib/systemd/{kind}/{unit}"
        said = machine.output(f"systemd-analyze security --no-pager --offline=yes {path}")
        score = float(said.splitlines()[-1].split(": ")[1].split()[0])
        assert score <= most


def test_nothing_is_allowed_but_its_work(service: Service) -> None:
    service.drop_in(TRY)
    assert done(service) == USUAL


@pytest.mark.parametrize(
    ("example", "opened"),
    [
        ("serve-srv", {"write /srv"}),
        ("home-read-only", {"list /home"}),
        ("network", {"AF_INET"}),
        ("idle-exit", set()),
        ("log-namespace", set()),
    ],
)
def test_an_example_opens_what_it_says(service: Service, example: str, opened: set[str]) -> None:
    machine = service.machine
    service.use(example)
    if example == "log-namespace":
        # Another folder: the first one's log is to have what the journal has.
        service.drop_in(
            "ExecStart=", "ExecStart=/usr/bin/sd-daemon --data-dir /var/lib/spacedrive/x"
        )
        machine.run("sd status")
        assert "daemon ready" in machine.output("journalctl --namespace=spacedrive -q -o cat")
        return
    service.drop_in(TRY)
    assert done(service) == USUAL | opened
    arguments = machine.output(f"tr '\\0' ' ' < /proc/{service.show('MainPID')}/cmdline")
    assert ("--networking" in arguments) == (example == "network")
    assert ("--idle-exit 300" in arguments) == (example == "idle-exit")
    verified = machine.output("systemd-analyze verify --man=no spacedrive.service 2>&1")
    assert verified == ""


def test_a_newer_systemd_waits_longer_after_each_crash(service: Service) -> None:
    if service.machine.release == "bookworm":
        pytest.skip("systemd 252 does not know RestartSteps=")
    service.use("restart-slower")
    assert service.show("RestartSteps") == "8"


def test_every_example_is_tried() -> None:
    tried = {"serve-srv", "home-read-only", "network", "idle-exit", "log-namespace"}
    assert {one.stem for one in EXAMPLES.iterdir()} == tried | {"restart-slower"}


MAIN_JOB = (
    "set -e; cd /tmp; {sd} library create Home; timeout 60 {sd} events --follow --json > {log} &"
    "until {sd} status --json | grep -qE '\"subscriptions\": ?[1-9]'; do sleep 0.05; done;"
    "{sd} location add {folder} --wait; {sd} search sunset;"
    "until grep -q IndexingCompleted {log} || grep -q JobCompleted {log}; do sleep 0.05; done;"
    "kill %1"
)


def test_the_main_job_is_done_within_the_sandbox(service: Service) -> None:
    service.use("serve-srv")
    command = MAIN_JOB.format(sd="sd", folder="/srv/shared/pictures", log="/tmp/bob.events")
    found = service.machine.output(command, user="bob")
    assert "/srv/shared/pictures/sunset.jpg" in found


def test_the_main_job_is_done_within_a_users_sandbox(machine: Machine) -> None:
    machine.run("mkdir -p Pictures && echo sunset > Pictures/sunset.jpg", user="alice")
    machine.run("systemctl --user start spacedrive.socket", user="alice")
    command = MAIN_JOB.format(sd="sd", folder="/home/alice/Pictures", log="/tmp/alice.events")
    assert "/home/alice/Pictures/sunset.jpg" in machine.output(command, user="alice")
