"""What connections can agree on beyond questions and answers: who speaks how, what to give up and
when, what belongs together, what caused what.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from asking import by_id, code, create, query, search

from sd_wire.encoding import JSON, MESSAGEPACK
from sd_wire.messages import CAPABILITIES, Reply

if TYPE_CHECKING:
    from running import Daemon, Wire

HELLO_FRAMES = {"Hello": {"version": 1, "encoding": "messagepack"}, "id": "h"}


class Frames:
    """A connection that has agreed to MessagePack."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self._buffer = MESSAGEPACK.buffer()
        self._replies: list[Any] = []

    def send(self, *requests: Any) -> None:
        """Requests, in one write."""
        self.wire.send(*[MESSAGEPACK.frame(one) for one in requests])

    def read(self) -> Any:
        """The next reply, as it stands in its frame."""
        while not self._replies:
            data = self.wire.socket.recv(1 << 16)
            assert data
            self._replies += [msgspec.msgpack.decode(one) for one in self._buffer.feed(data) if one]
        return self._replies.pop(0)

    def call(self, method: str, payload: Any = None) -> Any:
        """The result of a call."""
        packed = None if payload is None else msgspec.msgpack.encode(payload)
        kind = "Action" if method.startswith("action:") else "Query"
        self.send({kind: {"method": method, "payload": packed}, "id": method})
        reply = self.read()
        assert reply["id"] == method
        return msgspec.msgpack.decode(reply["Ok"])


def frames(daemon: Daemon) -> Frames:
    """A connection on which everything is a frame from now on."""
    wire = daemon.connect()
    assert wire.ask(HELLO_FRAMES)["Hello"]["encoding"] == "messagepack"
    return Frames(wire)


# --- Hello ---------------------------------------------------------------------------------------


def test_hello_says_who_is_there_and_who_asks(daemon: Daemon) -> None:
    with daemon.connect() as wire:
        reply = wire.ask({"Hello": {"version": 1, "client": "test"}, "id": 1})
        assert reply["id"] == 1
        said = reply["Hello"]
        status = wire.ask(query("core.status"))["JsonOk"]
    assert said["version"] == 1
    assert said["daemon"] == status["version"]
    assert said["instance"] is None
    assert (said["encoding"], said["encodings"]) == ("json", ["json", "messagepack"])
    assert set(CAPABILITIES) <= set(said["capabilities"])
    assert said["limits"] == {
        "message_bytes": 8 * 1024 * 1024,
        "depth": 128,
        "values": 262_144,
        "pending": 1024,
    }
    peer = said["peer"]
    assert (peer["pid"], peer["uid"], peer["gid"]) == (os.getpid(), os.getuid(), os.getgid())
    assert peer["permission"] == "admin"


def test_a_newer_client_is_told_the_version_that_both_know(daemon: Daemon) -> None:
    with daemon.connect() as wire:
        assert wire.ask({"Hello": {"version": 99}, "id": 1})["Hello"]["version"] == 1


def test_hello_may_come_at_any_time_and_without_an_id(daemon: Daemon) -> None:
    with daemon.connect() as wire:
        assert wire.ask("Ping") == "Pong"
        reply = wire.ask({"Hello": {}})
        assert list(reply) == ["Hello"]
        assert wire.ask("Ping") == "Pong"


def test_the_numbering_outlives_the_daemon(home: Daemon) -> None:
    with home.connect() as wire:
        before = wire.ask({"Hello": {}})["Hello"]
    home.stop()
    home.kill()
    home.start()
    with home.connect() as wire:
        after = wire.ask({"Hello": {}})["Hello"]
    assert after["stream"] == before["stream"]
    assert after["sequence"] > before["sequence"]


def test_the_encoding_cannot_be_changed_in_the_middle(daemon: Daemon) -> None:
    with daemon.connect() as wire:
        assert wire.ask("Ping") == "Pong"
        reply = wire.ask(HELLO_FRAMES)
        assert code(reply) == "encoding-settled"
        assert reply["details"]["pointer"] == "/Hello/encoding"
        assert wire.ask("Ping") == "Pong"


