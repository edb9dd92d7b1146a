"""A restart under a service manager that keeps descriptors: no client is to notice."""

from __future__ import annotations

import itertools
import signal
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from manager import Manager

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from running import Wire

LIST = {"Query": {"method": "query:libraries.list"}}


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    made = Manager(tmp_path)
    yield made
    made.give_up()


def restart(manager: Manager) -> None:
    manager.stop()
    manager.start()


def set_language(wire: Wire, language: str) -> None:
    update = {"method": "action:config.app.update.input", "payload": {"language": language}}
    assert "JsonOk" in wire.ask({"Action": update, "id": language})


def test_a_connection_goes_on_with_the_next_process(manager: Manager) -> None:
    manager.start()
    with manager.connect() as wire:
        assert wire.ask("Ping") == "Pong"
        for _ in range(3):
            restart(manager)
            assert wire.ask({**LIST, "id": 1}) == {"JsonOk": [], "id": 1}
    assert not manager.kept, "what is ours again, the manager need not keep"


def test_a_request_is_answered_whenever_it_was_sent(manager: Manager) -> None:
    """Before the restart in part, while there was no process, and after it."""
    manager.start()
    with manager.connect() as wire:
        wire.send(b'"Ping"\n{"Query":{"method":"query:lib')
        assert wire.read() == "Pong"
        manager.stop()
        wire.send(b'raries.list"},"id":1}\n', {**LIST, "id": 2})
        manager.start()
        wire.send({**LIST, "id": 3})
        assert [wire.read() for _ in range(3)] == [{"JsonOk": [], "id": n} for n in (1, 2, 3)]


def test_who_connects_while_there_is_no_process_is_served(manager: Manager) -> None:
    manager.start()
    manager.stop()
    with manager.connect() as wire:
        wire.send("Ping")
        manager.start()
        assert wire.read() == "Pong"


def test_a_subscription_goes_on_without_a_gap_or_a_double(manager: Manager) -> None:
    manager.start()
    names = ["ConfigChanged", "CoreStarted", "CoreShutdown"]
    with manager.connect() as watched, manager.connect() as plain, manager.connect() as other:
        asked: dict[str, Any] = {"Subscribe": {"event_types": names}}
        assert "Subscribed" in watched.ask({**asked, "id": "w"})
        assert plain.ask(asked) == "Subscribed"
        expected: list[Any] = []
        for number in range(3):
            set_language(other, f"language {number}")
            restart(manager)
            expected += [{"ConfigChanged": {"field": "language"}}, "CoreShutdown", "CoreStarted"]
        set_language(other, "the last")
        expected.append({"ConfigChanged": {"field": "language"}})
        lines = [watched.read() for _ in expected]
        assert [line["Event"] for line in lines] == expected
        numbers = [line["sequence"] for line in lines]
        assert all(a < b for a, b in itertools.pairwise(numbers))
        assert [plain.read() for _ in expected] == [{"Event": event} for event in expected]
        # Its id is known, too: it can be ended by it.
        assert watched.ask({"Unsubscribe": None, "id": "w"}) == {"Unsubscribed": None, "id": "w"}


def test_log_records_of_the_restart_are_sent_once(manager: Manager) -> None:
    manager.start()
    with manager.connect() as wire:
        assert "LogsSubscribed" in wire.ask(
            {"SubscribeLogs": {"filter": {"target": "sd_daemon.host.daemon"}}, "id": "l"}
        )
        restart(manager)
        said = [wire.read()["LogMessage"]["message"] for _ in range(4)]
        assert said == ["asked to stop", "daemon stopped", "daemon starts", "daemon ready"]


def test_messagepack_goes_on_as_messagepack(manager: Manager) -> None:
    manager.start()
    with manager.connect() as wire:
        assert "Hello" in wire.ask({"Hello": {"encoding": "messagepack"}, "id": 1})
        body = msgspec.msgpack.encode({"Ping": None, "id": 2})
        frame = len(body).to_bytes(4, "big") + body
        wire.send(frame[:7])
        restart(manager)
        wire.send(frame[7:])
        length = int.from_bytes(wire.socket.recv(4), "big")
        assert msgspec.msgpack.decode(wire.socket.recv(length)) == {"Pong": None, "id": 2}


def test_who_does_not_read_is_not_handed_over(manager: Manager) -> None:
    """What was written to it and not read cannot be known to have arrived."""
    manager.start()
    with manager.connect() as stopped, manager.connect() as wire:
        describe = {"Query": {"method": "query:core.describe"}, "id": 1}
        stopped.send(*([describe] * 40))
        wire.ask("Ping")
        restart(manager)
        assert wire.ask("Ping") == "Pong"
        while stopped.socket.recv(1 << 20):
            pass  # it ends, in the middle of a line


def test_a_killed_daemon_leaves_nothing_and_the_next_one_listens(manager: Manager) -> None:
    manager.start()
    with manager.connect() as wire:
        assert wire.ask("Ping") == "Pong"
        manager.stop(signal.SIGKILL)
        assert wire.read_rest() == []
    manager.start()
    with manager.connect() as wire:
        assert wire.ask("Ping") == "Pong"


def test_what_another_version_has_left_is_closed_and_no_harm_done(manager: Manager) -> None:
    manager.start()
    with manager.connect() as wire:
        assert wire.ask("Ping") == "Pong"
        manager.stop()
        state = manager.kept["handover"]
        with open(state, "wb", closefd=False) as file:
            file.truncate(0)
            file.write(b'{"version":99}')
        manager.start()
        assert wire.read_rest() == []
