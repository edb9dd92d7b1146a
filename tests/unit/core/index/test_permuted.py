"""Folders that change places, names and inode numbers: the index is what `find` says."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from truth import NO_RULES, Context, Library, age, differences, find

from sd_daemon.core.db.connection import transaction
from sd_daemon.core.jobs.context import JobInterrupted


class Killed(BaseException):
    """Stands for kill -9 right after a transaction."""


def same(library, tree):
    assert differences(library.entries(tree), find(tree)) == []
    library.check()


def fill(folder, depth=2):
    """Make a folder whose children are called as those of every other one."""
    folder.mkdir()
    (folder / "file").write_text(folder.name)
    if depth:
        for name in ("a", "b"):
            fill(folder / name, depth - 1)


def rearrange(tree, places):
    """Move the folder at each key of `places` to its value, all at the same time."""
    aside = tree.parent / "aside"
    aside.mkdir()
    for number, old in enumerate(places):
        (tree / old).rename(aside / str(number))
    for number, new in enumerate(places.values()):
        (aside / str(number)).rename(tree / new)
    aside.rmdir()


def run_to_end(library, here, *, steps, **params):
    """Run the job; with `steps`, interrupted at every second safe point and begun again."""
    for _ in range(1000):
        with contextlib.suppress(JobInterrupted):
            context = Context(library.dir, "one", 2 if steps else None)
            return library.index(here, context=context, rules=NO_RULES, mode="Content", **params)
    raise AssertionError("it never ends")


SLOTS = ["p/a", "p/c", "q/a", "q/new"]


@pytest.fixture
def grown(library, tree):
    """A tree with folders at some of the slots, and its location, indexed."""
    for name in ("p", "q"):
        (tree / name).mkdir()
    for slot in SLOTS[:3]:
        fill(tree / slot)
    age(tree)
    here = library.add(tree)
    library.index(here, mode="Content", rules=NO_RULES)
    return here


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("steps", [False, True])
def test_every_way_to_change_places(library, tree, grown, monkeypatch, steps, full):
    if steps:
        monkeypatch.setattr("sd_daemon.core.index.scan._SAVE_EVERY_S", -1)
    taken = SLOTS[:3]
    for slots in itertools.permutations(SLOTS, 3):
        before = library.ids()
        rearrange(tree, dict(zip(taken, slots, strict=True)))
        run_to_end(library, grown, steps=steps, full=full)
        same(library, tree)
        after = library.ids()
        for slot in set(slots) & set(taken):  # the name decides
            path = os.fsencode(tree / slot)
            assert after[path] == before[path]
        taken = list(slots)


@pytest.mark.parametrize("at_once", [True, False])
def test_a_moved_folder_whose_name_is_taken(library, tree, grown, monkeypatch, at_once):
    if not at_once:
        monkeypatch.setattr("sd_daemon.core.index.scan._SAVE_EVERY_S", -1)
    (tree / "p/a").rename(tree / "q/new")
    fill(tree / "p/a", 0)
    run_to_end(library, grown, steps=False)
    same(library, tree)


def test_moved_onto_the_name_of_a_file(library, tree, grown):
    before = library.ids()
    (tree / "q/a/file").unlink()
    (tree / "p/a").rename(tree / "q/a/file")
    run_to_end(library, grown, steps=False)
    same(library, tree)
    assert library.ids()[os.fsencode(tree / "q/a/file")] == before[os.fsencode(tree / "p/a")]


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("place", ["z", "z/y/x/w/v/u"])  # read before and after what was in it
def test_moved_and_a_link_to_another_left_behind(library, tree, monkeypatch, place, at_once, full):
    """As `current -> v2` where `current` was a folder: what is below is seen in two places."""
    if not at_once:
        monkeypatch.setattr("sd_daemon.core.index.scan._SAVE_EVERY_S", -1)
    fill(tree / "current")
    fill(tree / "v2")
    (tree / place).mkdir(parents=True)
    age(tree)
    here = library.add(tree)
    library.index(here)
    before = library.ids()
    old = tree / place / "v1"
    (tree / "current").rename(old)
    (tree / "current").symlink_to("v2")
    (old / "a/b").rename(tree / "v2/a/moved")
    (tree / "v2/a/b/file").write_text("another length")
    run_to_end(library, here, steps=False, full=full)
    same(library, tree)
    after = library.ids()
    for was, now in {"current": old, "current/a": old / "a", "v2/a": tree / "v2/a"}.items():
        assert after[os.fsencode(now)] == before[os.fsencode(tree / was)]
    moved = before[os.fsencode(tree / "current/a/b")]
    assert after[os.fsencode(tree / "v2/a/moved")] == moved


def test_a_new_link_with_the_inode_of_a_deleted_one(library, tree, grown):
    (tree / "p/link").symlink_to("somewhere")
    run_to_end(library, grown, steps=False)
    (tree / "p/link").unlink()
    (tree / "q/other").symlink_to("somewhere else")
    run_to_end(library, grown, steps=False)
    same(library, tree)


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


def change_places(tree):
    rearrange(tree, {"p/a": "q/fresh", "p/c": "p/a", "q/a": "q/new"})
    (tree / "q/new/a").rename(tree / "p/a/fresh")


def leave_a_link_behind(tree):
    (tree / "new").mkdir()
    (tree / "p/a").rename(tree / "new/a")
    (tree / "p/a").symlink_to("c")


@pytest.mark.parametrize("change", [change_places, leave_a_link_behind])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("transactions", range(1, 24))
def test_killed_after_any_transaction(
    library, tree, grown, monkeypatch, change, transactions, full
):
    monkeypatch.setattr("sd_daemon.core.index.scan._SAVE_EVERY_S", -1)
    change(tree)
    stand_in = killing(transactions)
    with contextlib.suppress(Killed), monkeypatch.context() as patch:
        for module in ("moves", "store", "settle"):
            patch.setattr(f"sd_daemon.core.index.{module}.transaction", stand_in)
        run_to_end(library, grown, steps=False, full=full)
    run_to_end(library, grown, steps=False, full=full)
    same(library, tree)


NAMES = st.sampled_from(["a", "b", "c"])


class Permutations(RuleBasedStateMachine):
    """Lets folders with few names change places, go and come again, between scans."""

    @initialize()
    def begin(self):
        self.home = Path(tempfile.mkdtemp(prefix="permuted"))
        self.tree = self.home / "tree"
        (self.home / "library").mkdir()
        fill(self.tree, 3)
        age(self.tree)
        self.library = Library(self.home / "library")
        self.here = self.library.add(self.tree)
        run_to_end(self.library, self.here, steps=False)

    def teardown(self):
        if hasattr(self, "home"):
            shutil.rmtree(self.home)

    def draw_folder(self, data):
        below = [path for path in sorted(self.tree.rglob("*")) if path.is_dir()]
        real = [path for path in below if not path.is_symlink()]
        return data.draw(st.sampled_from(real or [None]))

    @rule(data=st.data(), count=st.integers(2, 4))
    def rotate(self, data, count):
        places = {self.draw_folder(data) for _ in range(count)} - {None}
        apart = [one for one in sorted(places) if not set(one.parents) & places]
        rearrange(self.tree, dict(zip(apart, apart[1:] + apart[:1], strict=True)))

    @rule(data=st.data(), name=NAMES)
    def move(self, data, name):
        folder, into = self.draw_folder(data), self.draw_folder(data)
        if folder is None or into == folder or folder in into.parents:
            return
        if not os.path.lexists(into / name):
            folder.rename(into / name)

    @rule(data=st.data(), again=st.integers(-1, 2))
    def remove(self, data, again):
        folder = self.draw_folder(data)
        if folder is not None:
            shutil.rmtree(folder)
            if again >= 0:
                fill(folder, again)

    @rule(data=st.data())
    def leave_a_link(self, data):
        folder, target = self.draw_folder(data), self.draw_folder(data)
        if folder is not None and not (self.tree / "link").exists():
            folder.rename(self.tree / "link")
            folder.symlink_to(target)

    @rule(data=st.data(), name=NAMES)
    def make(self, data, name):
        into = self.draw_folder(data) or self.tree
        if not os.path.lexists(into / name):
            fill(into / name, 1)

    @rule(data=st.data())
    def put_a_file_there(self, data):
        folder = self.draw_folder(data)
        if folder is not None:
            shutil.rmtree(folder)
            folder.write_text("a file")

    @rule()
    def let_time_go_by(self):
        age(self.tree)

    @rule(full=st.booleans(), steps=st.booleans(), often=st.booleans())
    def rescan(self, full, steps, often):
        with pytest.MonkeyPatch.context() as patch:
            if often:
                patch.setattr("sd_daemon.core.index.scan._SAVE_EVERY_S", -1)
            run_to_end(self.library, self.here, steps=steps, full=full)
        same(self.library, self.tree)
        disk = find(self.tree)
        files = sum(1 for row in disk.values() if row[0] != 1)
        size = sum(row[1] for row in disk.values() if row[0] == 0)
        assert self.library.totals(self.here) == (files, len(disk) - files - 1, size)


Permutations.TestCase.settings = settings(
    max_examples=25,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestPermutations = Permutations.TestCase