def test_nonsense_settles_the_encoding_too(daemon: Daemon) -> None:
    with daemon.connect() as wire:
        wire.send(b"nonsense\n", HELLO_FRAMES, "Ping")
        assert list(wire.read()["Error"]) == ["SerializationError"]
        assert code(wire.read()) == "encoding-settled"
        assert wire.read() == "Pong"


def test_a_ping_that_is_only_the_end_of_something_is_none(daemon: Daemon) -> None:
    with daemon.connect() as wire, daemon.connect() as other:
        wire.send(b'{"Query": {"method": ')
        other.ask("Ping")  # so that what is sent next is read for itself
        wire.send(b'"Ping"\n')
        assert list(wire.read()["Error"]) == ["SerializationError"]
        assert wire.ask("Ping") == "Pong"


# --- MessagePack ---------------------------------------------------------------------------------


def test_everything_after_hello_is_frames(daemon: Daemon) -> None:
    wire = frames(daemon)
    wire.send("Ping", {"Ping": None, "id": 2})
    assert [wire.read(), wire.read()] == ["Pong", {"Pong": None, "id": 2}]
    assert wire.call("query:test.ping", {"message": "grüße"})["echo"] == "grüße"
    assert wire.call("query:core.status")["version"]
    made = wire.call("action:libraries.create.input", {"name": "Home", "path": None})
    (listed,) = wire.call("query:libraries.list")
    assert listed["id"] == made["library_id"]


def test_frames_may_follow_hello_without_waiting_for_its_answer(daemon: Daemon) -> None:
    with daemon.connect() as wire:
        wire.send(
            HELLO_FRAMES, MESSAGEPACK.frame("Ping"), MESSAGEPACK.frame({"Ping": None, "id": 1})
        )
        assert wire.read()["Hello"]["encoding"] == "messagepack"
        expected = MESSAGEPACK.frame("Pong") + MESSAGEPACK.frame({"Pong": None, "id": 1})
        assert wire._file.read(len(expected)) == expected


def test_errors_in_frames_are_the_same_as_in_lines(daemon: Daemon) -> None:
    wire = frames(daemon)
    wire.send({"Query": {"method": "query:nope"}, "id": 1}, {"Query": {"method": "query:nope"}})
    first, second = wire.read(), wire.read()
    assert first["Error"] == second["Error"] == {"HandlerNotFound": "Unknown method: query:nope"}
    assert first["details"]["code"] == "method-not-found"
    assert set(second) == {"Error"}


@pytest.mark.parametrize(
    ("frame", "wrong"),
    [
        (b"\0\0\0\0", "malformed-request"),
        (b"\0\0\0\1\xc1", "malformed-request"),
        (b"\xff\xff\xff\xff", "request-too-large"),
    ],
)
def test_a_frame_that_is_none_is_answered(daemon: Daemon, frame: bytes, wrong: str) -> None:
    wire = frames(daemon)
    wire.wire.send(frame)
    reply = wire.read()
    kinds = {"malformed-request": "SerializationError", "request-too-large": "RequestTooLarge"}
    assert list(reply["Error"]) == [kinds[wrong]]


def test_a_payload_that_is_no_document_is_pointed_at(daemon: Daemon) -> None:
    wire = frames(daemon)
    for payload in (b"\xc1", b"", {"message": "not packed"}, 7):
        wire.send({"Query": {"method": "query:test.ping", "payload": payload}, "id": 1})
        reply = wire.read()
        assert reply["details"]["code"] == "invalid-payload"
        assert reply["details"]["pointer"].startswith("/payload")


def test_events_come_in_frames_with_times_that_are_times(daemon: Daemon) -> None:
    wire = frames(daemon)
    wire.send({"Subscribe": {"event_types": ["LibraryCreated"]}, "id": "w"})
    assert wire.read()["id"] == "w"
    daemon.call("action:libraries.create.input", {"name": "Home", "path": None})
    event = wire.read()
    assert event["Event"]["LibraryCreated"]["name"] == "Home"
    assert event["time"].tzinfo is not None
    assert event["sequence"] > 0


# --- Cancel --------------------------------------------------------------------------------------


