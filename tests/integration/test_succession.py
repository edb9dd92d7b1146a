"""Restarted or killed under a service manager that keeps descriptors: no client is to notice."""

from __future__ import annotations

import contextlib
import itertools
import json
import signal
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from manager import Manager

from sd_daemon.server.ledger import FREE, IN_DOUBT, SURE, Ledger

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


def kill(manager: Manager) -> None:
    manager.stop(signal.SIGKILL)
    manager.start()


@pytest.fixture(params=[restart, kill])
def disturb(request: pytest.FixtureRequest) -> Any:
    return request.param


def wait_until_sure(manager: Manager, connections: int) -> None:
    """Return when so many connections are kept, and nothing of them is in doubt."""
    manager.wait_for(connections)
    wait_for_marks(manager, [SURE] * connections)


def wait_for_marks(manager: Manager, expected: list[int]) -> None:
    ledger = Ledger.found(manager.kept["ledger"])
    assert ledger is not None
    deadline = time.monotonic() + 20
    while (marks := sorted(mark for mark in ledger.marks if mark != FREE)) != expected:
        assert time.monotonic() < deadline, marks
        time.sleep(0.01)  # memory tells nobody that it has changed


def set_language(wire: Wire, language: str, **more: str) -> None:
    update = {"method": "action:config.app.update.input", "payload": {"language": language}}
    assert "JsonOk" in wire.ask({"Action": update, "id": language, **more})


def test_a_connection_goes_on_with_the_next_process(manager: Manager, disturb: Any) -> None:
    manager.start()
    with manager.connect() as wire:
        assert wire.ask("Ping") == "Pong"
        for number in range(3):
            wait_until_sure(manager, 1)
            disturb(manager)
            assert wire.ask({**LIST, "id": number}) == {"JsonOk": [], "id": number}
    manager.wait_for(0)


def test_a_new_connection_is_left_to_the_next_process_in_time(manager: Manager) -> None:
    """Most connections are over soon, and the manager is not troubled with them."""
    manager.start()
    with manager.connect() as wire:
        assert wire.ask("Ping") == "Pong"
        assert list(manager.kept) == ["ledger"]
        restart(manager)
        assert wire.ask("Ping") == "Pong"


def test_a_request_is_answered_whenever_it_was_sent(manager: Manager, disturb: Any) -> None:
    """Before the end in part, while there was no process, and after it."""
    manager.start()
    number = signal.SIGTERM if disturb is restart else signal.SIGKILL
    with manager.connect() as wire:
        wire.send(b'"Ping"\n{"Query":{"method":"query:lib')
        assert wire.read() == "Pong"
        wait_until_sure(manager, 1)
        manager.stop(number)
        wire.send(b'raries.list"},"id":1}\n', {**LIST, "id": 2})
        manager.start()
        wire.send({**LIST, "id": 3})
        assert [wire.read() for _ in range(3)] == [{"JsonOk": [], "id": n} for n in (1, 2, 3)]


def test_what_came_too_late_to_be_read_is_answered_by_the_next_one(manager: Manager) -> None:
    manager.start()
    with manager.connect() as wire:
        assert wire.ask("Ping") == "Pong"
        wait_until_sure(manager, 1)
        assert manager.process is not None
        manager.process.send_signal(signal.SIGSTOP)
        wire.send({**LIST, "id": 1})
        kill(manager)
        assert wire.read() == {"JsonOk": [], "id": 1}


