"""Many operations in one request: carried out in order, answered together, given up one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from asking import by_id, code, create, query, search

from sd_wire.encoding import JSON

if TYPE_CHECKING:
    from running import Daemon


def test_a_batch_is_carried_out_in_order_and_answered_together(daemon: Daemon) -> None:
    members = [
        create("Home", id="make"),
        query("libraries.list", id="list"),
        query("nope"),
        create("Home"),
        query("test.ping", {"message": "last"}),
    ]
    with daemon.connect() as wire:
        reply = wire.ask({"Batch": members, "id": "b"})
        assert reply["id"] == "b"
        made, listed, unknown, twice, last = reply["Batch"]
    assert made["id"] == "make"
    assert [one["name"] for one in listed["JsonOk"]] == ["Home"]
    assert listed["id"] == "list"
    assert code(unknown) == "method-not-found"
    assert code(twice) == "library-exists"
    assert last == {"JsonOk": {"echo": "last", "count": 1, "extension_works": True}}


def test_a_batch_with_a_mistake_is_not_carried_out_at_all(daemon: Daemon) -> None:
    members = [create("Home"), create("Work"), {"Query": {"payload": None}}]
    with daemon.connect() as wire:
        reply = wire.ask({"Batch": members, "id": "b"})
        assert code(reply) == "unknown-request"
        assert reply["details"]["pointer"] == "/Batch/2/Query/method"
        assert wire.ask(query("libraries.list")) == {"JsonOk": []}


def test_a_batch_holds_1024_calls_and_no_more(daemon: Daemon) -> None:
    ping = query("test.ping", {"message": "x"})
    with daemon.connect() as wire:
        assert len(wire.ask({"Batch": [ping] * 1024})["Batch"]) == 1024
        reply = wire.ask({"Batch": [ping] * 1025, "id": "b"})
        assert (code(reply), reply["details"]["pointer"]) == ("invalid-value", "/Batch")
        assert wire.ask({"Batch": [], "id": 1}) == {"Batch": [], "id": 1}


def test_of_a_batch_that_is_cancelled_the_rest_is_left_out(daemon: Daemon) -> None:
    members = [create(f"L{number}") for number in range(20)]
    with daemon.connect() as wire:
        wire.send({"Batch": members, "id": "b"}, {"Cancel": {"id": "b"}, "id": "c"})
        replies = by_id(wire, 2)
        assert replies["c"]["Cancelled"]["outcome"] == "stopped"
        first, *rest = replies["b"]["Batch"]
        assert first["JsonOk"]["name"] == "L0", "what has begun is finished"
        assert {code(one) for one in rest} == {"request-cancelled"}
        assert len(wire.ask(query("libraries.list"))["JsonOk"]) == 1


def test_one_answer_of_a_batch_that_is_too_large_spoils_no_other(daemon: Daemon) -> None:
    large = query("test.ping", {"message": "x" * 3_000_000})
    with daemon.connect() as wire:
        answers = wire.ask({"Batch": [large, query("test.ping", {"message": "y"})], "id": 1})
        assert len(answers["Batch"][0]["JsonOk"]["echo"]) == 3_000_000
        packed = query("test.ping", {"message": "\u00fc" * 900_000})  # six times as long as asked
        line = JSON.frame({"Batch": [packed, packed], "id": 2}).decode("ascii")
        assert len(line) > 8 * 1024 * 1024  # so it is sent as UTF-8, which is shorter
        raw = msgspec.json.encode({"Batch": [packed, packed], "id": 2}) + b"\n"
        wire.send(raw)
        first, second = wire.read()["Batch"]
        assert len(first["JsonOk"]["echo"]) == 900_000
        assert code(second) == "reply-too-large"


def test_a_member_of_a_batch_has_as_long_as_it_was_given(home: Daemon) -> None:
    members = [
        search(id="late", timeout_ms=1),  # it waits for its turn behind a thousand others
        create("Work", timeout_ms=1),
        query("test.ping", {"message": "next"}, timeout_ms=1),
        query("libraries.list"),
    ]
    with home.connect() as wire:
        wire.send(*[search(id=n) for n in range(1000)], {"Batch": members, "id": "b"})
        late, made, answered, listed = by_id(wire, 1001)["b"]["Batch"]
    assert (code(late), late["id"]) == ("deadline-exceeded", "late")
    assert made["JsonOk"]["name"] == "Work", "what has begun is finished, and answered"
    assert answered["JsonOk"]["echo"] == "next"
    assert {one["name"] for one in listed["JsonOk"]} == {"Home", "Work"}


def test_a_batch_that_is_cancelled_stops_the_member_that_has_a_time(home: Daemon) -> None:
    batch = {"Batch": [search(timeout_ms=20_000)], "id": "b"}
    with home.connect() as wire:
        wire.send(*[search(id=n) for n in range(1000)], batch, {"Cancel": {"id": "b"}, "id": "c"})
        replies = by_id(wire, 1002)
    assert replies["c"]["Cancelled"]["outcome"] == "stopped"
    assert code(replies["b"]) == "request-cancelled"


def test_a_batch_may_have_a_time_and_a_member_its_own_cause(daemon: Daemon) -> None:
    with daemon.connect() as watch, daemon.connect() as wire:
        watch.ask({"Subscribe": {"event_types": ["LibraryCreated"]}, "id": "w"})
        own = create("Two", correlation_id="own")
        wire.send({"Batch": [create("One"), own], "id": "b", "timeout_ms": 20_000})
        causes = {}
        for _ in range(2):
            event = watch.read()
            causes[event["Event"]["LibraryCreated"]["name"]] = event["correlation_id"]
        assert causes == {"One": "b", "Two": "own"}
        assert len(wire.read()["Batch"]) == 2