def test_a_query_that_is_cancelled_is_answered_so(home: Daemon) -> None:
    with home.connect() as wire:
        # In one write: so the query is surely underway, and surely not answered yet.
        wire.send(search(id=7), {"Cancel": {"id": 7}, "id": 8})
        replies = by_id(wire, 2)
        assert replies[8] == {"Cancelled": {"outcome": "stopped"}, "id": 8}
        assert code(replies[7]) == "request-cancelled"
        wire.send("Ping")
        assert wire.read() == "Pong", "a request was answered twice"


def test_an_action_that_has_begun_is_carried_on(home: Daemon) -> None:
    with home.connect() as wire:
        wire.send(create("Work", id=7), {"Cancel": {"id": 7}, "id": 8})
        replies = by_id(wire, 2)
        assert replies[8] == {"Cancelled": {"outcome": "carried-on"}, "id": 8}
        assert replies[7]["JsonOk"]["name"] == "Work"
        listed = wire.ask(query("libraries.list"))["JsonOk"]
        assert {one["name"] for one in listed} == {"Home", "Work"}


def test_what_nobody_waits_for_cannot_be_cancelled(home: Daemon) -> None:
    unknown = {"Cancelled": {"outcome": "unknown"}}
    with home.connect() as wire, home.connect() as other:
        assert wire.ask({"Cancel": {"id": 7}}) == unknown
        wire.send(search(id=7))
        assert wire.read()["id"] == 7
        assert wire.ask({"Cancel": {"id": 7}}) == unknown
        wire.send(search(id=9))
        assert other.ask({"Cancel": {"id": 9}}) == unknown, "the id of another connection"
        assert "JsonOk" in wire.read()


def test_the_number_7_and_the_text_7_are_different_ids(home: Daemon) -> None:
    with home.connect() as wire:
        wire.send(search(id=7), {"Cancel": {"id": "7"}, "id": 8})
        replies = by_id(wire, 2)
        assert replies[8]["Cancelled"] == {"outcome": "unknown"}
        assert "JsonOk" in replies[7]


def test_a_hundred_queries_are_cancelled_each_for_itself(home: Daemon) -> None:
    with home.connect() as wire:
        asked = [search(id=n) for n in range(100)]
        wire.send(*asked, *[{"Cancel": {"id": n}, "id": f"c{n}"} for n in range(0, 100, 2)])
        replies = by_id(wire, 150)
    assert {replies[f"c{n}"]["Cancelled"]["outcome"] for n in range(0, 100, 2)} == {"stopped"}
    assert {code(replies[n]) for n in range(0, 100, 2)} == {"request-cancelled"}
    assert all("JsonOk" in replies[n] for n in range(1, 100, 2))


# --- timeout_ms ----------------------------------------------------------------------------------


def test_a_query_has_as_long_as_it_was_given(home: Daemon) -> None:
    with home.connect() as wire:
        # The last waits for its turn behind a thousand others.
        wire.send(*[search(id=n) for n in range(1000)], search(id="late", timeout_ms=1))
        replies = by_id(wire, 1001)
        assert code(replies["late"]) == "deadline-exceeded"
        assert "retryable" not in replies["late"]["details"], "an action would be done twice"
        assert all("JsonOk" in replies[n] for n in range(1000))
        assert "JsonOk" in wire.ask(search(id="in time", timeout_ms=10_000))


def test_an_action_goes_on_when_its_time_is_over(home: Daemon) -> None:
    with home.connect() as watch, home.connect() as wire:
        watch.ask({"Subscribe": {"event_types": ["LibraryCreated"]}})
        reply = wire.ask(create("Work", id=1, timeout_ms=1))
        assert code(reply) == "deadline-exceeded"
        assert watch.read()["Event"]["LibraryCreated"]["name"] == "Work"
        assert wire.ask("Ping") == "Pong", "a request was answered twice"


def test_the_time_is_up_without_an_id_as_well_and_the_next_gets_its_turn(home: Daemon) -> None:
    with home.connect() as wire:
        wire.send(create("Work", timeout_ms=1), query("test.ping", {"message": "next"}))
        assert list(wire.read()["Error"]) == ["OperationFailed"]
        assert wire.read()["JsonOk"]["echo"] == "next"


# --- correlation_id ------------------------------------------------------------------------------


