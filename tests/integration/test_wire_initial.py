"""Whoever begins to watch is told the state first, and then all that changes it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from running import Daemon, Wire


def subscribe(*types: str, request_id: Any = "w", **more: Any) -> dict[str, Any]:
    return {"Subscribe": {"event_types": types, "initial": True, **more}, "id": request_id}


def state(wire: Wire) -> list[dict[str, Any]]:
    """What comes before CaughtUp."""
    lines = []
    while "CaughtUp" not in (line := wire.read()):
        lines.append(line)
    return lines


def resources(lines: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    """The resources of one type by id, as a client merges them."""
    found = {}
    for line in lines:
        changed = line["Event"].get("ResourceChanged")
        if changed is not None and changed["resource_type"] == kind:
            found[changed["resource"]["id"]] = changed["resource"]
    return found


def make_library(daemon: Daemon, name: str = "Home") -> str:
    made = daemon.call("action:libraries.create.input", {"name": name, "path": None})
    return str(made["library_id"])


def add_location(daemon: Daemon, folder: Path, library: str, mode: str = "None") -> Any:
    folder.mkdir()
    path = {"path": str(folder), "mode": mode}
    return daemon.call("action:locations.add.input", path, library)


def test_the_state_is_what_the_queries_answer(daemon: Daemon, tmp_path: Path) -> None:
    library = make_library(daemon)
    add_location(daemon, tmp_path / "pictures", library)
    with daemon.connect() as wire:
        said = wire.ask(subscribe("ResourceChanged"))["Subscribed"]
        lines = state(wire)
        assert all(line["initial"] for line in lines)
        assert {line["sequence"] for line in lines} == {said["sequence"]}
        listed = daemon.call("query:locations.list", None, library)["locations"]
        assert list(resources(lines, "location").values()) == listed
        (described,) = resources(lines, "library").values()
        assert described["id"] == library
        assert described["statistics"]["location_count"] == 1
        volumes = daemon.call("query:volumes.list", {"filter": "All"}, library)["volumes"]
        assert resources(lines, "volume").keys() == {one["id"] for one in volumes}
        daemon.call("action:locations.update.input", {"id": listed[0]["id"], "name": "x"}, library)
        live = wire.read()
        assert "initial" not in live
        assert resources([live], "location")[listed[0]["id"]]["name"] == "x"


def test_a_filter_is_for_the_state_too(daemon: Daemon, tmp_path: Path) -> None:
    first, second = make_library(daemon, "First"), make_library(daemon, "Second")
    add_location(daemon, tmp_path / "one", first)
    add_location(daemon, tmp_path / "two", second)
    with daemon.connect() as wire:
        wire.send(subscribe("ResourceChanged", filter={"library_id": second}))
        wire.read()
        lines = state(wire)
        assert {line["library_id"] for line in lines} == {second}
        assert resources(lines, "library").keys() == {second}
        asked = {"library_id": first, "resource_type": "location"}
        wire.send(subscribe("ResourceChanged", request_id=2, filter=asked))
        wire.read()
        (line,) = state(wire)
        assert line["library_id"] == first


def test_jobs_that_are_not_over_are_part_of_the_state(daemon: Daemon, tmp_path: Path) -> None:
    library = make_library(daemon)
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(3000):
        (folder / f"{number}.txt").write_text(str(number))
    added = daemon.call("action:locations.add.input", {"path": str(folder)}, library)
    job = added["job_id"]
    daemon.call("action:jobs.pause.input", {"job_id": job}, library)
    with daemon.connect() as wire:
        wire.ask(subscribe("JobUpdate", "JobProgress"))
        lines = state(wire)
        assert {next(iter(line["Event"])) for line in lines} == {"JobUpdate", "JobProgress"}
        (update,) = (one["Event"]["JobUpdate"] for one in lines if "JobUpdate" in one["Event"])
        assert (update["job_id"], update["status"]) == (job, "paused")
        daemon.call("action:jobs.resume.input", {"job_id": job}, library)
        while (event := wire.read()["Event"]).get("JobUpdate", {}).get("status") != "completed":
            assert event
        wire.send(subscribe("JobUpdate", request_id=2))
        while "Subscribed" not in wire.read():
            pass
        assert state(wire) == []


def test_who_has_no_id_gets_the_state_in_the_plain_form(daemon: Daemon) -> None:
    library = make_library(daemon)
    with daemon.connect() as wire:
        asked = {"event_types": ["ResourceChanged"], "initial": True}
        asked["filter"] = {"resource_type": "library"}
        assert wire.ask({"Subscribe": asked}) == "Subscribed"
        line = wire.read()
        assert list(line) == ["Event"]
        assert line["Event"]["ResourceChanged"]["resource"]["id"] == library


def test_the_state_comes_only_where_the_history_is_not_whole(daemon: Daemon) -> None:
    make_library(daemon)
    with daemon.connect() as wire:
        kinds = ("ResourceChanged", "LibraryCreated")
        wire.ask(subscribe(*kinds, after=0))
        assert [next(iter(line["Event"])) for line in state(wire)] == ["LibraryCreated"]
        said = wire.ask(subscribe(*kinds, request_id=2, after=10**12))["Subscribed"]
        assert said["gone"]
        assert all(line["initial"] for line in state(wire))


def test_no_gap_and_no_double_while_everything_changes(daemon: Daemon, tmp_path: Path) -> None:
    """Whatever changes while the state is gathered is in it, or comes after it."""
    library = make_library(daemon)
    ids = [
        add_location(daemon, tmp_path / str(number), library)["location_id"] for number in range(4)
    ]
    ended = threading.Event()

    def rename() -> None:
        count = 0
        while not ended.is_set():
            for one in ids:
                count += 1
                new = {"id": one, "name": str(count)}
                daemon.call("action:locations.update.input", new, library)

    asked = {"filter": {"resource_type": "location"}}
    observer = daemon.connect()
    observer.send(subscribe("ResourceChanged", **asked))
    observer.read()
    state(observer)
    renaming = threading.Thread(target=rename)
    renaming.start()
    try:
        observer.read()
        wires = [daemon.connect() for _ in range(20)]
        known = []
        for wire in wires:
            wire.send(subscribe("ResourceChanged", **asked))
            assert wire.read()["Subscribed"]["gone"] is None
            known.append(state(wire))
    finally:
        ended.set()
        renaming.join()
    all_there_was = rest(observer)
    for wire, lines in zip(wires, known, strict=True):
        lines += rest(wire)
        told = [line for line in lines if line.get("initial")]
        assert len(told) == len(ids), "the state comes once"
        number = told[0]["sequence"]
        later = [line["sequence"] for line in lines if not line.get("initial")]
        assert later == [one["sequence"] for one in all_there_was if one["sequence"] > number]
        before = resources([one for one in all_there_was if one["sequence"] <= number], "location")
        names = {one: resource["name"] for one, resource in resources(told, "location").items()}
        for one, resource in before.items():
            assert int(names[one]) >= int(resource["name"]), "older than it says"


def rest(wire: Wire) -> list[dict[str, Any]]:
    """The events that a subscription still gets."""
    wire.send({"Unsubscribe": None, "id": "w"})
    lines = []
    while "Event" in (line := wire.read()):
        lines.append(line)
    return lines