def test_who_waits_for_an_answer_of_a_killed_daemon_is_told_by_the_end(manager: Manager) -> None:
    """It may have been done or not, and nobody knows; the others go on."""
    manager.start()
    with manager.connect() as asking, manager.connect() as resting:
        create = {"method": "action:libraries.create.input", "payload": {"name": "Home"}}
        made = asking.ask({"Action": create})["JsonOk"]
        folder = manager.data_dir.parent / "folder"
        folder.mkdir()
        resting.ask("Ping")
        wait_until_sure(manager, 2)
        with contextlib.closing(sqlite3.connect(f"{made['path']}/library.db")) as database:
            database.execute("BEGIN IMMEDIATE")  # nobody else writes
            add = {
                "method": "action:locations.add.input",
                "payload": {"path": str(folder)},
                "library_id": made["library_id"],
            }
            asking.send({"Action": add, "id": 1})
            assert resting.ask("Ping") == "Pong"
            wait_for_marks(manager, [IN_DOUBT, SURE])
            kill(manager)
        assert asking.read_rest() == []
        assert resting.ask("Ping") == "Pong"


def test_the_end_of_a_connection_is_seen_although_the_manager_has_it(manager: Manager) -> None:
    manager.start()
    with manager.connect() as wire:
        assert wire.ask("Ping") == "Pong"
        manager.wait_for(1)
        wire.send("Ping")
        wire.done()
        assert wire.read_rest() == ["Pong"]
        manager.wait_for(0)


def test_who_has_said_all_and_listens_goes_on_listening(manager: Manager, disturb: Any) -> None:
    manager.start()
    with manager.connect() as listening:
        assert listening.ask({"Subscribe": {"event_types": ["ConfigChanged"]}}) == "Subscribed"
        listening.done()
        wait_until_sure(manager, 1)
        disturb(manager)
        with manager.connect() as other:
            set_language(other, "another")
        assert listening.read() == {"Event": {"ConfigChanged": {"field": "language"}}}


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


def test_a_subscription_of_a_killed_daemon_goes_on_likewise(manager: Manager) -> None:
    """Kept from its beginning on. What is published meanwhile is sent by the next process."""
    manager.start()
    names = ["ConfigChanged", "CoreStarted"]
    with manager.connect() as watched, manager.connect() as plain, manager.connect() as other:
        asked: dict[str, Any] = {"Subscribe": {"event_types": names}}
        assert "Subscribed" in watched.ask({**asked, "id": "w"})
        assert plain.ask(asked) == "Subscribed"
        expected: list[Any] = []
        other.ask("Ping")
        for number in range(4):
            set_language(other, f"language {number}")
            wait_until_sure(manager, 3)
            kill(manager)
            expected += [{"ConfigChanged": {"field": "language"}}, "CoreStarted"]
        set_language(other, "the last")
        expected.append({"ConfigChanged": {"field": "language"}})
        lines = [watched.read() for _ in expected]
        assert [line["Event"] for line in lines] == expected
        assert [plain.read() for _ in expected] == [{"Event": event} for event in expected]
        assert watched.ask({"Unsubscribe": None, "id": "w"}) == {"Unsubscribed": None, "id": "w"}


def test_many_subscribers_go_on(manager: Manager, disturb: Any) -> None:
    """The core is open before the last of them is taken over."""
    manager.start()
    with contextlib.ExitStack() as all_of_them:
        wires = [all_of_them.enter_context(manager.connect()) for _ in range(400)]
        for wire in wires:
            assert wire.ask({"Subscribe": {"event_types": ["ConfigChanged"]}}) == "Subscribed"
        wait_until_sure(manager, len(wires))
        disturb(manager)
        with manager.connect() as other:
            set_language(other, "another")
        for wire in wires:
            assert wire.read() == {"Event": {"ConfigChanged": {"field": "language"}}}


def test_a_restart_finds_subscribers_that_are_told_of_the_past(manager: Manager) -> None:
    """They get the rest of it from the next process, and are told when they have caught up."""
    manager.start()
    events, wires = 500, 8
    with manager.connect() as other:
        for number in range(events):
            set_language(other, f"language {number}", correlation_id="😀" * 128)
    with contextlib.ExitStack() as all_of_them, ThreadPoolExecutor(wires) as readers:
        made = [all_of_them.enter_context(manager.connect()) for _ in range(wires)]
        for wire in made:
            wire.send({"Subscribe": {"event_types": ["ConfigChanged"], "after": 0}, "id": "w"})
        read = [readers.submit(read_until, wire, b"CaughtUp") for wire in made]
        restart(manager)
        for one in read:
            first, *told, last = [json.loads(line) for line in one.result().splitlines()]
            assert "Subscribed" in first
            assert "CaughtUp" in last
            assert len(told) == events
            assert all(a["sequence"] < b["sequence"] for a, b in itertools.pairwise(told))