def test_a_request_is_found_again_in_its_events_and_log_records(daemon: Daemon) -> None:
    with daemon.connect() as watch, daemon.connect() as logs, daemon.connect() as wire:
        watch.ask({"Subscribe": {"event_types": ["LibraryCreated"]}, "id": "w"})
        logs.ask({"SubscribeLogs": {"filter": {"correlation_id": "import-7"}}, "id": "l"})
        wire.ask(create("Other", correlation_id="import-8"))
        wire.ask(create("Home", correlation_id="import-7", id=1))
        assert watch.read()["correlation_id"] == "import-8"
        assert watch.read()["correlation_id"] == "import-7"
        texts = []
        while "call ended" not in texts:
            record = logs.read()["LogMessage"]
            assert record["fields"]["correlation_id"] == "import-7"
            texts.append(record["message"])
        assert texts[0] == "call begins"


def test_without_one_the_id_is_the_cause(daemon: Daemon) -> None:
    with daemon.connect() as wire:
        wire.ask({"Subscribe": {"event_types": ["LibraryCreated"]}, "id": "w"})
        wire.send(create("Home", id=41), create("Work"))
        replies = [wire.read() for _ in range(4)]
    causes = {
        one["Event"]["LibraryCreated"]["name"]: one["correlation_id"]
        for one in replies
        if "Event" in one
    }
    assert causes == {"Home": "41", "Work": None}


# --- Subscribe -----------------------------------------------------------------------------------


def subscribe(types: list[str], **wanted: Any) -> dict[str, Any]:
    return {"Subscribe": {"event_types": types, **wanted}, "id": "w"}


def test_what_came_after_a_number_comes_again_and_then_what_is_new(daemon: Daemon) -> None:
    with daemon.connect() as wire:
        begun = wire.ask(subscribe(["LibraryCreated"]))["Subscribed"]
        assert begun["gone"] is None
        for name in ("One", "Two"):
            daemon.call("action:libraries.create.input", {"name": name, "path": None})
        seen = [wire.read(), wire.read()]
    with daemon.connect() as wire:
        again = subscribe(["LibraryCreated"], after=begun["sequence"], stream=begun["stream"])
        assert wire.ask(again)["Subscribed"]["gone"] is None
        assert [wire.read(), wire.read()] == seen
        assert wire.read()["CaughtUp"]["sequence"] >= seen[-1]["sequence"]
        daemon.call("action:libraries.create.input", {"name": "Three", "path": None})
        assert wire.read()["Event"]["LibraryCreated"]["name"] == "Three"


def test_after_a_number_of_another_numbering_everything_is_gone(daemon: Daemon) -> None:
    other = "6f1d3c5e-0000-4000-8000-000000000002"
    with daemon.connect() as wire:
        told = wire.ask(subscribe(["LibraryCreated"], after=3, stream=other))["Subscribed"]
        assert told["stream"] != other
        assert told["gone"]["last"] == told["sequence"]


def test_history_needs_an_id(daemon: Daemon) -> None:
    with daemon.connect() as wire:
        reply = wire.ask({"Subscribe": {"event_types": [], "after": 1}})
        assert list(reply["Error"]) == ["ValidationError"]
        assert wire.ask("Ping") == "Pong"


def test_names_that_never_come_are_told(daemon: Daemon) -> None:
    with daemon.connect() as wire:
        warnings = wire.ask(subscribe(["LibraryCreated", "Nonsense"]))["Subscribed"]["warnings"]
        assert len(warnings) == 1
        assert "Nonsense" in warnings[0]
        assert wire.ask({**subscribe([]), "id": "all"})["Subscribed"]["warnings"] == []


def test_every_word_of_the_protocol_is_answered_with_one_that_a_client_reads(
    daemon: Daemon,
) -> None:
    requests = [
        "Ping",
        {"Hello": {}, "id": 1},
        {"Cancel": {"id": 9}, "id": 2},
        {"Batch": [], "id": 3},
        subscribe([]),
        {"Unsubscribe": None, "id": "w"},
        {"SubscribeLogs": {}, "id": 4},
        {"UnsubscribeLogs": None, "id": 4},
    ]
    with daemon.connect() as wire:
        wire.send(*requests)
        for _ in requests:
            reply = JSON.read_reply(wire._file.readline())
            assert reply == "Pong" or isinstance(reply, Reply)
