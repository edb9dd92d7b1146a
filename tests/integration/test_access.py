"""Who may do what: real clients of other users, with groups of their own."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

import pytest
from as_user import needs_root, person, reachable
from running import CallFailed, Daemon

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="SO_PEERGROUPS is Linux's")

READ: dict[str, Any] = {"Query": {"method": "query:libraries.list"}}
WRITE: dict[str, Any] = {
    "Action": {"method": "action:libraries.create.input", "payload": {"name": "", "path": None}}
}
ADMIN: dict[str, Any] = {"Action": {"method": "action:config.app.update.input", "payload": {}}}
UNKNOWN: dict[str, Any] = {"Query": {"method": "query:no.such"}}
LOGS: dict[str, Any] = {"SubscribeLogs": {"filter": None}}
EVENTS: dict[str, Any] = {"Subscribe": {"event_types": [], "filter": None}}
LOG_EVENTS: dict[str, Any] = {"Subscribe": {"event_types": ["LogMessage"], "filter": None}}
REFUSED = "permission-refused"

STEPS = {"none": 0, "read": 1, "write": 2, "admin": 3}
NEEDS = [
    (READ, "read"),
    (EVENTS, "read"),
    (WRITE, "write"),
    (LOGS, "write"),
    (LOG_EVENTS, "write"),
    (ADMIN, "admin"),
]


@pytest.fixture
def shared(make_daemon: Callable[..., Daemon]) -> Iterator[Daemon]:
    with reachable(make_daemon()) as daemon:
        yield daemon


def configure(daemon: Daemon, **settings: Any) -> None:
    daemon.call("action:config.app.update.input", settings)


def assert_may(daemon: Daemon, permission: str, **who: Any) -> None:
    with person(daemon, **who) as client:
        hello = client.ask({"Hello": {"version": 1}, "id": 1})
        assert hello["Hello"]["peer"]["permission"] == permission
        assert client.ask("Ping") == "Pong"
        for request, needed in NEEDS:
            refused = client.code(request) == REFUSED
            assert refused == (STEPS[permission] < STEPS[needed]), request
        if permission != "admin":
            assert client.code({"Shutdown": None}) == REFUSED


@needs_root
def test_others_may_write_unless_told_otherwise(shared: Daemon) -> None:
    assert_may(shared, "write")


@needs_root
@pytest.mark.parametrize("permission", STEPS)
def test_the_rest_get_what_is_configured(shared: Daemon, permission: str) -> None:
    configure(shared, access_others=permission)
    assert_may(shared, permission)


@needs_root
@pytest.mark.parametrize("permission", ["read", "write", "admin"])
def test_a_user_is_named_by_number_or_name(shared: Daemon, permission: str) -> None:
    named = {f"access_{permission}": ["user:41001", "user:nobody"]}
    configure(shared, access_others="none", **named)
    assert_may(shared, permission, uid=41001)
    assert_may(shared, permission, uid=65534)
    assert_may(shared, "none", uid=41002)


@needs_root
def test_a_group_is_named_by_number_or_name_and_may_be_a_supplementary_one(shared: Daemon) -> None:
    configure(
        shared, access_others="none", access_read=["group:games"], access_admin=["group:41777"]
    )
    assert_may(shared, "none", groups=[41778])
    assert_may(shared, "read", groups=[60])
    assert_may(shared, "admin", groups=[60, 41777])


@needs_root
def test_a_peer_in_very_many_groups_has_all_of_them(shared: Daemon) -> None:
    configure(shared, access_others="none", access_read=["group:43999"])
    many = range(43000, 44000)
    with person(shared, groups=many) as client:
        status = client.ask({"Query": {"method": "query:core.status"}})["JsonOk"]
    assert status["peer"]["permission"] == "read"
    assert status["peer"]["groups"] == [41001, *many]
    assert (status["peer"]["uid"], status["peer"]["gid"]) == (41001, 41001)


@needs_root
def test_a_change_counts_at_once_for_those_who_are_connected(shared: Daemon) -> None:
    with person(shared) as client:
        assert client.code(LOGS) is None
        configure(shared, access_others="read")
        assert "Error" not in client.read_rest()  # records, and then the end: no reader's affair
    with person(shared) as client:
        assert client.code(READ) is None
        assert client.code(WRITE) == REFUSED
        configure(shared, access_others="none")
        assert client.code(READ) == REFUSED
        assert client.code(UNKNOWN) == REFUSED
        configure(shared, access_others="write")
        assert client.code(READ) is None
        assert client.code(UNKNOWN) == "method-not-found"


@needs_root
def test_a_flood_of_refusals_is_one_line_and_a_number(shared: Daemon) -> None:
    configure(shared, access_others="none")
    with person(shared) as client:
        for _ in range(500):
            assert client.ask(READ) == {
                "Error": {
                    "SecurityError": "user 41001 may not call query:libraries.list: "
                    "it needs the permission to read"
                }
            }
    shared.stop()
    lines = [line for line in shared.log_text().splitlines() if "a request was refused" in line]
    assert len(lines) == 2
    assert f"peer_uid=41001 peer_pid={os.getpid()}" in lines[0]
    assert "count=499" in lines[1]


@needs_root
def test_a_refusal_inside_a_batch_is_the_answer_of_its_member(shared: Daemon) -> None:
    configure(shared, access_others="read")
    with person(shared) as client:
        replies = client.ask({"Batch": [{**READ, "id": 1}, {**WRITE, "id": 2}], "id": 3})["Batch"]
    assert replies[0]["JsonOk"] == []
    assert replies[1]["details"]["code"] == REFUSED


def test_a_name_that_does_not_exist_is_a_problem_and_no_failure(daemon: Daemon) -> None:
    configure(daemon, access_read=["user:nobody-of-that-name", "group:0"])
    problem = "access.read names 'user:nobody-of-that-name', and there is no such user"
    assert daemon.call("query:core.status")["problems"] == [problem]
    assert f"WARN  sd_daemon.core.access {problem}" in daemon.log_text()
    configure(daemon, access_read=[])
    assert daemon.call("query:core.status")["problems"] == []


@pytest.mark.parametrize(
    ("settings", "field", "pointer"),
    [
        ({"access_read": ["user:0", "bob"]}, "access_read", "/payload/access_read/1"),
        ({"access_admin": ["group:"]}, "access_admin", "/payload/access_admin/0"),
        ({"access_others": "everything"}, "access_others", "/payload/access_others"),
    ],
)
def test_nonsense_is_refused_with_the_name_of_the_field(
    daemon: Daemon, settings: dict[str, Any], field: str, pointer: str
) -> None:
    before = daemon.call("query:config.app.get")
    with pytest.raises(CallFailed) as refused:
        configure(daemon, **settings)
    assert refused.value.reply["Error"]["ValidationError"].startswith(f"{field}: ")
    assert refused.value.reply["details"]["pointer"] == pointer
    assert daemon.call("query:config.app.get") == before


def test_a_file_with_nonsense_in_it_is_refused_with_the_name_of_the_field(
    make_daemon: Callable[..., Daemon],
) -> None:
    daemon = make_daemon()
    daemon.data_dir.mkdir()
    (daemon.data_dir / "spacedrive.json").write_text(
        json.dumps({"access": {"write": ["everybody"]}})
    )
    daemon.start(wait=False)
    assert daemon.wait() == 78
    assert "access.write: 'everybody' is none of user:NAME, user:UID" in daemon.errors()


def test_what_is_configured_is_shown_and_outlives_a_restart(daemon: Daemon) -> None:
    configure(daemon, access_read=["group:0"], access_others="none", limits_idle_seconds=90)
    daemon.stop()
    daemon.kill()
    daemon.start()
    shown = daemon.call("query:config.app.get")
    assert shown["access"] == {"read": ["group:0"], "write": [], "admin": [], "others": "none"}
    assert shown["limits"]["idle_seconds"] == 90
    assert daemon.call("query:core.status")["peer"]["permission"] == "admin"
