"""Jobs: seen, paused, resumed, cancelled, and alive through every end of the daemon."""

from __future__ import annotations

import os
import select
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from person import ENDS, Events, Person, assert_sound, in_index, on_disk, plant, stored_jobs

if TYPE_CHECKING:
    from running import Daemon

FOLDERS, FILES = 160, 50


@pytest.fixture
def person(daemon: Daemon) -> Person:
    person = Person(daemon)
    person.create("Home")
    return person


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Enough that a job is still at it when a person acts."""
    return plant(tmp_path_factory.mktemp("disk") / "tree", FOLDERS, FILES)


def workers(daemon: Daemon) -> list[int]:
    """The processes that work for a daemon."""
    assert daemon.process is not None
    path = f"/proc/{daemon.process.pid}/task/{daemon.process.pid}/children"
    return [int(pid) for pid in Path(path).read_text().split()]


def begun(person: Person, tree: Path) -> tuple[str, str, Events]:
    """A location whose job has come some way."""
    events = person.listen()
    location, job = person.add(tree)
    events.until("JobProgress", job_id=job)
    return location, job, events


def test_a_job_is_listed_from_its_beginning_to_its_end(person: Person, tree: Path) -> None:
    _, job, events = begun(person, tree)
    active = person.ask("jobs.active")
    assert [one["id"] for one in active["jobs"]] == [job]
    assert active["jobs"][0]["action_type"] == "locations.add"
    assert active["jobs"][0]["action_context"]["action_input"]["path"] == str(tree)
    events.until("JobCompleted", job_id=job)
    done = person.ended(job)
    assert done["status"] == "completed"
    assert done["progress"] == 1.0
    assert done["attempts"] == 1
    assert done["output"]["type"] == "Indexed"
    assert person.ask("jobs.active")["jobs"] == []
    (listed,) = person.ask("jobs.list", {"status": "completed"})["jobs"]
    assert listed["id"] == job
    assert person.ask("jobs.list", {"status": "failed"})["jobs"] == []
    assert person.ask("core.status")["jobs"] == {"queued": 0, "running": 0, "paused": 0}


def test_its_events_come_in_order_with_library_device_and_cause(person: Person, tree: Path) -> None:
    (library,) = person.libraries().values()
    (device,) = person.ask("devices.list")
    events = person.listen()
    add = {"method": "action:locations.add.input", "payload": {"path": str(tree)}}
    with person.daemon.connect() as wire:
        job = wire.ask({"Action": add, "id": "cause"})["JsonOk"]["job_id"]
    events.until("JobCompleted", job_id=job)
    lines = [line for line in events.lines if next(iter(line["Event"])).startswith("Job")]
    names = [next(iter(line["Event"])) for line in lines]
    assert names[:2] == ["JobQueued", "JobStarted"]
    assert names[-1] == "JobCompleted"
    assert set(names[2:-1]) == {"JobProgress"}
    for line in lines:
        (body,) = line["Event"].values()
        assert body["job_id"] == job
        assert body["library_id"] == line["library_id"] == library["id"]
        assert body["device_id"] == device["id"]
        assert line["correlation_id"] == "cause"
    sequence = [line["sequence"] for line in events.lines]
    assert sequence == sorted(set(sequence))
    progress = [body["progress"] for name, body in events.seen if name == "JobProgress"]
    assert progress == sorted(progress)


def test_every_change_of_a_job_in_one_form_for_who_asks(person: Person, tree: Path) -> None:
    updates = person.listen("JobUpdate")
    usual = person.listen()
    _, job = person.add(tree)
    updates.until("JobUpdate", status="completed")
    seen = [body["status"] for _, body in updates.seen]
    assert seen[0] == "queued"
    assert [one for n, one in enumerate(seen) if one not in seen[:n]] == [
        *("queued", "running", "completed")
    ]
    usual.until("JobCompleted", job_id=job)
    assert "JobUpdate" not in usual.names()


def test_a_job_gets_another_share_of_the_machine_while_it_runs(person: Person, tree: Path) -> None:
    _, job, _ = begun(person, tree)
    assert person.job(job)["limits"] == {}
    change = {"job_id": job, "priority": "high", "disk": "idle", "bandwidth": 1_000_000}
    assert person.ask("jobs.limit!", change) == {"job_id": job, "success": True}
    expected = {"priority": "high", "disk": "idle", "bandwidth": 1_000_000}
    assert person.job(job)["limits"] == expected
    person.ask("jobs.limit!", {"job_id": job, "bandwidth": 0})
    del expected["bandwidth"]
    assert person.job(job)["limits"] == expected
    assert person.ended(job)["status"] == "completed"
    refused = person.refused("jobs.limit!", {"job_id": job, "disk": "best_effort"})
    assert refused.text == f"job {job} is completed and cannot be limited"


def test_a_job_pauses_resumes_and_ends_right(person: Person, tree: Path) -> None:
    location, job, events = begun(person, tree)
    assert person.ask("jobs.pause!", {"job_id": job}) == {"job_id": job, "success": True}
    events.until("JobPaused", job_id=job)
    assert person.job(job)["status"] == "paused"
    assert person.locations()[location]["scan_state"] == "Paused"
    assert person.ask("jobs.active")["paused_count"] == 1
    assert person.ask("core.status")["jobs"]["paused"] == 1
    assert workers(person.daemon) == []
    refused = person.refused("jobs.pause!", {"job_id": job})
    assert refused.code == "job-state-conflict"
    assert refused.text == f"job {job} is paused and cannot be paused"
    person.ask("jobs.resume!", {"job_id": job})
    events.until("JobResumed", job_id=job)
    events.until("JobStarted", job_id=job)
    assert person.ended(job)["status"] == "completed"
    assert in_index(person.folder(), tree) == on_disk(tree)


def test_a_cancelled_job_is_over_and_a_new_one_begins_where_it_stood(
    person: Person, tree: Path
) -> None:
    location, job, events = begun(person, tree)
    person.ask("jobs.cancel!", {"job_id": job})
    events.until("JobCancelled", job_id=job)
    for action in ("jobs.resume!", "jobs.pause!", "jobs.cancel!"):
        refused = person.refused(action, {"job_id": job})
        assert refused.code == "job-state-conflict"
        assert "is cancelled and cannot be" in refused.text
    again = person.ask("locations.rescan!", {"location_id": location})["job_id"]
    assert person.ended(again)["status"] == "completed"
    assert in_index(person.folder(), tree) == on_disk(tree)
    person.stop()
    assert_sound(person.folder())


def test_a_job_that_there_is_not(person: Person) -> None:
    nobody = str(uuid4())
    assert person.ask("jobs.info", {"job_id": nobody}) is None
    for action in ("jobs.resume!", "jobs.pause!", "jobs.cancel!"):
        refused = person.refused(action, {"job_id": nobody})
        assert refused.code == "job-not-found"
        assert refused.text == f"there is no job {nobody}"


def test_the_id_of_a_job_is_enough_among_several_libraries(person: Person, tree: Path) -> None:
    (home,) = person.libraries().values()
    person.create("Other")
    _, job = person.add(tree, home["id"])
    person.ask("jobs.pause!", {"job_id": job})
    assert person.job(job)["status"] == "paused"
    person.ask("jobs.cancel!", {"job_id": job})


# --- ends ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["restart", "kill -9"])
def test_what_a_person_paused_stays_paused(person: Person, tree: Path, how: str) -> None:
    _, job, _ = begun(person, tree)
    person.ask("jobs.pause!", {"job_id": job})
    for _ in range(2):
        if how == "restart":
            person.stop()
        else:
            person.strike()
        person.daemon.start()
        assert person.job(job)["status"] == "paused"
        assert workers(person.daemon) == []
    person.ask("jobs.resume!", {"job_id": job})
    assert person.ended(job)["status"] == "completed"
    assert in_index(person.folder(), tree) == on_disk(tree)


def test_the_end_of_the_daemon_is_quick_and_its_job_goes_on(person: Person, tree: Path) -> None:
    _, job, _ = begun(person, tree)
    assert person.stop() < 2
    for file in ("library.db", "jobs.db"):
        log = Path(f"{person.folder()}/{file}-wal")
        assert not log.exists() or log.stat().st_size == 0
    assert stored_jobs(person.folder())[job] == "queued"
    person.daemon.start()
    assert person.ended(job)["status"] == "completed"
    assert person.job(job)["attempts"] >= 2
    assert in_index(person.folder(), tree) == on_disk(tree)
    person.stop()
    assert_sound(person.folder())


def test_a_service_manager_that_signals_every_process_costs_no_job(
    person: Person, tree: Path
) -> None:
    _, job, _ = begun(person, tree)
    for pid in workers(person.daemon):
        os.kill(pid, signal.SIGTERM)
    assert person.stop() < 2
    assert stored_jobs(person.folder())[job] == "queued"
    person.daemon.start()
    assert person.ended(job)["status"] == "completed"


def test_jobs_that_ran_and_waited_go_on_by_themselves_after_a_kill(
    person: Person, tree: Path, tmp_path: Path
) -> None:
    _, first, _ = begun(person, tree)
    other = plant(tmp_path / "other", 3, 3)
    _, second = person.add(other)
    _, third = person.add(plant(tmp_path / "third", 3, 3))
    person.ask("jobs.pause!", {"job_id": third})
    children = workers(person.daemon)
    person.strike()
    for pid in children:
        assert_gone(pid)
    person.daemon.start()
    for job in (first, second):
        assert person.ended(job)["status"] == "completed"
    assert person.job(third)["status"] == "paused"
    assert in_index(person.folder(), tree) == on_disk(tree)
    assert in_index(person.folder(), other) == on_disk(other)


def assert_gone(pid: int) -> None:
    """A worker ends with its daemon, at once."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        poll = select.poll()
        poll.register(handle, 1)
        assert poll.poll(5000), f"the worker {pid} outlived its daemon"
    finally:
        os.close(handle)


