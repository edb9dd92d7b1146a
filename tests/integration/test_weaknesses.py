"""Thirty weaknesses of daemons of this kind, each as a test that fails on one that has it; and what
existing clients rely on.

Many have a test where the thing itself is tested; the table names it. The others are here, after
the table's number. `test_the_table_names_tests_that_exist` keeps the two together.

   1 events stop after one overrun: test_others_get_every_event_while_one_sleeps
   2 a name breaks the event stream: test_a_name_that_is_not_utf_8
   3 a name breaks the listing: here
   4 a stopped reader costs memory: test_who_cannot_be_told_of_a_gap_is_cut_off
     and test_a_client_that_reads_nothing_is_cut_off
   5 a slow answer holds up events: here
   6 an event tears a request apart: here
   7 a line without end: test_a_hundred_megabytes_without_a_line_end_cost_no_memory
   8 one request for each connection: test_a_thousand_pipelined_requests_are_answered_in_order
   9 silent clients lock others out: test_a_client_too_many_is_told_so
     and test_an_idle_time_out_ends_silent_connections_and_no_others
  10 a second daemon steals the path: test_a_second_daemon_says_so_and_leaves_the_first_alone
     and test_of_daemons_that_start_at_the_same_time_exactly_one_listens
  11 a socket that nobody answers: test_sigterm_ends_it_within_two_seconds_and_leaves_no_socket
     and test_after_kill_9_the_next_one_takes_the_place
  12 an end that nobody is told of: here
  13 events lost or doubled: test_what_happened_meanwhile_comes_exactly_as_it_would_have_come
     and test_nothing_is_lost_over_kill_9
  14 one subscription, ended with all: test_several_subscriptions_share_a_connection
  15 forwarders outlive connections: here
  16 anybody may do anything: test_only_its_owner_can_reach_the_socket_whatever_the_umask
     and test_the_rest_get_what_is_configured
  17 secrets in the log: test_what_clients_send_is_in_no_log
  18 nonsense fills the log: here
  19 filters that filter some events: test_a_filter_means_the_same_for_every_event
     and test_warnings_say_what_can_never_come
  20 one error for everything: here
  21 a catalogue of other events: here
  22 a status that is made up: here
  23 jobs that nobody saw begin: here
  24 a fraction shown as percent: here
  25 paths that cannot be sent back: here
  26 nothing is not nothing: test_no_input_is_no_input_however_it_is_said
  27 a level means two things: test_filters_are_the_same_for_the_past_and_what_is_live
  28 nobody knows what caused what: test_a_request_is_found_again_in_its_events_and_log_records
     and test_hello_says_who_is_there_and_who_asks
  29 no socket activation: test_an_inherited_socket_is_served_and_never_removed
  30 instances that share an address: here
"""

from __future__ import annotations

import json
import os
import re
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from person import Person, plant

from sd_client.cli.watch import View
from sd_wire.events import EVENTS
from sd_wire.messages import MAX_LINE
from sd_wire.types.jobs import JobStatus
from sd_wire.types.paths import SdPath

if TYPE_CHECKING:
    from collections.abc import Callable

    from running import Daemon

TESTS = Path(__file__).parents[1]
MIB = 1024 * 1024


def subscribe(*types: str, **beside: Any) -> dict[str, Any]:
    return {"Subscribe": {"event_types": list(types), "filter": None}, **beside}


def create(daemon: Daemon, name: str) -> str:
    made = daemon.call("action:libraries.create.input", {"name": name, "path": None})
    return str(made["library_id"])


def search() -> dict[str, Any]:
    return {"Query": {"method": "query:search.files", "payload": {"query": "xq", "filters": {}}}}


@pytest.fixture
def person(daemon: Daemon) -> Person:
    """Somebody with a daemon."""
    return Person(daemon)


def test_the_table_names_tests_that_exist() -> None:
    rows = r"^ +(?:(\d+) [^:\n]+:|and) (test_\w+|here)$"
    table = re.findall(rows, __doc__ or "", re.MULTILINE)
    assert [int(number) for number, _ in table if number] == list(range(1, 31))
    text = "\n".join(path.read_text("utf-8") for path in TESTS.glob("*/**/test_*.py"))
    for number, name in table:
        wanted = rf"def test_{number}_" if name == "here" else rf"def {name}\("
        assert re.search(wanted, text), (number, name)


