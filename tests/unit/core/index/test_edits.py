"""Laws: whatever is done to a tree, a rescan makes the index equal to it, and what moved stays."""

from __future__ import annotations

import os
import shutil
import tempfile

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, rule
from truth import NO_RULES, Library, age, differences, find

NAMES = st.sampled_from(
    [
        b"a",
        b"b",
        b"c.txt",
        b"D",
        b"d",
        "\u00e9".encode(),
        "e\u0301".encode(),
        b"\xff\xfe",
        b"long " * 20,
    ]
)


class Edits(RuleBasedStateMachine):
    """Edits a tree at random and rescans it now and then."""

    places = Bundle("places")

    @initialize()
    def begin(self):
        self.base = tempfile.mkdtemp(prefix="edits")
        self.root = os.fsencode(self.base) + b"/tree"
        os.mkdir(self.root)
        os.mkdir(self.base + "/library")
        self.library = Library(self.base + "/library")
        self.location = self.library.add(self.root)
        self.clock = 1_000_000_000
        self.ids = {}  # path -> (id, was it moved, was it changed), of what the index knows
        self.rescan(full=False, mode="Content")

    def teardown(self):
        if hasattr(self, "base"):
            shutil.rmtree(self.base)

    def folders(self):
        return sorted(folder for folder, _, _ in os.walk(self.root))

    def things(self):
        return sorted(path for path in find(self.root) if path != self.root)

    def touch_folder(self, path):
        """Give a folder an mtime of its own, as if time went by between the edits."""
        self.clock += 1
        self.mark_changed(path)
        if os.path.isdir(path) and not os.path.islink(path):
            os.utime(path, (self.clock, self.clock))

    def forget(self, path):
        for known in list(self.ids):
            if known == path or known.startswith(path + b"/"):
                del self.ids[known]

    @rule(data=st.data(), name=NAMES, kind=st.sampled_from("fffdddlp"), size=st.integers(0, 9))
    def create(self, data, name, kind, size):
        folder = data.draw(st.sampled_from(self.folders()))
        path = folder + b"/" + name
        if os.path.lexists(path):
            return
        if kind == "f":
            with open(path, "wb") as file:
                file.write(b"x" * size)
            self.clock += 1
            os.utime(path, (self.clock, self.clock))
        elif kind == "d":
            os.mkdir(path)
        elif kind == "l":
            os.symlink(b"somewhere", path)
        else:
            os.mkfifo(path)
        self.touch_folder(folder)

    @rule(data=st.data(), size=st.integers(0, 99))
    def modify(self, data, size):
        files = [
            path for path in self.things() if os.path.isfile(path) and not os.path.islink(path)
        ]
        if files:
            path = data.draw(st.sampled_from(files))
            with open(path, "wb") as file:
                file.write(b"y" * size)
            self.edited = True
            self.mark_changed(path)

    def mark_changed(self, path):
        if path in self.ids:
            number, moved, _ = self.ids[path]
            self.ids[path] = (number, moved, True)

    @rule(data=st.data())
    def delete(self, data):
        things = self.things()
        if things:
            path = data.draw(st.sampled_from(things))
            folder = os.path.dirname(path)
            if os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path)
            else:
                os.unlink(path)
            self.forget(path)
            self.gone.add(path)
            self.touch_folder(folder)

    @rule(data=st.data(), name=NAMES)
    def move(self, data, name):
        things = self.things()
        if not things:
            return
        path = data.draw(st.sampled_from(things))
        target = data.draw(st.sampled_from(self.folders())) + b"/" + name
        if os.path.lexists(target) or (target + b"/").startswith(path + b"/"):
            return
        os.rename(path, target)
        for known, (number, moved, changed) in list(self.ids.items()):
            if known == path or known.startswith(path + b"/"):
                del self.ids[known]
                top = known == path
                self.ids[target + known[len(path) :]] = (number, moved or top, changed)
        self.gone.add(path)
        self.touch_folder(os.path.dirname(path))
        self.touch_folder(os.path.dirname(target))

    @rule(full=st.booleans(), mode=st.sampled_from(["Shallow", "Content"]))
    def rescan(self, full, mode):
        edited = getattr(self, "edited", False)
        self.library.index(self.location, full=full or edited, mode=mode, rules=NO_RULES)
        disk = find(self.root)
        assert differences(self.library.entries(self.root), disk) == []
        self.library.check()
        ids = self.library.ids()
        for path, (number, moved, changed) in self.ids.items():
            # What is both moved and changed between two scans may not be known again.
            if not (moved and changed) and self.is_unambiguous(path, disk):
                assert ids[path] == number, path
        files = sum(1 for row in disk.values() if row[0] != 1)
        size = sum(row[1] for row in disk.values() if row[0] == 0)
        assert self.library.totals(self.location) == (files, len(disk) - files - 1, size)
        self.ids = {
            path: (number, False, False) for path, number in ids.items() if path != self.root
        }
        self.gone = set()
        self.edited = False

    def is_unambiguous(self, path, disk):
        """Say whether the thing at `path` must have kept its id.

        Where a name was left by one thing and taken by another between two scans, the name decides
        and not the thing; the same goes for everything in such a folder.
        """
        while path != self.root:
            if path in self.gone or self.ids.get(path) is None:
                return False
            path = os.path.dirname(path)
        return not any(known in disk for known in self.gone)


Edits.TestCase.settings = settings(
    max_examples=25,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestEdits = Edits.TestCase


def test_names_follow_what_happens(library, tree):
    (tree / "Résumé.PDF").touch()
    (tree / "sub").mkdir()
    (tree / "sub" / "quarterly report.txt").touch()
    age(tree)
    here = library.add(tree)
    library.index(here)

    def search(text):
        parts = " AND ".join(f'"{text[at : at + 3]}"' for at in range(len(text) - 2))
        rows = library.query(
            "SELECT e.name FROM names JOIN entries e ON e.id = names.rowid WHERE names MATCH ?",
            parts,
        )
        return sorted(row[0] for row in rows)

    assert search("resume.pdf") == ["Résumé.PDF"]
    assert search("report") == ["quarterly report.txt"]
    (tree / "sub" / "quarterly report.txt").rename(tree / "yearly review.txt")
    (tree / "Résumé.PDF").unlink()
    library.index(here)
    assert search("report") == []
    assert search("resume") == []
    assert search("review") == ["yearly review.txt"]
    library.check()