def test_a_worker_that_is_killed_fails_its_job_and_it_can_be_resumed(
    person: Person, tree: Path
) -> None:
    location, job, events = begun(person, tree)
    (pid,) = workers(person.daemon)
    os.kill(pid, signal.SIGKILL)
    failed = events.until("JobFailed", job_id=job)
    sentence = "its worker was ended by SIGKILL (by hand, or because memory ran out)"
    assert failed["error"] == sentence
    events.until("IndexingFailed", location_id=location)
    info = person.job(job)
    assert (info["status"], info["error_message"]) == ("failed", sentence)
    listed = person.locations()[location]
    assert (listed["scan_state"], listed["error_message"]) == ("Failed", sentence)
    person.restart()
    assert person.job(job)["status"] == "failed"  # it does not start again by itself
    person.ask("jobs.resume!", {"job_id": job})
    assert person.ended(job)["status"] == "completed"
    assert in_index(person.folder(), tree) == on_disk(tree)
    assert person.locations()[location]["error_message"] is None


def test_what_is_asked_while_a_job_runs_is_answered(person: Person, tree: Path) -> None:
    _, job, _ = begun(person, tree)
    with person.daemon.connect() as wire:
        for _ in range(50):
            query: dict[str, Any] = {"Query": {"method": "query:libraries.list", "payload": None}}
            assert "JsonOk" in wire.ask(query)
    assert person.ended(job)["status"] == "completed"