def test_3_one_bad_name_breaks_no_listing(person: Person, tmp_path: Path) -> None:
    person.create()
    pictures = plant(tmp_path / "pictures")
    person.index(pictures)
    slug = person.ask("core.status")["device_info"]["slug"]
    folder = {"Physical": {"device_slug": slug, "path": str(pictures)}}
    listed = person.ask("files.directory_listing", {"path": folder, "include_hidden": True})
    assert len(listed["files"]) == len(os.listdir(pictures))
    (odd,) = (one for one in listed["files"] if "path_bytes" in one["sd_path"]["Physical"])
    assert "not " in odd["name"]
    assert "utf-8" in odd["name"]


def test_5_events_come_while_an_answer_is_waited_for(person: Person) -> None:
    person.create()
    with person.daemon.connect() as wire:
        assert wire.ask(subscribe("LibraryCreated")) == "Subscribed"
        wire.send(*[search()] * 5000)
        create(person.daemon, "Work")
        replies = [wire.read() for _ in range(5001)]
    (place,) = (n for n, reply in enumerate(replies) if "Event" in reply)
    assert place < 5000, "the event came behind the last answer"


def test_6_a_request_that_is_cut_in_two_outlives_an_event_in_between(daemon: Daemon) -> None:
    line = b'{"Query": {"method": "query:test.ping", "payload": {"message": "whole"}}}\n'
    with daemon.connect() as wire:
        assert wire.ask(subscribe("LibraryCreated")) == "Subscribed"
        for number, cut in enumerate(range(1, len(line), 7)):
            wire.send(line[:cut])
            create(daemon, f"L{number}")
            assert "LibraryCreated" in wire.read()["Event"]
            wire.send(line[cut:])
            assert wire.read()["JsonOk"]["echo"] == "whole"


def test_12_sigterm_tells_those_who_watch_and_then_hangs_up(daemon: Daemon) -> None:
    create(daemon, "Home")
    with daemon.connect() as wire:
        assert wire.ask(subscribe("LibraryClosed", "CoreShutdown")) == "Subscribed"
        assert daemon.stop() == 0
        told = [one["Event"] for one in wire.read_rest()]
    assert [next(iter(one)) if isinstance(one, dict) else one for one in told] == [
        "LibraryClosed",
        "CoreShutdown",
    ]


def test_15_a_log_subscription_ends_with_its_connection(daemon: Daemon) -> None:
    with daemon.connect() as wire:
        assert wire.ask({"SubscribeLogs": {"filter": None}}) == "LogsSubscribed"
        assert daemon.call("query:core.status")["clients"]["subscriptions"] == 1
    # Nothing is logged in between that could wake a forwarder.
    assert daemon.call("query:core.status")["clients"]["subscriptions"] == 0


def test_18_nonsense_is_not_repeated_in_the_log(daemon: Daemon) -> None:
    before = len(daemon.log_text())
    with daemon.connect() as wire:
        for number in range(100):
            wire.send(b"{secret-%d " % number + b"x" * 10_000 + b"\n")
            assert list(wire.read()["Error"]) == ["SerializationError"]
    assert "secret" not in daemon.log_text()
    assert len(daemon.log_text()) - before < 10_000


def test_20_failures_are_told_apart_without_reading_their_text(person: Person) -> None:
    nobody = "6f1d3c5e-0000-4000-8000-000000000002"
    asked: list[tuple[str, Any, str | None]] = [
        ("nope", None, None),
        ("locations.list", None, None),
        ("locations.list", None, nobody),
        ("test.ping", {"message": 7}, None),
        ("locations.list", None, "no id"),
    ]
    told = [person.refused(*one) for one in asked]
    kinds = [one.kind for one in told]
    assert [one.code for one in told] == [
        "method-not-found",
        "library-required",
        "library-not-found",
        "invalid-payload",
        "invalid-value",
    ]
    assert kinds[0] == "HandlerNotFound"
    assert kinds[3] == "DeserializationError"
    assert kinds[4] == "ValidationError"


def test_21_the_catalogue_of_events_is_that_of_the_events(person: Person) -> None:
    listed = person.ask("core.events.list")
    assert sorted(listed["all_events"]) == sorted(EVENTS)
    assert {"ResourceChangedBatch", "Refresh"} <= set(listed["all_events"])
    with person.daemon.connect() as wire:
        begun = wire.ask(subscribe(*listed["all_events"], id="w"))
        assert begun["Subscribed"]["warnings"] == []


