"""Who may do what on a machine with several people, and what the worst of them can do to others.

`bob` is in the group of the daemon, `carol` is not.
"""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

import pytest
from service import INSIDE, SOCKET

if TYPE_CHECKING:
    from service import Service


@pytest.fixture
def served(service: Service) -> Service:
    """A daemon that runs, with somebody's library."""
    service.machine.run("systemctl start spacedrive.service")
    service.sd("library create Home")
    return service


def test_who_is_not_in_the_group_is_refused_with_a_sentence(served: Service) -> None:
    refused = served.machine.run(f"sd --socket {SOCKET} status", user="carol", check=False)
    assert refused.returncode != 0
    assert f"permission denied on the daemon's socket {SOCKET}" in refused.stderr
    assert "its group" in refused.stderr


def test_the_daemon_knows_its_peers_from_within_the_sandbox(served: Service) -> None:
    """The namespaces of its users would show it nobody but itself (PrivateUsers=)."""
    machine = served.machine
    for user, permission in (("bob", "write"), (None, "admin")):
        number = int(machine.output("id -u", user=user))
        told = json.loads(machine.output(f"sd --socket {SOCKET} --json status", user=user))
        peer = told["peer"]
        assert (peer["uid"], peer["permission"]) == (number, permission)
        group = int(machine.output("getent group spacedrive | cut -d: -f3"))
        assert (group in peer["groups"]) is (user == "bob")


def test_a_member_may_not_administer_and_the_refusal_is_logged(served: Service) -> None:
    machine = served.machine
    said = machine.output(f"{INSIDE} shutdown {SOCKET}", user="bob")
    answer = json.loads(said.splitlines()[-1])
    assert "SecurityError" in answer["Error"]
    assert served.show("ActiveState") == "active"
    number = machine.output("id -u", user="bob")
    served.wait_for(
        f"journalctl -q -u spacedrive PEER_UID={number} -o cat | grep -q 'a request was refused'"
    )


def test_a_roles_change_holds_for_who_is_connected(served: Service) -> None:
    served.machine.run(f"sd --socket {SOCKET} config app-update --access-others read")
    refused = served.machine.run("sd library create Second", user="bob", check=False)
    assert refused.returncode != 0
    assert "permission" in refused.stderr


def test_a_hostile_client_harms_nobody(served: Service) -> None:
    """Garbage, a line without end, a byte at a time, answers that it does not read, and as many
    connections as it gets: all at once, while somebody else works."""
    machine = served.machine
    before = int(served.show("MainPID"))
    hostile = threading.Thread(
        target=machine.run, args=(f"{INSIDE} hostile {SOCKET} 8",), kwargs={"user": "bob"}
    )
    hostile.start()
    asked = served.inside("polite", SOCKET, "8")
    hostile.join()
    print(f"\n{machine.release}: beside a hostile client: {asked}")
    assert asked["failed"] == []
    assert asked["requests"] > 100
    assert int(served.show("MainPID")) == before
    assert served.show("NRestarts") == "0"
    served.wait_for(f"sd --socket {SOCKET} status >/dev/null")
