"""The GraphQL server under systemd: started by its first client, in a sandbox without a network."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from machine import Machine
    from service import Service

SOCKET = "/run/spacedrive/graphql.sock"
ASK = """
import http.client, json, socket, sys
where, token, query = sys.argv[1:]
if where.startswith("/"):
    connection = http.client.HTTPConnection("localhost")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(where)
else:
    connection = http.client.HTTPConnection(where)
headers = {"Content-Type": "application/json"}
if token:
    headers["Authorization"] = "Bearer " + token
connection.request("POST", "/graphql", json.dumps({"query": query}), headers)
answer = connection.getresponse()
print(json.dumps([answer.status, json.loads(answer.read())]))
"""
STATUS = "{ coreStatus { version peer { uid permission } } }"


def ask(
    machine: Machine, where: str, token: str = "", user: str | None = None, query: str = STATUS
) -> tuple[int, Any]:
    """One question, and how it was answered."""
    command = f"python3 -I /usr/local/lib/ask.py '{where}' '{token}' '{query}'"
    status, answer = json.loads(machine.output(command, user=user))
    return status, answer


@pytest.fixture(autouse=True)
def _stopped(machine: Machine, service: Service) -> Iterator[None]:
    machine.write("/usr/local/lib/ask.py", ASK)
    machine.run("systemctl start spacedrive-graphql.socket")
    yield
    machine.run("systemctl stop spacedrive-graphql.socket spacedrive-graphql.service")


def test_the_first_client_starts_it_and_the_daemon(machine: Machine) -> None:
    states = "systemctl is-active spacedrive-graphql.service spacedrive.service"
    assert machine.run(states, check=False).stdout.split() == ["inactive", "inactive"]
    status, answer = ask(machine, SOCKET)
    assert status == 200
    # Root needs no token; in the daemon the server has the rights of its group, and no more.
    assert answer["data"]["coreStatus"]["peer"]["permission"] == "write"
    assert machine.output(states).split() == ["active", "active"]


def test_over_tcp_the_token_of_root_is_needed(machine: Machine) -> None:
    assert ask(machine, "127.0.0.1:8081")[0] == 401
    url = machine.output("sd --system graphql --url")
    assert url.startswith("http://localhost:8081/#token=")
    token = url.partition("token=")[2]
    assert ask(machine, "127.0.0.1:8081", token)[0] == 200
    tried = machine.run("sd --system graphql --url", user="bob", check=False)
    assert tried.returncode == 78


def test_a_peer_who_is_neither_root_nor_the_server_needs_it_too(machine: Machine) -> None:
    status, answer = ask(machine, SOCKET, user="bob")
    assert (status, answer["errors"][0]["extensions"]["code"]) == (401, "not-authorized")
    refused = machine.run(
        f"python3 -I /usr/local/lib/ask.py {SOCKET} '' x", user="carol", check=False
    )
    assert "PermissionError" in refused.stderr


def test_the_sockets_outlive_the_service(machine: Machine) -> None:
    for _ in range(3):
        assert ask(machine, SOCKET)[0] == 200
        machine.run("systemctl stop spacedrive-graphql.service")
        assert "listening" in machine.output("systemctl show -P SubState spacedrive-graphql.socket")


def test_a_daemon_that_is_restarted_is_found_again(machine: Machine) -> None:
    assert ask(machine, SOCKET)[0] == 200
    machine.run("systemctl restart spacedrive.service")
    status, answer = ask(machine, SOCKET)
    assert status == 200
    assert answer["data"]["coreStatus"]["version"]


def test_the_units_are_understood_and_closed(machine: Machine) -> None:
    for kind in ("service", "socket"):
        verify = f"systemd-analyze verify --man=no spacedrive-graphql.{kind} 2>&1"
        assert machine.output(verify) == ""
        assert machine.output(verify.replace("verify", "verify --user"), user="alice") == ""
    for kind, most in (("system", 0.4), ("user", 1.4)):
        path = f"/usr/lib/systemd/{kind}/spacedrive-graphql.service"
        said = machine.output(f"systemd-analyze security --no-pager --offline=yes {path}")
        assert float(said.splitlines()[-1].split(": ")[1].split()[0]) <= most, said


def test_a_person_has_one_too(machine: Machine) -> None:
    machine.run("systemctl stop spacedrive-graphql.socket spacedrive-graphql.service")
    begin = "systemctl --user daemon-reload; systemctl --user start spacedrive.socket"
    machine.run(f"{begin} spacedrive-graphql.socket", user="alice")
    path = "/home/alice/.local/share/spacedrive/graphql/graphql.sock"
    status, answer = ask(machine, path, user="alice")
    assert status == 200
    assert answer["data"]["coreStatus"]["peer"]["permission"] == "admin"
    token = machine.output("sd graphql --url", user="alice").partition("token=")[2]
    assert ask(machine, "127.0.0.1:8080", token, user="alice")[0] == 200
    assert ask(machine, "127.0.0.1:8080", "guess", user="bob")[0] == 401
    machine.run("systemctl --user stop spacedrive-graphql.socket", user="alice")
    machine.run("systemctl --user stop spacedrive-graphql.service", user="alice")