def test_22_the_status_is_true(person: Person) -> None:
    person.create()
    daemon = person.daemon
    assert daemon.process is not None
    status = person.ask("core.status")
    system = status["system"]
    assert system["data_directory"] == str(daemon.data_dir)
    assert system["pid"] == daemon.process.pid
    assert system["socket"] == str(daemon.socket_path)
    assert system["memory_resident"] // 1024 == pytest.approx(daemon.memory(), rel=0.2)
    assert isinstance(system["uptime"], int)
    assert status["library_count"] == len(status["libraries"]) == 1
    # What does not exist yet says so, instead of "running".
    services = status["services"]
    assert {name for name, one in services.items() if one["running"]} <= {"location_watcher"}
    assert all(one["details"] for one in services.values() if not one["running"])


def test_23_a_job_is_seen_from_its_beginning(person: Person, tmp_path: Path) -> None:
    person.create()
    events = person.listen()
    _, job = person.add(plant(tmp_path / "pictures", folders=3, files=20))
    events.until("JobCompleted", job_id=job)
    names = [name for name, body in events.seen if body.get("job_id") == job]
    assert names[:2] == ["JobQueued", "JobStarted"]
    assert names[-1] == "JobCompleted"
    assert names.count("JobStarted") == 1
    indexing = [name for name in events.names() if name.startswith("Indexing")]
    assert indexing[0] == "IndexingStarted"
    if "IndexingCompleted" not in indexing:
        events.until("IndexingCompleted")


def test_24_half_of_a_job_is_fifty_percent() -> None:
    assert View("index", JobStatus.RUNNING, 0.5).line.split() == ["50%"]
    assert View("index", JobStatus.RUNNING, 1.0).line.split() == ["100%"]


def test_25_a_path_is_read_as_it_is_written(person: Person, tmp_path: Path) -> None:
    forms: list[dict[str, Any]] = [
        {"Physical": {"device_slug": "laptop", "path": "/photos/a.jpg"}},
        {"Content": {"content_id": "6f1d3c5e-0000-4000-8000-000000000002"}},
        {"Sidecar": {"content_id": "6f1d3c5e-0000-4000-8000-000000000002", "kind": "thumb"}},
    ]
    forms[2]["Sidecar"].update(variant="grid", format="message_pack")
    for service in ("s3", "gdrive", "cloud"):
        forms.append({"Cloud": {"service": service, "identifier": "b", "path": "p/a.jpg"}})
    for form in forms:
        again = msgspec.json.encode(msgspec.convert(form, SdPath))
        assert json.loads(again) == form
    person.create()
    pictures = plant(tmp_path / "pictures")
    person.index(pictures)
    slug = person.ask("core.status")["device_info"]["slug"]
    folder = {"Physical": {"device_slug": slug, "path": str(pictures)}}
    listing = {"path": folder, "include_hidden": True}
    for one in person.ask("files.directory_listing", listing)["files"]:
        if one["kind"] == "Directory":
            found = person.ask("files.directory_listing", {"path": one["sd_path"]})
            assert [inner["name"] for inner in found["files"]] == ["inside"]


def test_30_instances_whose_names_are_anagrams_are_two(make_daemon: Callable[..., Daemon]) -> None:
    first, second = make_daemon(), make_daemon()
    for daemon, name in ((first, "listen"), (second, "silent")):
        daemon.socket_path = daemon.data_dir / "daemon" / f"daemon-{name}.sock"
        daemon.start("--instance", name)
    create(first, "Home")
    assert len(first.call("query:libraries.list")) == 1
    assert second.call("query:libraries.list") == []


# --- what existing clients rely on ---------------------------------------------------------------


def ask_like_rust(path: Path, message: Any) -> Any:
    """Connect, write without an LF, shut down the write side, read to the end, parse all of it."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(path))
        sock.sendall(json.dumps(message).encode())
        sock.shutdown(socket.SHUT_WR)
        received = b""
        while block := sock.recv(4096):
            received += block
    return json.loads(received)


def ask_like_typescript(path: Path, message: Any) -> Any:
    """Write a line, decode each chunk for itself, stop at the first LF."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(path))
        sock.sendall(json.dumps(message).encode() + b"\n")
        text = ""
        while "\n" not in text:
            text += sock.recv(3).decode("utf-8", "replace")  # three bytes: any character is cut
    return json.loads(text)


