"""What one connection may ask, and what every kind of nonsense is answered."""

from __future__ import annotations

import contextlib
import json
import resource
import socket
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest
from running import CallFailed, Daemon, Wire

if TYPE_CHECKING:
    from collections.abc import Callable

LIST = {"Query": {"method": "query:libraries.list", "library_id": None, "payload": None}}
MIB = 1024 * 1024


def echo(message: str, request_id: int | str | None = None) -> dict[str, Any]:
    call = {"method": "query:test.ping", "payload": {"message": message}}
    return {"Query": call} if request_id is None else {"Query": call, "id": request_id}


def test_a_client_that_half_closes_gets_its_answer_and_then_the_end(daemon: Daemon) -> None:
    with daemon.connect() as wire:
        wire.send(json.dumps(LIST).encode())  # no LF: existing clients end with a half-close
        wire.done()
        assert wire.read_rest() == [{"JsonOk": []}]


def test_otherwise_the_connection_stays(daemon: Daemon) -> None:
    with daemon.connect() as wire:
        for _ in range(3):
            assert wire.ask("Ping") == "Pong"
            assert wire.ask(LIST) == {"JsonOk": []}


def test_a_thousand_pipelined_requests_are_answered_in_order(daemon: Daemon) -> None:
    with daemon.connect() as wire:
        wire.send(*[echo(str(number)) for number in range(1000)])
        assert [wire.read()["JsonOk"]["echo"] for _ in range(1000)] == [
            str(number) for number in range(1000)
        ]


def test_requests_with_ids_overtake_those_that_wait(daemon: Daemon) -> None:
    create = {"method": "action:libraries.create.input", "payload": {"name": "Home", "path": None}}
    with daemon.connect() as wire:
        wire.send({"Action": create, "id": "slow"}, echo("quick", 2))
        assert [wire.read()["id"], wire.read()["id"]] == [2, "slow"]


def test_requests_without_ids_keep_their_order_behind_one_that_waits(daemon: Daemon) -> None:
    create = {"method": "action:libraries.create.input", "payload": {"name": "Home", "path": None}}
    with daemon.connect() as wire:
        wire.send({"Action": create}, "Ping", {"Query": {"method": "query:nope"}}, echo("last"))
        replies = [wire.read() for _ in range(4)]
        assert replies[0]["JsonOk"]["name"] == "Home"
        assert replies[1] == "Pong"
        assert "HandlerNotFound" in replies[2]["Error"]
        assert replies[3]["JsonOk"]["echo"] == "last"


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (b"\n", "SerializationError"),
        (b"{broken\n", "SerializationError"),
        (b'"\xff\xfe"\n', "SerializationError"),
        (b"[" * 5000 + b"\n", "SerializationError"),
        (b'{"Query":' + b"[" * 5000 + b"\n", "SerializationError"),
        (b'{"x":' * 5000 + b"\n", "SerializationError"),
        (b"7\n", "InvalidRequest"),
        (b'"Pong"\n', "InvalidRequest"),
        (b"{}\n", "InvalidRequest"),
        (b'{"Query":7}\n', "InvalidRequest"),
        (b'{"Query":{"payload":null}}\n', "InvalidRequest"),
        (b'{"Subscribe":{"event_types":3}}\n', "InvalidRequest"),
    ],
)
def test_nonsense_is_answered_and_the_connection_lives_on(
    daemon: Daemon, line: bytes, kind: str
) -> None:
    with daemon.connect() as wire:
        wire.send(line, "Ping")
        assert list(wire.read()["Error"]) == [kind]
        assert wire.read() == "Pong"


def test_a_long_line_is_answered_in_its_turn_while_others_are(daemon: Daemon) -> None:
    long = echo("x" * (4 * MIB))
    heavy = b'{"Query":{"method":"query:test.ping","payload":[%s0]},"id":1}\n' % (b"0," * 300_000)
    with daemon.connect() as wire, daemon.connect() as other:
        wire.send("Ping", echo("first"), long, "Ping", echo("last"))
        assert other.ask("Ping") == "Pong"
        assert wire.read() == "Pong"
        assert wire.read()["JsonOk"]["echo"] == "first"
        assert wire.read()["JsonOk"]["echo"] == "x" * (4 * MIB)
        assert wire.read() == "Pong"
        assert wire.read()["JsonOk"]["echo"] == "last"
        refused = wire.ask(heavy)
        assert (refused["id"], refused["details"]["code"]) == (1, "too-many-values")
        wire.send(json.dumps(long).encode())
        wire.done()
        (answer,) = wire.read_rest()
        assert len(answer["JsonOk"]["echo"]) == 4 * MIB


def test_two_requests_in_one_are_refused_and_neither_is_carried_out(daemon: Daemon) -> None:
    create = {"method": "action:libraries.create.input", "payload": {"name": "Home", "path": None}}
    with daemon.connect() as wire:
        reply = wire.ask({"Action": create, "Ping": None, "id": 1})
        assert reply["details"]["code"] == "unknown-request"
        assert reply["details"]["pointer"] == "/Ping"
        assert "Action and Ping are different requests" in reply["Error"]["InvalidRequest"]
        assert wire.ask(LIST) == {"JsonOk": []}


def test_an_unknown_method_is_named(daemon: Daemon) -> None:
    with daemon.connect() as wire:
        reply = wire.ask({"Query": {"method": "query:nope"}})
        assert reply == {"Error": {"HandlerNotFound": "Unknown method: query:nope"}}


