"""The log over the wire: the past and what is live, filtered alike, in both encodings."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec
import pytest

from sd_wire.encoding import MESSAGEPACK

if TYPE_CHECKING:
    from running import Daemon, Wire

LIST = {"method": "query:libraries.list"}


def call(wire: Wire, correlation: str) -> None:
    """A call that leaves two records in the log."""
    reply = wire.ask({"Query": LIST, "id": 1, "correlation_id": correlation})
    assert "JsonOk" in reply


def subscribe(wire: Wire, last: int | None = None, **wanted: Any) -> dict[str, Any]:
    asked: dict[str, Any] = {"filter": wanted or None}
    if last is not None:
        asked["last"] = last
    reply: dict[str, Any] = wire.ask({"SubscribeLogs": asked, "id": "l"})
    return dict(reply["LogsSubscribed"])


def until_caught_up(wire: Wire) -> list[dict[str, Any]]:
    records = []
    while "CaughtUp" not in (line := wire.read()):
        assert line["id"] == "l"
        records.append(line["LogMessage"])
    assert set(line) == {"CaughtUp", "id"}
    return records


def test_the_past_and_what_is_live_join(daemon: Daemon) -> None:
    with daemon.connect() as worker, daemon.connect() as wire:
        call(worker, "past")
        assert subscribe(wire, 2)["warnings"] == []
        assert [one["message"] for one in until_caught_up(wire)] == ["call begins", "call ended"]
        call(worker, "live")
        live = [wire.read()["LogMessage"] for _ in range(2)]
        assert [one["fields"]["correlation_id"] for one in live] == ["live", "live"]
        assert live[0]["fields"]["method"] == "query:libraries.list"


def test_the_past_of_a_daemon_before_this_one_is_there(daemon: Daemon) -> None:
    with daemon.connect() as worker:
        call(worker, "an earlier life")
    assert daemon.stop() == 0
    daemon.kill()
    daemon.start()
    with daemon.connect() as wire:
        subscribe(wire, 10, correlation_id="an earlier life")
        assert len(until_caught_up(wire)) == 2


def test_since_a_time(daemon: Daemon) -> None:
    with daemon.connect() as worker, daemon.connect() as wire:
        call(worker, "before")
        since = datetime.now(UTC).isoformat()
        call(worker, "after")
        wire.ask({"SubscribeLogs": {"since": since}, "id": "l"})
        found = until_caught_up(wire)
        assert [one["fields"]["correlation_id"] for one in found] == ["after", "after"]


def test_filters_are_the_same_for_the_past_and_what_is_live(daemon: Daemon) -> None:
    library = daemon.call("action:libraries.create.input", {"name": "Home"})["library_id"]
    with daemon.connect() as worker, daemon.connect() as wire:
        call(worker, "other")
        call(worker, "mine")
        subscribe(wire, 100, correlation_id="mine", target="server.dis", level="info")
        assert len(until_caught_up(wire)) == 2
        call(worker, "other")
        call(worker, "mine")
        assert {wire.read()["LogMessage"]["fields"]["correlation_id"] for _ in "12"} == {"mine"}
    for level, correlation in (("error", None), ("info", "unheard of")):
        with daemon.connect() as wire:
            subscribe(wire, 100, level=level, correlation_id=correlation)
            assert until_caught_up(wire) == []
    with daemon.connect() as wire:
        subscribe(wire, 100, library_id=UUID(library).hex)
        assert {one["library_id"] for one in until_caught_up(wire)} == {library}


def test_without_an_id_existing_clients_see_what_they_know(daemon: Daemon) -> None:
    with daemon.connect() as worker, daemon.connect() as wire:
        call(worker, "past")
        assert wire.ask({"SubscribeLogs": {"last": 2}}) == "LogsSubscribed"
        assert [list(wire.read()) for _ in range(2)] == [["LogMessage"], ["LogMessage"]]
        call(worker, "live")
        assert [list(wire.read()) for _ in range(2)] == [["LogMessage"], ["LogMessage"]]
        assert wire.ask("UnsubscribeLogs") == "LogsUnsubscribed"


def test_what_can_never_be_is_said(daemon: Daemon) -> None:
    with daemon.connect() as wire:
        assert "'loud'" in subscribe(wire, level="loud")["warnings"][0]
        assert "own level" in subscribe(wire, 1, level="debug")["warnings"][0]
        until_caught_up(wire)
        assert subscribe(wire, level="debug")["warnings"] == []
    with daemon.connect() as wire:
        assert "no UUID" in subscribe(wire, job_id="copy-7")["warnings"][0]
        assert "correlation_id" in subscribe(wire, correlation_id="x" * 129)["warnings"][0]
        assert len(subscribe(wire, level="loud", job_id="copy-7")["warnings"]) == 2


def test_in_message_pack_they_are_frames(daemon: Daemon) -> None:
    with daemon.connect() as worker, daemon.connect() as wire:
        call(worker, "past")
        wire.ask({"Hello": {"encoding": "messagepack"}, "id": 1})
        frames = MESSAGEPACK.buffer()
        wire.send(MESSAGEPACK.frame({"SubscribeLogs": {"last": 2}, "id": "l"}))
        replies: list[Any] = []
        while len(replies) < 4:
            found = frames.feed(wire.socket.recv(65536))
            replies += [MESSAGEPACK.read_reply(one) for one in found if one is not None]
        assert replies[0].LogsSubscribed.warnings == []
        records = [msgspec.msgpack.decode(one.LogMessage) for one in replies[1:3]]
        assert [one["message"] for one in records] == ["call begins", "call ended"]
        assert records[0]["timestamp"].tzinfo is not None
        assert replies[3].CaughtUp.sequence >= 0


def test_log_records_are_events_for_those_who_name_them(daemon: Daemon) -> None:
    with daemon.connect() as worker, daemon.connect() as wire:
        wire.ask({"Subscribe": {"event_types": ["LogMessage"]}, "id": "w"})
        call(worker, "order")
        line = wire.read()
        assert line["Event"]["LogMessage"]["message"] == "call begins"
        assert line["id"] == "w"


def test_many_clients_that_come_and_go_get_every_record_once(daemon: Daemon) -> None:
    """Every record has a number of its own here: that of the call that causes it."""
    count = 400

    def work() -> None:
        with daemon.connect() as worker:
            for number in range(count):
                call(worker, f"n{number}")

    worker = threading.Thread(target=work)
    worker.start()
    rounds = 0
    while worker.is_alive() or rounds < 3:
        rounds += 1
        with daemon.connect() as wire:
            subscribe(wire, 20, target="server.dispatch")
            seen = []
            while len(seen) < 40 and (not seen or seen[-1] != f"n{count - 1}"):
                line = wire.read()
                if line.get("LogMessage", {}).get("message") == "call ended":
                    seen.append(line["LogMessage"]["fields"]["correlation_id"])
            first = int(seen[0][1:])
            assert seen == [f"n{number}" for number in range(first, first + len(seen))]
    worker.join()


@pytest.mark.parametrize("last", [-1, 100_001])
def test_a_count_has_to_be_one(daemon: Daemon, last: int) -> None:
    with daemon.connect() as wire:
        reply = wire.ask({"SubscribeLogs": {"last": last}, "id": "l"})
        assert "/SubscribeLogs/last" in reply["details"]["pointer"]
