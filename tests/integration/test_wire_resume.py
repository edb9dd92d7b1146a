"""Whoever was away is told what happened, or exactly what of it is gone."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import msgspec
import pytest
from publishing import PublishingDaemon

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from running import Daemon, Wire

SETTINGS = ["ConfigChanged"]


def subscribe(
    after: int | None = None, request_id: Any = "w", types: list[str] | None = None, **more: Any
) -> dict[str, Any]:
    asked = {"event_types": SETTINGS if types is None else types, "after": after, **more}
    return {"Subscribe": asked, "id": request_id}


def until_caught_up(wire: Wire) -> list[dict[str, Any]]:
    """The events of the history."""
    lines = []
    while "CaughtUp" not in (line := wire.read()):
        lines.append(line)
    numbers = [line["sequence"] for line in lines]
    assert numbers == sorted(set(numbers))
    return lines


def fields(lines: list[dict[str, Any]]) -> list[str]:
    return [line["Event"]["ConfigChanged"]["field"] for line in lines]


def change(daemon: Daemon, *languages: str) -> None:
    for language in languages:
        daemon.call("action:config.app.update.input", {"language": language})


@pytest.fixture
def publisher(tmp_path: Path) -> Iterator[PublishingDaemon]:
    one = PublishingDaemon(tmp_path / "data")
    yield one
    one.end()


def test_what_happened_meanwhile_comes_exactly_as_it_would_have_come(daemon: Daemon) -> None:
    with daemon.connect() as live, daemon.connect() as lives_on:
        said = live.ask(subscribe())["Subscribed"]
        lives_on.ask(subscribe())
        change(daemon, "a", "b", "c")
        first = live._file.readline()
        live.close()
        after = msgspec.json.decode(first)["sequence"]
        expected = [lives_on._file.readline() for _ in range(3)]
        assert first == expected[0]
        with daemon.connect() as again:
            resumed = again.ask(subscribe(after, stream=said["stream"]))["Subscribed"]
            assert resumed["gone"] is None
            assert resumed["stream"] == said["stream"]
            assert [again._file.readline() for _ in range(2)] == expected[1:]
            caught_up = again.read()
            assert caught_up["id"] == "w"
            assert (
                caught_up["CaughtUp"]["sequence"] >= msgspec.json.decode(expected[-1])["sequence"]
            )
            change(daemon, "d")
            assert again._file.readline() == lives_on._file.readline()


def test_a_filter_lets_the_same_pass_of_the_past_and_of_now(daemon: Daemon) -> None:
    asked = ["LibraryCreated", "LibraryOpened", "ConfigChanged", "Nonsense"]
    names = {}
    for name in ("First", "Second"):
        made = daemon.call("action:libraries.create.input", {"name": name, "path": None})
        names[name] = made["library_id"]
    change(daemon, "x")
    only = {"library_id": names["Second"]}
    with daemon.connect() as wire:
        wire.ask(subscribe(0, types=asked, filter=only))
        found = [next(iter(one["Event"])) for one in until_caught_up(wire)]
        assert found == ["LibraryCreated", "LibraryOpened"]
        wire.ask(subscribe(0, types=["LibraryOpened"], request_id=2))
        assert [one["library_id"] for one in until_caught_up(wire)] == list(names.values())


def test_nothing_is_lost_over_a_restart(daemon: Daemon, make_daemon: Callable[..., Daemon]) -> None:
    with daemon.connect() as wire:
        said = wire.ask(subscribe())["Subscribed"]
        change(daemon, "a")
        last = wire.read()["sequence"]
    change(daemon, "b")
    assert daemon.stop() == 0
    daemon = make_daemon().start()
    change(daemon, "c")
    with daemon.connect() as wire:
        asked = subscribe(last, types=[*SETTINGS, "CoreShutdown", "CoreStarted"])
        again = wire.ask(asked)["Subscribed"]
        assert again["gone"] is None
        assert again["stream"] == said["stream"]
        names = [
            one["Event"] if isinstance(one["Event"], str) else "ConfigChanged"
            for one in until_caught_up(wire)
        ]
        assert names == ["ConfigChanged", "CoreShutdown", "CoreStarted", "ConfigChanged"]


def test_nothing_is_lost_over_kill_9(daemon: Daemon, make_daemon: Callable[..., Daemon]) -> None:
    with daemon.connect() as wire:
        wire.ask(subscribe())
        change(daemon, "a", "b")
        before = [wire.read(), wire.read()]
        daemon.signal(signal.SIGKILL)
        daemon.wait()
    daemon = make_daemon().start()
    with daemon.connect() as wire:
        assert wire.ask(subscribe(before[0]["sequence"]))["Subscribed"]["gone"] is None
        assert until_caught_up(wire) == before[1:]
        change(daemon, "c")
        assert wire.read()["sequence"] > before[1]["sequence"]


def test_what_is_no_longer_kept_is_said_exactly(publisher: PublishingDaemon) -> None:
    publisher.launch(segment_bytes=10_000)
    publisher.publish(0, 2000)
    with publisher.connect() as wire:
        said = wire.ask(subscribe(1))["Subscribed"]
        lines = until_caught_up(wire)
        assert fields(lines) == [str(2000 - len(lines) + n) for n in range(len(lines))]
        assert 50 < len(lines) < 1000
        assert said["gone"] == {"first": 2, "last": lines[0]["sequence"] - 1}
        wire.send({"Unsubscribe": None, "id": "w"})
        wire.read()
        edge = wire.ask(subscribe(lines[0]["sequence"] - 1))["Subscribed"]
        assert edge["gone"] is None


def test_the_numbers_of_another_journal_mean_nothing(daemon: Daemon) -> None:
    change(daemon, "a")
    with daemon.connect() as wire:
        said = wire.ask(subscribe(0, 1, stream=str(uuid4())))["Subscribed"]
        assert said["gone"] == {"first": 1, "last": said["sequence"]}
        assert "CaughtUp" in wire.read()
        said = wire.ask(subscribe(10**9, 2))["Subscribed"]
        assert said["gone"] == {"first": 1, "last": said["sequence"]}
        assert wire.read()["CaughtUp"]["sequence"] == said["sequence"]
        change(daemon, "b")
        assert {wire.read()["id"], wire.read()["id"]} == {1, 2}


def test_a_lost_journal_is_another_stream(
    daemon: Daemon, make_daemon: Callable[..., Daemon]
) -> None:
    with daemon.connect() as wire:
        said = wire.ask(subscribe())["Subscribed"]
    daemon.stop()
    for segment in (daemon.data_dir / "events").glob("*.jsonl"):
        segment.unlink()
    daemon = make_daemon().start()
    with daemon.connect() as wire:
        again = wire.ask(subscribe(0, stream=said["stream"]))["Subscribed"]
    assert again["stream"] != said["stream"]
    assert again["gone"]


def test_without_an_id_there_is_no_way_to_say_what_is_gone(daemon: Daemon) -> None:
    with daemon.connect() as wire:
        wire.send({"Subscribe": {"event_types": [], "after": 0}})
        assert list(wire.read()) == ["Error"]


def test_a_slow_reader_of_history_costs_a_slice(publisher: PublishingDaemon) -> None:
    """It is not read ahead for it; and it gets everything as soon as it reads."""
    publisher.launch()
    publisher.publish(0, 20_000)
    before = publisher.memory()
    wires = [publisher.connect() for _ in range(5)]
    for wire in wires:
        wire.send(subscribe(0))
    publisher.publish(20_000, 100)
    assert publisher.memory() - before < 5 * 1024
    for wire in wires:
        assert wire.read()["Subscribed"]["gone"] is None
        lines = until_caught_up(wire)
        live = [wire.read() for _ in range(20_100 - len(lines))]
        assert fields(lines + live) == [str(number) for number in range(20_100)]


def test_history_in_messagepack_is_what_is_live_in_it(daemon: Daemon) -> None:
    types = ["LibraryCreated", "ResourceChanged"]
    daemon.call("action:libraries.create.input", {"name": "Home", "path": None})
    (library,) = daemon.call("query:libraries.list")

    def frame(wire: Wire) -> Any:
        size = int.from_bytes(wire._file.read(4), "big")
        return msgspec.msgpack.decode(wire._file.read(size))

    def speak(wire: Wire, after: int) -> None:
        wire.ask({"Hello": {"encoding": "messagepack"}, "id": 1})
        body = msgspec.msgpack.encode(subscribe(after, types=types))
        wire.send(len(body).to_bytes(4, "big") + body)
        assert "Subscribed" in frame(wire)

    with daemon.connect() as live, daemon.connect() as later:
        speak(live, 10**6)
        assert "CaughtUp" in frame(live)
        folder = daemon.data_dir / "pictures"
        folder.mkdir()
        payload = {"path": str(folder), "mode": "None"}
        daemon.call("action:locations.add.input", payload, library["id"])
        now = frame(live)
        speak(later, now["sequence"] - 1)
        assert frame(later) == now
        created = now["Event"]["ResourceChanged"]["resource"]["created_at"]
        assert created.tzinfo is not None, "a time is a time"


def test_warnings_say_what_can_never_come(daemon: Daemon) -> None:
    def warned(*types: str, **wanted: Any) -> list[str]:
        with daemon.connect() as wire:
            said = wire.ask(subscribe(types=list(types), filter=wanted or None))
            found: list[str] = said["Subscribed"]["warnings"]
            return found

    assert warned() == []
    assert warned("JobProgress", job_id=str(uuid4())) == []
    assert warned("Refresh", resource_type="file") == []
    assert "no event" in warned("Jobprogress")[0]
    assert "never sends" in warned("DeviceConnected", "JobQueued")[0]
    assert "job_id" in warned("LibraryOpened", job_id=str(uuid4()))[0]
    assert "no event has the resource_type" in warned("ResourceChanged", resource_type="dog")[0]
    device = daemon.call("query:core.status")["device_info"]
    scope = {"Physical": {"device_slug": device["slug"], "path": "/"}}
    assert "path" in warned("JobProgress", path_scope=scope)[0]
    assert warned("ResourceChanged", path_scope=scope, device_id=None) == []
    assert warned("JobStarted", device_id=device["id"], job_id=uuid4().hex) == []

    def of_the_path(kind: str = "Physical", **fields: Any) -> list[str]:
        return warned("ResourceChanged", path_scope={kind: fields})

    slug = device["slug"]
    assert of_the_path(device_slug=slug, path="/home/u/") == []
    assert of_the_path(device_slug=slug, path="x", path_bytes="L+k=") == []
    for odd in ("home", "", "/home/../u", "/home//u", "/./home"):
        (said,) = of_the_path(device_slug=slug, path=odd)
        assert f"no event has the path {odd!r}" in said
    assert "none of 'phone'" in of_the_path(device_slug="phone", path="/home")[0]
    assert "not Physical" in of_the_path("Content", content_id=str(uuid4()))[0]
    assert "no UUID" in warned("JobProgress", job_id="copy-7")[0]
    other = str(uuid4())
    assert f"none of {other}" in warned("JobProgress", device_id=other)[0]
    (said,) = warned("JobProgress", "ResourceChanged", job_id=other, resource_type="file")
    assert said == "none of these events has a job and a resource, so that nothing passes"


def test_a_job_is_found_by_any_spelling_of_its_id(daemon: Daemon, tmp_path: Path) -> None:
    daemon.call("action:libraries.create.input", {"name": "Home", "path": None})
    with daemon.connect() as all_of_them, daemon.connect() as one:
        all_of_them.ask(subscribe(types=["JobQueued"]))
        payload = {"path": str(tmp_path), "mode": "Shallow"}
        daemon.call("action:locations.add.input", payload)
        job = all_of_them.read()["Event"]["JobQueued"]["job_id"]
        for spelling in (job, job.upper(), job.replace("-", ""), f"urn:uuid:{job}"):
            asked = subscribe(types=["JobQueued"], filter={"job_id": spelling}, after=0)
            begun = one.ask(asked)
            assert begun["Subscribed"]["warnings"] == []
            assert one.read()["Event"]["JobQueued"]["job_id"] == job
            assert "CaughtUp" in one.read()