def ask_like_swift(path: Path, message: Any) -> Any:
    """Write a line, read until an LF, take the first line by any separator that Unicode has."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(path))
        sock.sendall(json.dumps(message).encode() + b"\n")
        received = b""
        while not received.endswith(b"\n"):
            received += sock.recv(65536)
        assert len(received) < 10 * MIB
    return json.loads(received.decode().splitlines()[0])


CLIENTS = pytest.mark.parametrize("ask", [ask_like_rust, ask_like_typescript, ask_like_swift])
AWKWARD = "Grüße \U0001f600 \u2028 \u2029 \u0085 \x0b \x1c end"


@CLIENTS
def test_rule_1_to_3_a_request_of_any_client_is_answered_and_ended(
    daemon: Daemon, ask: Callable[[Path, Any], Any]
) -> None:
    assert ask(daemon.socket_path, "Ping") == "Pong"
    listed = {"Query": {"method": "query:libraries.list", "library_id": None, "payload": {}}}
    assert ask(daemon.socket_path, listed) == {"JsonOk": []}
    wrong = ask(daemon.socket_path, {"Query": {"method": "query:nope"}})
    assert wrong == {"Error": {"HandlerNotFound": "Unknown method: query:nope"}}


@CLIENTS
def test_rule_4_no_character_is_lost_or_ends_a_line(
    daemon: Daemon, ask: Callable[[Path, Any], Any]
) -> None:
    call = {"method": "query:test.ping", "payload": {"message": AWKWARD}}
    assert ask(daemon.socket_path, {"Query": call})["JsonOk"]["echo"] == AWKWARD


@CLIENTS
def test_rule_5_what_is_left_out_is_null(daemon: Daemon, ask: Callable[[Path, Any], Any]) -> None:
    create(daemon, "Home")
    for call in (
        {"method": "query:libraries.list"},
        {"method": "query:libraries.list", "payload": {"include_stats": False}},
        {"method": "query:libraries.list.v1", "payload": None},
    ):
        (one,) = ask(daemon.socket_path, {"Query": call})["JsonOk"]
        assert one["stats"] is None
    for payload in (None, {}):
        call = {"method": "query:locations.list", "payload": payload}
        assert "JsonOk" in ask(daemon.socket_path, {"Query": call})


def test_rule_6_the_acknowledgement_comes_first_and_then_nothing_but_events(
    person: Person, tmp_path: Path
) -> None:
    person.create()
    person.add(plant(tmp_path / "pictures", folders=20, files=50))
    # Events are coming all the time now.
    for _ in range(20):
        with person.daemon.connect() as wire:
            wire.send(subscribe())
            wire.done()
            assert wire.read() == "Subscribed"
    with person.daemon.connect() as wire:
        wire.send({"Subscribe": {"event_types": []}})
        assert wire.read() == "Subscribed"
        create(person.daemon, "Work")
        while True:
            line = wire.read()
            assert list(line) == ["Event"], "a key that existing clients do not know"
            if "LibraryCreated" in line["Event"]:
                break


@CLIENTS
def test_rule_7_unknown_keys_and_names_do_no_harm(
    daemon: Daemon, ask: Callable[[Path, Any], Any]
) -> None:
    call = {"method": "query:test.ping", "payload": {"message": "x", "new": 1}, "newer": [{}]}
    asked = {"Query": call, "newest": None}
    assert ask(daemon.socket_path, asked)["JsonOk"]["echo"] == "x"
    with daemon.connect() as wire:
        assert wire.ask(subscribe("SomethingNew", "LibraryCreated")) == "Subscribed"
        create(daemon, "Home")
        assert "LibraryCreated" in wire.read()["Event"]


def test_rule_8_no_line_is_longer_than_any_client_reads(daemon: Daemon) -> None:
    long = "\u00fc" * 1_300_000  # as escapes 7.8 million bytes
    call = {"method": "query:test.ping", "payload": {"message": long}}
    assert ask_like_swift(daemon.socket_path, {"Query": call})["JsonOk"]["echo"] == long
    with daemon.connect() as wire:
        line = json.dumps({"Query": {**call, "payload": {"message": long + long}}})
        assert len(line) > MAX_LINE
        wire.send(line.encode().decode("unicode-escape").encode() + b"\n")
        assert list(wire.read()["Error"]) == ["WriteError"]
        assert wire.ask("Ping") == "Pong"


@CLIENTS
def test_rule_9_what_earlier_clients_say_is_understood(
    daemon: Daemon, ask: Callable[[Path, Any], Any]
) -> None:
    create(daemon, "Home")
    jobs = {"JsonQuery": {"method": "query:jobs.list.v1", "payload": {"status": None}}}
    assert ask(daemon.socket_path, jobs)["JsonOk"]["jobs"] == []
    made = {"method": "action:libraries.create.input.v1", "payload": {"name": "Two", "path": None}}
    assert ask(daemon.socket_path, {"JsonAction": made})["JsonOk"]["name"] == "Two"