def read_until(wire: Wire, word: bytes) -> bytes:
    """Without a look at what it is, which would take longer than to send it."""
    found = bytearray()
    while word not in found[-200:]:
        piece = wire.socket.recv(1 << 20)
        assert piece, "the connection has ended"
        found += piece
    return bytes(found)


def test_a_second_kill_before_the_first_is_mended_loses_nothing(manager: Manager) -> None:
    manager.start()
    with manager.connect() as watched, manager.connect() as other:
        asked: dict[str, Any] = {"Subscribe": {"event_types": ["ConfigChanged"]}}
        assert "Subscribed" in watched.ask({**asked, "id": "w"})
        other.ask("Ping")
        set_language(other, "first")
        wait_until_sure(manager, 2)
        for _ in range(5):
            manager.stop(signal.SIGKILL)
            manager.start(ready=False)
        kill(manager)
        set_language(other, "second")
        told = [watched.read()["Event"] for _ in range(2)]
        assert told == [{"ConfigChanged": {"field": "language"}}] * 2


def test_log_records_of_the_restart_are_sent_once(manager: Manager) -> None:
    manager.start()
    with manager.connect() as wire:
        assert "LogsSubscribed" in wire.ask(
            {"SubscribeLogs": {"filter": {"target": "sd_daemon.host.daemon"}}, "id": "l"}
        )
        restart(manager)
        said = [wire.read()["LogMessage"]["message"] for _ in range(4)]
        assert said == ["asked to stop", "daemon stopped", "daemon starts", "daemon ready"]


def test_messagepack_goes_on_as_messagepack(manager: Manager, disturb: Any) -> None:
    manager.start()
    with manager.connect() as wire:
        assert "Hello" in wire.ask({"Hello": {"encoding": "messagepack"}, "id": 1})
        body = msgspec.msgpack.encode({"Ping": None, "id": 2})
        frame = len(body).to_bytes(4, "big") + body
        wire.send(frame[:7])
        wait_until_sure(manager, 1)
        disturb(manager)
        wire.send(frame[7:])
        length = int.from_bytes(wire.socket.recv(4), "big")
        assert msgspec.msgpack.decode(wire.socket.recv(length)) == {"Pong": None, "id": 2}


def test_who_does_not_read_is_not_handed_over(manager: Manager, disturb: Any) -> None:
    """What was written to it and not read cannot be known to have arrived."""
    manager.start()
    with manager.connect() as stopped, manager.connect() as wire:
        describe = {"Query": {"method": "query:core.describe"}, "id": 1}
        stopped.send(*([describe] * 40))
        wire.ask("Ping")
        wait_for_marks(manager, [IN_DOUBT, SURE])
        disturb(manager)
        assert wire.ask("Ping") == "Pong"
        while stopped.socket.recv(1 << 20):
            pass  # it ends, in the middle of a line


def test_what_another_version_has_left_is_closed_and_no_harm_done(manager: Manager) -> None:
    manager.start()
    with manager.connect() as wire:
        assert wire.ask("Ping") == "Pong"
        manager.stop()
        with open(manager.kept["ledger"], "r+b", closefd=False) as file:
            file.write(b"spacedrive connections 99")
        manager.start()
        assert wire.read_rest() == []
    with manager.connect() as wire:
        assert wire.ask("Ping") == "Pong"
        wait_until_sure(manager, 1)
        kill(manager)
        assert wire.ask("Ping") == "Pong"
