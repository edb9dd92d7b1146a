"""What is announced of a pass: all that is committed, nothing else, and not too much."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys

import msgspec
import pytest
from follower import Followed, path_of
from truth import NO_RULES, Context, age

from sd_daemon.core.db.connection import transaction
from sd_daemon.core.files.announce import MOST_BYTES
from sd_daemon.core.index.announcements import MOST
from sd_daemon.core.index.passes import abandon
from sd_daemon.core.jobs.context import JobInterrupted
from sd_wire.events import (
    EntryModified,
    EntryMoved,
    FilesModified,
    ResourceChangedBatch,
    ResourceDeleted,
)

NOT_UTF8 = os.fsdecode(b"not \xff utf-8")


@pytest.fixture
def followed(tmp_path):
    followed = Followed(tmp_path)
    yield followed
    followed.close()


def filled(tree, *names):
    for name in names:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(name.replace(NOT_UTF8, "?"))
    return tree


def changes(followed):
    """What happened to which entry, without what it did to the folders around."""
    return [one for one in followed.said() if one[0] != "resource"]


@pytest.fixture
def here(followed, tree):
    filled(tree, "a/one", "a/two", "a/deep/three", "b/four")
    age(tree)
    here = followed.engine.add(tree)
    followed.index(here)
    assert followed.known == followed.truth()
    followed.heard()
    return here


def test_a_small_first_pass_is_announced_entry_by_entry(followed, tree):
    filled(tree, "a/one", NOT_UTF8)
    followed.index(followed.engine.add(tree))
    ids = [followed.id(tree / name) for name in ("a", NOT_UTF8, "a/one")]
    said = followed.said()
    assert sorted(said) == sorted(
        [(kind, one) for one in ids for kind in ("EntryCreated", "resource")]
    )
    assert said[3:] == [("resource", one) for _, one in said[:3]]


def test_a_change_that_only_its_identification_meets_is_announced(followed, tree):
    """The folder looks as it did, so nobody looks at the file but who reads its content."""
    filled(tree, "a/one", "a/two")
    age(tree)
    here = followed.engine.add(tree)
    followed.index(here, mode="Shallow")
    followed.heard()
    (tree / "a/one").write_text("longer than before")
    followed.index(here, mode="Content")
    assert ("EntryModified", followed.id(tree / "a/one")) in changes(followed)
    assert ("EntryModified", followed.id(tree / "a/two")) not in changes(followed)


def test_a_pass_that_finds_nothing_different_says_nothing(followed, here):
    for full in (False, True):
        followed.index(here, full=full)
        assert followed.heard() == []


def test_a_new_file_and_its_folder(followed, tree, here):
    filled(tree, "b/new")
    followed.index(here)
    assert sorted(changes(followed)) == sorted(
        [("EntryCreated", followed.id(tree / "b/new")), ("EntryModified", followed.id(tree / "b"))]
    )


def test_a_changed_file_is_announced_once(followed, tree, here):
    (tree / "a/one").write_text("more than it was")
    followed.index(here, full=True)
    one = followed.id(tree / "a/one")
    entry, files, batch = followed.heard()
    assert entry == EntryModified(entry.library_id, one)
    assert files == FilesModified(entry.library_id, [str(tree / "a/one")])
    assert [file.id for file in batch.resources] == [one]


def test_what_is_identified_is_a_resource_again(followed, tree, here):
    followed.index(here, mode="Content")
    files = [followed.id(tree / name) for name in ("a/one", "a/two", "a/deep/three", "b/four")]
    (batch,) = followed.heard()
    assert sorted(file.id for file in batch.resources) == sorted(files)
    assert all(file.content_identity is not None for file in batch.resources)


def test_a_moved_file_keeps_its_id_and_names_both_places(followed, tree, here):
    one = followed.id(tree / "a/one")
    (tree / "a/one").rename(tree / "b" / NOT_UTF8)
    followed.index(here)
    events = followed.heard()
    (moved,) = [event for event in events if isinstance(event, EntryMoved)]
    assert (moved.entry_id, moved.old_path) == (one, f"{tree}/a/one")
    assert moved.new_path == f"{tree}/b/not \ufffd utf-8"
    (batch,) = [event for event in events if isinstance(event, ResourceChangedBatch)]
    assert one in [file.id for file in batch.resources]
    affected = {path_of(path) for path in batch.metadata.affected_paths}
    assert {os.fsencode(tree / place) for place in ("a", "b", "a/one", "b/" + NOT_UTF8)} <= affected
    assert batch.metadata.no_merge_fields == ["sd_path"]
    assert not [event for event in events if isinstance(event, ResourceDeleted)]


def test_of_a_moved_folder_what_is_inside_is_not_announced(followed, tree, here):
    deep = followed.id(tree / "a/deep")
    three = followed.id(tree / "a/deep/three")
    (tree / "a/deep").rename(tree / "b/deeper")
    followed.index(here)
    said = followed.said()
    assert ("EntryMoved", deep) in said
    assert ("EntryModified", deep) not in said
    assert three not in [what for _, what in said]
    assert followed.known == followed.truth()
    assert followed.known[three] == os.fsencode(tree / "b/deeper/three")


def test_a_deleted_folder_is_announced_with_all_that_was_in_it(followed, tree, here):
    gone = {followed.id(tree / name) for name in ("a/deep", "a/deep/three")}
    shutil.rmtree(tree / "a/deep")
    followed.index(here)
    deleted = [event for event in followed.heard() if isinstance(event, ResourceDeleted)]
    assert {event.resource_id for event in deleted} == gone
    affected = {path_of(path) for event in deleted for path in event.metadata.affected_paths}
    names = ("a", "a/deep", "a/deep/three")
    assert affected == {os.fsencode(tree / name) for name in names}


def test_a_file_whose_name_became_a_folder_and_that_lies_elsewhere(followed, tree, here):
    one = followed.id(tree / "a/one")
    (tree / "a/one").rename(tree / "b/one")
    (tree / "a/one").mkdir()
    followed.index(here)
    (moved,) = [event for event in followed.heard() if isinstance(event, EntryMoved)]
    assert (moved.entry_id, moved.old_path) == (one, f"{tree}/a/one")
    assert followed.known == followed.truth()


def test_up_to_a_limit_changes_are_announced_one_by_one(followed, tree):
    here = followed.engine.add(tree)
    filled(tree, *(str(number) for number in range(MOST)))
    followed.index(here)
    batches = [event for event in followed.heard() if isinstance(event, ResourceChangedBatch)]
    assert [len(batch.resources) for batch in batches] == [100] * (MOST // 100)


def test_beyond_it_there_is_only_a_refresh(followed, tree):
    here = followed.engine.add(tree)
    filled(tree, *(str(number) for number in range(MOST + 1)))
    followed.index(here, mode="Content")
    assert followed.said() == [("Refresh", None)]
    for number in range(MOST + 1):
        (tree / str(number)).unlink()
    followed.index(here)
    assert ("Refresh", None) in followed.said()
    assert followed.known == {}


def test_the_limit_holds_for_a_pass_with_all_its_interruptions(followed, tree, here, monkeypatch):
    monkeypatch.setattr("sd_daemon.core.index.identify._SAVE_EVERY_S", -1)
    filled(tree, *(str(number) for number in range(MOST // 2)))
    for _ in range(MOST * 2):
        context = Context(followed.open.path, "one", 2)
        with contextlib.suppress(JobInterrupted):
            followed.engine.index(here, context=context, mode="Content")
            break
        followed.tell()
    followed.job_has_stopped()
    announced = [kind for kind, _ in followed.said()]
    assert announced.count("EntryCreated") == MOST // 2
    assert MOST // 2 < announced.count("resource") <= MOST
    assert announced[-1] == "Refresh"


def test_an_event_is_no_longer_than_it_may_be(followed, tree, here):
    place = tree
    for _ in range(14):
        place /= "x" * 250
        place.mkdir()
    filled(place, *("y" * 200 + str(number) for number in range(90)))
    followed.index(here)
    batches = [event for event in followed.heard() if isinstance(event, ResourceChangedBatch)]
    sizes = [len(msgspec.json.encode(batch)) for batch in batches]
    assert len(sizes) > 1
    assert max(sizes) <= MOST_BYTES + 1000
    assert sum(sizes) > MOST_BYTES
    assert followed.known == followed.truth()


class Watching(Context):
    """Sees that there is more to announce each time, in the database for everybody."""

    waiting = 0

    def announce(self):
        super().announce()
        db = self.library.open()
        (waiting,) = db.execute("SELECT count(*) FROM announcements").fetchone()
        db.close()
        assert waiting > self.waiting
        self.waiting = waiting


def test_the_worker_speaks_after_the_commit(followed, tree, here):
    filled(tree, "new")
    (tree / "a/one").unlink()
    context = Watching(followed.open.path)
    context.library = followed.engine
    followed.engine.index(here, context=context)
    assert context.announced == 3  # found different, gone, new


def test_a_cancelled_pass_says_that_there_may_be_more(followed, tree, here):
    filled(tree, "c/new")
    context = Context(followed.open.path, "one", 2)
    with pytest.raises(JobInterrupted):
        followed.engine.index(here, context=context)
    db = followed.engine.open()
    abandon(db, "one")
    db.close()
    followed.job_has_stopped(whole=False)
    assert followed.said()[-1] == ("Refresh", None)
    followed.index(here)
    assert ("EntryCreated", followed.id(tree / "c/new")) in followed.said()


def interrupted(followed, here, monkeypatch):
    """The job "one", stopped as soon as something new is in the index; the entry of that."""
    newest = "SELECT max(id) FROM entries"
    before = followed.engine.query(newest)

    def stop(_):
        if followed.engine.query(newest) != before:
            raise JobInterrupted

    context = Context(followed.open.path, "one")
    context.at_safe_point = stop
    monkeypatch.setattr("sd_daemon.core.index.scan._SAVE_EVERY_S", -1)
    with pytest.raises(JobInterrupted):
        followed.engine.index(here, context=context)
    return followed.open.ids.to_uuid(followed.engine.query(newest)[0][0])


def test_what_comes_and_goes_before_a_pass_settles_is_no_news(followed, tree, here, monkeypatch):
    filled(tree, "a/new")
    new = interrupted(followed, here, monkeypatch)
    (tree / "a/new").unlink()
    followed.index(here, job="two", full=True)
    assert new not in [what for _, what in followed.said()]
    assert new not in followed.truth()


def test_a_new_file_that_turns_out_to_be_an_old_one(followed, tree, here, monkeypatch):
    """Another pass has announced it as new in between."""
    read_first, read_last = sorted((tree / "a", tree / "b"), key=lambda path: followed.id(path).int)
    old = next(path for path in read_last.iterdir() if path.is_file())
    known = followed.id(old)
    old.rename(read_first / "moved")
    new = interrupted(followed, here, monkeypatch)
    followed.index(here, job="two", path={"path": f"{tree}/a/deep"})
    assert ("EntryCreated", new) in followed.said()
    followed.index(here, job="one")
    assert followed.id(read_first / "moved") == known
    assert {("EntryDeleted", new), ("EntryMoved", known)} <= set(followed.said())
    assert followed.known == followed.truth()


# --- ends of the worker ---------------------------------------------------------------------------

CHILD = """
import os, signal, sys
sys.path[:0] = [{tests!r}, {project!r}]
from truth import NO_RULES, Context
from sd_daemon.core.index.job import run_index
class Dying(Context):
    def announce(self):
        os.kill(os.getpid(), signal.SIGKILL)