def test_a_wrong_payload_is_pointed_at(daemon: Daemon) -> None:
    with pytest.raises(CallFailed) as failed:
        daemon.call("query:test.ping", {"message": 7})
    assert failed.value.reply["details"]["pointer"] == "/payload/message"
    assert failed.value.reply["Error"] == {
        "DeserializationError": "query:test.ping: payload.message: expected str, got int"
    }
    with pytest.raises(CallFailed) as failed:
        daemon.call("query:test.ping", {})
    assert failed.value.reply["details"]["pointer"] == "/payload/message"


def test_the_place_is_in_the_sentence_where_there_is_nothing_else(daemon: Daemon) -> None:
    call = {"method": "query:test.ping", "payload": {"count": 1}}
    with daemon.connect() as wire:
        said = "query:test.ping: payload.message: it is missing"
        assert wire.ask({"Query": call}) == {"Error": {"DeserializationError": said}}
        said = "this is not a request: Subscribe.event_types[1]: expected str, got int"
        asked = {"Subscribe": {"event_types": ["JobCompleted", 7]}}
        assert wire.ask(asked) == {"Error": {"InvalidRequest": said}}
        said = "this is not a request: Batch[1].Query.method: it is missing"
        asked = {"Batch": [{"Query": call}, {"Query": {}}]}
        assert wire.ask(asked) == {"Error": {"InvalidRequest": said}}


@pytest.mark.parametrize("payload", [b"null", b"{}", b"[]", b'{"unknown": 1}', None])
def test_no_input_is_no_input_however_it_is_said(daemon: Daemon, payload: bytes | None) -> None:
    with daemon.connect() as wire:
        rest = b"" if payload is None else b', "payload": ' + payload
        wire.send(b'{"Query": {"method": "query:network.status"' + rest + b"}}\n")
        assert wire.read()["JsonOk"]["running"] is False


@pytest.mark.parametrize("method", ["query:network.status", "query:network.status.v1"])
@pytest.mark.parametrize("envelope", ["Query", "Action", "JsonQuery", "JsonAction"])
def test_every_spelling_of_existing_clients_is_understood(
    daemon: Daemon, envelope: str, method: str
) -> None:
    with daemon.connect() as wire:
        assert "JsonOk" in wire.ask({envelope: {"method": method, "payload": None}})


def test_a_library_is_found_by_any_spelling_of_its_id(daemon: Daemon) -> None:
    made = daemon.call("action:libraries.create.input", {"name": "Home", "path": None})
    plain = made["library_id"]
    for spelling in (plain, plain.upper(), plain.replace("-", ""), f"urn:uuid:{plain}", None):
        assert daemon.call("query:locations.list", None, spelling) is not None
    with pytest.raises(CallFailed) as failed:
        daemon.call("query:locations.list", None, "not an id")
    assert failed.value.reply["details"]["pointer"] == "/library_id"


def test_a_hundred_megabytes_without_a_line_end_cost_no_memory(daemon: Daemon) -> None:
    before = daemon.memory()
    with daemon.connect() as wire:
        block = b"x" * MIB
        for _ in range(100):
            wire.send(block)
        assert list(wire.read()["Error"]) == ["RequestTooLarge"]
        wire.send(b"\n", "Ping")
        assert wire.read() == "Pong"
    assert daemon.memory() - before < 24 * 1024


def test_who_does_not_read_its_answers_is_not_read_from(daemon: Daemon) -> None:
    before = daemon.memory()
    describe = json.dumps({"Query": {"method": "query:core.describe"}}).encode() + b"\n"
    with daemon.connect() as rude, daemon.connect() as polite:
        rude.socket.setblocking(False)  # noqa: FBT003 - its only parameter
        sent = 0
        try:
            while sent < 64 * MIB:
                sent += rude.socket.send(describe * 1000)
        except BlockingIOError:
            pass
        assert polite.ask("Ping") == "Pong"
        assert sent < 4 * MIB, "the daemon went on reading"
        assert daemon.memory() - before < 24 * 1024


def test_ten_thousand_idle_connections_are_cheap_and_do_not_slow_others(daemon: Daemon) -> None:
    count = 10_000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < count + 500:
        pytest.skip(f"this system allows {hard} open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    idle: list[socket.socket] = []
    try:
        before = daemon.memory()
        for _ in range(count):
            idle.append(socket.socket(socket.AF_UNIX))
            idle[-1].connect(str(daemon.socket_path))
        with daemon.connect() as wire:
            status = wire.ask({"Query": {"method": "query:core.status"}})["JsonOk"]
        assert status["clients"]["connections"] == count + 1
        # The standard loop's transports are larger than uvloop's.
        limit = 2 if find_spec("uvloop") else 5
        assert (daemon.memory() - before) / count <= limit  # KiB
    finally:
        for one in idle:
            one.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def limited_to(files: int) -> Callable[[], None]:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))

    return limit


def test_a_client_too_many_is_told_so(make_daemon: Callable[..., Daemon]) -> None:
    daemon = make_daemon().start(preexec_fn=limited_to(300))
    served: list[Wire] = []
    refused: Wire | None = None
    while refused is None:
        wire = daemon.connect()
        served.append(wire)
        with contextlib.suppress(BrokenPipeError):  # it may have been told so, and cut off, already
            wire.send(b'"Ping"\n')
        reply = wire.read()
        if reply != "Pong":
            refused = wire
    assert reply == {"Error": {"CoreUnavailable": "the daemon already serves 44 connections"}}
    with pytest.raises((EOFError, ConnectionResetError)):
        refused.read()
    served.pop(0).close()
    served[0].ask("Ping")
    with daemon.connect() as wire:
        assert wire.ask("Ping") == "Pong"
    for wire in served:
        wire.close()