# --- index jobs of their own ---------------------------------------------------------------------


def test_a_folder_inside_a_location_is_indexed_again(person: Person, tmp_path: Path) -> None:
    tree = plant(tmp_path / "tree", 3, 3)
    person.index(tree)
    (tree / "0001" / "new").write_text("x")
    (tree / "0002" / "new").write_text("x")
    started = person.ask("indexing.start!", {"paths": [str(tree / "0001")]})
    assert started["job_name"] == "indexer"
    done = person.ended(started["id"])
    assert done["output"]["data"]["added"] == 1
    missing = set(on_disk(tree)) - set(in_index(person.folder(), tree))
    assert missing == {os.fsencode(tree / "0002" / "new")}
    refused = person.refused("indexing.start!", {"paths": [str(tree), "/nowhere"]})
    assert (refused.code, refused.pointer) == ("path-not-indexed", "/payload/paths/1")
    file = str(tree / "plain.txt")
    for method, given in {"start": {"paths": [file]}, "verify": {"path": file}}.items():
        refused = person.refused(f"indexing.{method}!", given)
        assert (refused.code, refused.text) == ("not-a-directory", f"{file} is not a folder")
    refused = person.refused("indexing.start!", {"paths": ["x"]})
    assert (refused.code, refused.pointer) == ("invalid-value", "/payload/paths/0")
    assert person.refused("indexing.start!", {"paths": []}).code == "invalid-value"
    assert [one for one in person.ask("jobs.list")["jobs"] if one["status"] in ENDS] == []