params = {{"location_id": {here!r}, "mode": "Content", "rules": NO_RULES, "full": True}}
run_index(params, Dying({library!r}, "the job"))
"""


def test_killed_between_a_commit_and_its_report(followed, tree, here):
    """Whenever it has something to say, again and again, until it has nothing more to say."""
    tests = os.path.dirname(__file__)
    project = os.path.abspath(tests + "/../../../..")
    code = CHILD.format(tests=tests, project=project, here=here, library=followed.open.path)
    one = followed.id(tree / "a/one")
    filled(tree, "new", "a/two")
    (tree / "a/one").rename(tree / "b/one")
    (tree / "b/four").unlink()
    kills = 0
    while subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL:
        kills += 1
        followed.job_has_stopped(whole=False)
    assert kills >= 4  # different; moved; gone; new; identified
    followed.job_has_stopped()
    assert followed.known == followed.truth()
    said = changes(followed)
    assert said.count(("EntryMoved", one)) == 1
    assert said.count(("EntryCreated", followed.id(tree / "new"))) == 1
    assert followed.engine.query("SELECT count(*) FROM announcements") == [(0,)]


class Killed(BaseException):
    """Stands for kill -9 right after a transaction."""


def killing(transactions):
    """Return a stand-in for `transaction` that raises Killed after so many of them."""
    left = [transactions]

    @contextlib.contextmanager
    def until_killed(db):
        with transaction(db) as value:
            yield value
        left[0] -= 1
        if left[0] <= 0:
            raise Killed

    return until_killed


MODULES = ("moves", "store", "settle", "announcements", "identify", "passes")


def disturb(tree, chance):
    """Do a few things to a tree that people do."""
    for _ in range(chance.randrange(1, 6)):
        if len(list(tree.rglob("*"))) < 5:
            filled(tree / f"more {chance.random()}", "a/one", "a/two", "a/deep/three", "b/four")
        paths = sorted(tree.rglob("*"))
        folders = [tree, *(path for path in paths if path.is_dir())]
        path, into = chance.choice(paths), chance.choice(folders)
        what = chance.random()
        if what < 0.5 and not into.is_relative_to(path):
            target = into / chance.choice(["one", "two", "deep", path.name])
            if not target.exists():
                path.rename(target)
        elif what < 0.65:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        elif what < 0.8 and not path.is_dir():
            path.write_text(str(chance.random()))
        else:
            filled(into, f"new {chance.random()}", f"folder {chance.random()}/in it")


@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    ("seed", "passes"),
    [*((seed, 8) for seed in range(6)), pytest.param(99, 400, marks=pytest.mark.soak, id="long")],
)
def test_who_follows_knows_the_index_whatever_happens(
    followed, tree, here, monkeypatch, seed, passes
):
    """Kills after any transaction, interruptions, passes that are never continued, passes over a
    part: who applies the events has the paths and ids of the index at the end of every pass."""
    monkeypatch.setattr("sd_daemon.core.index.scan._SAVE_EVERY_S", -1)
    chance = random.Random(seed)
    for number in range(passes):
        disturb(tree, chance)
        if chance.random() < 0.5:
            age(tree)
        params = {"full": chance.random() < 0.5, "rules": NO_RULES, "mode": "Content"}
        name = f"job {number}"
        for _ in range(chance.randrange(4)):
            whole = chance.choice([tree, *(path for path in tree.iterdir() if path.is_dir())])
            stop_at = chance.choice([None, chance.randrange(1, 9)])
            context = Context(followed.open.path, chance.choice([name, f"{name} b"]), stop_at)
            stand_in = killing(chance.randrange(1, 25))
            with (
                contextlib.suppress(Killed, JobInterrupted),
                monkeypatch.context() as patch,
            ):
                for module in MODULES:
                    patch.setattr(f"sd_daemon.core.index.{module}.transaction", stand_in)
                part = {"path": {"path": os.fspath(whole)}} if context.job_id != name else {}
                followed.engine.index(here, context=context, **params, **part)
            if chance.random() < 0.5:
                followed.tell()
        for job in (name, f"{name} b"):
            followed.index(here, job=job, **params)
        assert followed.known == followed.truth(), f"seed {seed}, pass {number}"
    kinds = {kind for kind, _ in followed.said()}
    assert {"EntryCreated", "EntryModified", "EntryMoved", "EntryDeleted"} <= kinds
