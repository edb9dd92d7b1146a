"""Events and log records, over the same socket as everything else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from running import Daemon, Wire

LIBRARY_EVENTS = ["LibraryCreated", "LibraryDeleted", "LibraryClosed", "LibraryOpened"]


def subscribe(types: list[str], request_id: str | None = None, **wanted: Any) -> dict[str, Any]:
    asked: dict[str, Any] = {"Subscribe": {"event_types": types, "filter": wanted or None}}
    return asked if request_id is None else {**asked, "id": request_id}


def make_library(daemon: Daemon, name: str) -> str:
    made = daemon.call("action:libraries.create.input", {"name": name, "path": None})
    return str(made["library_id"])


def names_until(wire: Wire, last: str) -> list[str]:
    """The names of the events that come, up to one."""
    names: list[str] = []
    while not names or names[-1] != last:
        event = wire.read()["Event"]
        names.append(event if isinstance(event, str) else next(iter(event)))
    return names


def test_an_existing_client_gets_the_plain_form_and_nothing_else(daemon: Daemon) -> None:
    with daemon.connect() as wire:
        assert wire.ask(subscribe(["LibraryCreated"])) == "Subscribed"
        made = make_library(daemon, "Home")
        event = wire.read()
        assert list(event) == ["Event"]
        assert event["Event"]["LibraryCreated"]["id"] == made


def test_a_subscription_with_an_id_gets_number_time_library_and_cause(daemon: Daemon) -> None:
    create = {"method": "action:libraries.create.input", "payload": {"name": "Home", "path": None}}
    with daemon.connect() as wire:
        said = wire.ask(subscribe(["LibraryCreated"], "watch"))
        assert said["id"] == "watch"
        assert said["Subscribed"]["gone"] is None
        assert said["Subscribed"]["warnings"] == []
        wire.send({"Action": create, "id": "make"})
        lines = {wire_line["id"]: wire_line for wire_line in (wire.read(), wire.read())}
        event, reply = lines["watch"], lines["make"]
        assert event["library_id"] == reply["JsonOk"]["library_id"]
        assert event["sequence"] > said["Subscribed"]["sequence"]
        assert event["time"].endswith("Z")
        assert event["correlation_id"] == "make"


def test_a_filter_means_the_same_for_every_event(daemon: Daemon) -> None:
    with daemon.connect() as all_of_them, daemon.connect() as only_one:
        all_of_them.ask(subscribe(LIBRARY_EVENTS))
        first = make_library(daemon, "First")
        only_one.ask(subscribe([], library_id=first))
        make_library(daemon, "Second")
        daemon.call("action:libraries.delete.input", {"library_id": first, "delete_data": True})
        assert "LibraryDeleted" in names_until(all_of_them, "LibraryDeleted")
        assert "LibraryCreated" not in names_until(only_one, "LibraryDeleted")


def test_several_subscriptions_share_a_connection(daemon: Daemon) -> None:
    with daemon.connect() as wire:
        wire.ask(subscribe(["LibraryCreated"], "made"))
        wire.ask(subscribe(["LibraryOpened"], "opened"))
        make_library(daemon, "Home")
        assert {wire.read()["id"], wire.read()["id"]} == {"made", "opened"}
        assert wire.ask({"Unsubscribe": None, "id": "made"}) == {"Unsubscribed": None, "id": "made"}
        make_library(daemon, "Work")
        assert wire.read()["id"] == "opened"
        assert wire.ask("Ping") == "Pong"


def test_a_second_plain_subscription_replaces_the_first(daemon: Daemon) -> None:
    with daemon.connect() as wire:
        wire.ask(subscribe(["LibraryCreated"]))
        wire.ask(subscribe(["LibraryOpened"]))
        make_library(daemon, "Home")
        assert names_until(wire, "LibraryOpened") == ["LibraryOpened"]
        assert wire.ask("Unsubscribe") == "Unsubscribed"
        make_library(daemon, "Work")
        assert wire.ask("Ping") == "Pong"


def test_a_name_that_no_event_has_never_comes_and_is_no_error(daemon: Daemon) -> None:
    with daemon.connect() as wire:
        assert wire.ask(subscribe(["Nonsense"])) == "Subscribed"
        make_library(daemon, "Home")
        assert wire.ask("Ping") == "Pong"


def test_events_and_log_records_share_a_connection(daemon: Daemon) -> None:
    with daemon.connect() as wire:
        assert wire.ask(subscribe(["LibraryCreated"])) == "Subscribed"
        assert wire.ask({"SubscribeLogs": {"filter": {"level": "info"}}}) == "LogsSubscribed"
        library = make_library(daemon, "Home")
        lines = [wire.read(), wire.read()]
        kinds = {next(iter(one)) for one in lines}
        assert kinds == {"Event", "LogMessage"}
        (record,) = (one["LogMessage"] for one in lines if "LogMessage" in one)
        assert record["library_id"] == library
        assert record["level"] == "INFO"
        assert wire.ask("UnsubscribeLogs") == "LogsUnsubscribed"


def test_the_level_of_a_log_subscription_is_the_least_that_comes(daemon: Daemon) -> None:
    with daemon.connect() as wire:
        wire.ask({"SubscribeLogs": {"filter": {"level": "WARN"}}})
        make_library(daemon, "Home")
        assert wire.ask("Ping") == "Pong"


def test_a_subscriber_that_half_closes_goes_on_listening(daemon: Daemon) -> None:
    with daemon.connect() as wire:
        wire.send(subscribe(["LibraryCreated"]))
        wire.done()
        assert wire.read() == "Subscribed"
        make_library(daemon, "Home")
        assert "LibraryCreated" in wire.read()["Event"]


def test_a_subscriber_that_hangs_up_is_forgotten_at_once(daemon: Daemon) -> None:
    """Also when nothing happens that it could be told."""
    with daemon.connect() as watcher:
        assert watcher.ask(subscribe([])) == "Subscribed"
        assert daemon.call("query:core.status")["clients"]["subscriptions"] == 1
    assert daemon.call("query:core.status")["clients"]["subscriptions"] == 0
