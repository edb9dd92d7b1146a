"""Killed at any instant under clients that know nothing of it: plain sockets, one request after the
other, and subscriptions. A connection goes on as if nothing had been, or it ends; none waits in
vain, and none misses an event or gets one twice."""

from __future__ import annotations

import contextlib
import json
import random
import signal
import threading
from typing import TYPE_CHECKING, Any

import pytest
from manager import Manager

if TYPE_CHECKING:
    from pathlib import Path

    from running import Wire

LIST = {"Query": {"method": "query:libraries.list"}}
LAST = "the last"
BROKEN = (EOFError, ConnectionError, AssertionError)  # the end of a line may be missing


class Client(threading.Thread):
    """One that does its work until it is told to stop, over as many connections as it takes."""

    def __init__(self, manager: Manager, stop: threading.Event) -> None:
        super().__init__()
        self.stop = stop
        self.connections = 0
        self.done = 0
        self.wrong: list[object] = []
        self._manager = manager

    def run(self) -> None:
        """Work, and write down what is wrong."""
        try:
            while not self.is_finished():
                self.connections += 1
                with contextlib.suppress(*BROKEN), self._manager.connect() as wire:
                    self.work(wire)
        except Exception as error:  # such as a time-out: nobody has answered
            self.wrong.append(error)

    def is_finished(self) -> bool:
        """Whether there is nothing more to do."""
        return self.stop.is_set()

    def work(self, wire: Wire) -> None:
        """Do it until the connection ends."""
        raise NotImplementedError


class Asking(Client):
    """Asks one request after the other, without ids and with them."""

    def work(self, wire: Wire) -> None:
        """Do it until the connection ends."""
        while not self.is_finished():
            asked: dict[str, Any] = {**LIST, "id": self.done} if self.done % 2 else LIST
            answer = wire.ask(asked)
            expected = {"JsonOk": [], "id": self.done} if self.done % 2 else {"JsonOk": []}
            if answer != expected:
                self.wrong.append(answer)
            self.done += 1


class Changing(Client):
    """Makes events."""

    def work(self, wire: Wire) -> None:
        """Do it until the connection ends."""
        update: dict[str, Any] = {"method": "action:config.app.update.input"}
        while not self.is_finished():
            update["payload"] = {"language": f"{self.done % 2}"}
            answer = wire.ask({"Action": update})
            if "JsonOk" not in answer:
                self.wrong.append(answer)
            self.done += 1


class Watching(Client):
    """Writes down which events it was sent; goes on after the last of them."""

    def __init__(self, manager: Manager, stop: threading.Event) -> None:
        super().__init__(manager, stop)
        self.seen: list[int] = []
        self.has_all = False

    def is_finished(self) -> bool:
        """It has the last event, too."""
        return self.has_all

    def work(self, wire: Wire) -> None:
        """Do it until the connection ends."""
        asked: dict[str, Any] = {"event_types": ["ConfigChanged"]}
        asked["after"] = self.seen[-1] if self.seen else 0
        wire.send({"Subscribe": asked, "id": "w"})
        while not self.is_finished():
            line = wire.read()
            if "Event" in line:
                self.seen.append(line["sequence"])
                self.has_all = line["correlation_id"] == LAST
            elif not {"Subscribed", "CaughtUp"} & line.keys():
                self.wrong.append(line)


@pytest.mark.parametrize(
    "kills", [12, pytest.param(300, marks=[pytest.mark.soak, pytest.mark.timeout(3000)])]
)
def test_no_kill_is_seen_but_by_an_end(tmp_path: Path, kills: int) -> None:
    chance = random.Random(kills)
    manager = Manager(tmp_path)
    stop = threading.Event()
    watching = [Watching(manager, stop) for _ in range(6)]
    clients = [*watching, *(Asking(manager, stop) for _ in range(3)), Changing(manager, stop)]
    try:
        manager.start()
        for client in clients:
            client.start()
        for _ in range(kills):
            stop.wait(chance.uniform(0.0, 0.6))  # at any instant, also just after the start
            manager.stop(signal.SIGKILL)
            manager.start()
        stop.set()
        with manager.connect() as wire:
            update = {"method": "action:config.app.update.input", "payload": {"language": LAST}}
            assert "JsonOk" in wire.ask({"Action": update, "correlation_id": LAST, "id": 1})
        for client in clients:
            client.join(60)
        report(kills, clients, watching)
        assert [client.wrong for client in clients if client.wrong] == []
        truth = Watching(manager, stop)
        truth.run()
        assert truth.seen == sorted(set(truth.seen))
        assert [one.seen == truth.seen for one in watching] == [True] * len(watching)
    finally:
        stop.set()
        manager.give_up()


def report(kills: int, clients: list[Client], watching: list[Watching]) -> None:
    """What the note of a campaign says."""
    asked = sum(one.done for one in clients)
    ended = sum(one.connections - 1 for one in clients if one not in watching)
    cut = sum(one.connections - 1 for one in watching)
    print(
        json.dumps(
            {
                "kills": kills,
                "requests": asked,
                "events": len(watching[0].seen),
                "connections of who asks that ended": ended,
                "of who watches": cut,
            }
        )
    )
