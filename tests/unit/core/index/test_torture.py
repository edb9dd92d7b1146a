"""Trees that nobody should have, against `find`."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading

import pytest
from torture import NAMES, deepen, grow
from truth import NO_RULES, Library, age, differences, find


@pytest.mark.parametrize("mode", ["Shallow", "Content"])
def test_every_kind_of_name_and_thing(library, tree, mode):
    root = os.fsencode(tree)
    grow(root)
    here = library.add(tree)
    report = library.index(here, rules=NO_RULES, mode=mode)
    assert report["errors"] == 0
    assert differences(library.entries(tree), find(tree)) == []
    library.check()
    before = library.ids()
    report = library.index(here, full=True, rules=NO_RULES, mode=mode)
    assert report["added"] == report["changed"] == report["removed"] == 0
    for name in NAMES[:10]:
        os.rename(root + b"/" + name, root + b"/links/" + name)
    library.index(here, full=True, rules=NO_RULES, mode=mode)
    assert differences(library.entries(tree), find(tree)) == []
    library.check()
    after = library.ids()
    for name in NAMES[:10]:
        assert after[root + b"/links/" + name] == before[root + b"/" + name]


def test_the_root_itself_is_not_utf8(library, tmp_path):
    root = os.fsencode(tmp_path) + b"/\xff root"
    os.mkdir(root)
    grow(root)
    here = library.add(root)
    library.index(here, rules=NO_RULES)
    assert differences(library.entries(root), find(root)) == []
    os.rename(root + b"/links", root + b"/moved \xfe")
    library.index(here, rules=NO_RULES)
    assert differences(library.entries(root), find(root)) == []
    library.check()


@pytest.mark.parametrize(("name", "times"), [(b"n" * 200, 60), (b"d", 1000)])
def test_paths_longer_than_the_kernel_takes(library, tree, name, times):
    deepen(tree, name, times)
    here = library.add(tree)
    library.index(here, rules=NO_RULES, mode="Content")
    found = find(tree)
    assert max(map(len, found)) > min(4096 * 2, times * 2)
    assert differences(library.entries(tree), found) == []
    report = library.index(here, full=True, rules=NO_RULES)
    assert report["added"] == report["removed"] == report["errors"] == 0
    if name != b"d":
        fd = os.open(tree, os.O_RDONLY)
        os.rename(name, b"short", src_dir_fd=fd, dst_dir_fd=fd)
        os.close(fd)
        library.index(here, rules=NO_RULES)
        assert differences(library.entries(tree), find(tree)) == []
    library.check()


CHILD = """
import os, sys
sys.path[:0] = [{tests!r}, os.path.dirname({tests!r}), {project!r}]
from torture import NAMES, deepen, grow
from truth import Library, NO_RULES
import json
library = Library({library!r})
for path in os.listdir(library.dir):
    os.chown(library.dir + "/" + path, 65534, 65534)
os.setgroups([]); os.setgid(65534); os.setuid(65534)
here = library.add({tree!r}) if {add} else {here!r}
print(json.dumps([here, library.index(here, rules=NO_RULES, mode="Content", full=True)]))
"""


def as_nobody(library_dir, tree, here=""):
    """Index as a user who is not root; returns (location, report)."""
    tests = os.path.dirname(__file__)
    code = CHILD.format(
        tests=tests,
        project=os.path.abspath(tests + "/../../../.."),
        library=str(library_dir),
        tree=str(tree),
        add=not here,
        here=here,
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    if out.returncode:
        pytest.fail(out.stderr.decode())
    return __import__("json").loads(out.stdout)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody without permission")
def test_what_may_not_be_read_is_listed_and_never_deleted(tmp_path):
    tree = tmp_path / "tree"
    library_dir = tmp_path / "library"
    for folder in (library_dir, tree, tree / "closed", tree / "names only", tree / "open"):
        folder.mkdir()
    for folder in ("closed", "names only", "open"):
        (tree / folder / "inner").mkdir()
        (tree / folder / "file").write_text("secret")
    (tree / "open" / "unreadable").write_text("secret")
    (tree / "open" / "unreadable").chmod(0)
    os.chown(library_dir, 65534, 65534)
    above = tmp_path
    while above != above.parent:
        above.chmod(above.stat().st_mode | 0o055)
        above = above.parent
    here, report = as_nobody(library_dir, tree)
    assert [row["error"] for row in report["errors_listed"]] == ["EACCES"]
    library = Library(library_dir)
    everything = library.entries(tree)
    assert differences(everything, find(tree)) == []
    (tree / "closed").chmod(0)
    (tree / "names only").chmod(0o744)
    _, report = as_nobody(library_dir, tree, here)
    assert library.entries(tree).keys() == everything.keys()
    listed = {
        (row["path"].removeprefix(str(tree)), row["error"]) for row in report["errors_listed"]
    }
    assert ("/closed", "EACCES") in listed
    assert ("/names only/file", "EACCES") in listed
    assert ("/open/unreadable", "EACCES") in listed
    for name in ("closed", "names only"):
        (tree / name).chmod(0o755)
    (tree / "open" / "unreadable").chmod(0o644)
    _, report = as_nobody(library_dir, tree, here)
    assert report["errors"] == 0
    assert differences(library.entries(tree), find(tree)) == []
    assert library.query("SELECT 1 FROM entries WHERE kind = 0 AND content IS NULL") == []


def test_the_tree_changes_while_it_is_read(library, tree):
    for number in range(30):
        (tree / str(number)).mkdir()
        for name in range(20):
            (tree / str(number) / str(name)).write_text("x" * name)
    stop = threading.Event()

    def change():
        chance = random.Random(5)
        # The names are few, so that the tree does not grow with the time that it is read for.
        while not stop.is_set():
            folder = tree / str(chance.randrange(30))
            name = folder / str(chance.randrange(40))
            try:
                what = chance.randrange(5)
                if what == 0:
                    name.unlink()
                elif what == 1:
                    name.rename(tree / str(chance.randrange(30)) / f"moved {chance.randrange(60)}")
                elif what == 2:
                    (folder / f"sub {chance.randrange(40)}").mkdir()
                elif what == 3:
                    folder.rename(tree / str(chance.randrange(30)))
                else:
                    with name.open("ab") as file:
                        file.write(b"more")
            except OSError:
                pass

    here = library.add(tree)
    thread = threading.Thread(target=change)
    thread.start()
    try:
        for _ in range(12):
            library.index(here, rules=NO_RULES, mode="Content")
    finally:
        stop.set()
        thread.join()
    library.index(here, rules=NO_RULES, mode="Content", full=True)
    assert differences(library.entries(tree), find(tree)) == []
    library.check()
    assert library.totals(here)[0] == sum(1 for row in find(tree).values() if row[0] != 1)


@pytest.mark.parametrize("count", [20_500, pytest.param(200_000, marks=pytest.mark.soak)])
def test_very_many_files_in_one_folder(library, tree, count):
    fd = os.open(tree, os.O_RDONLY)
    for number in range(count):
        os.mknod(f"file {number}", 0o600, dir_fd=fd)
    os.close(fd)
    age(tree)
    here = library.add(tree)
    library.index(here)
    assert differences(library.entries(tree), find(tree)) == []
    (tree / "file 7").unlink()
    (tree / "file 8").rename(tree / "moved")
    (tree / "one more").touch()
    report = library.index(here)
    assert (report["added"], report["moved"], report["removed"]) == (1, 1, 1)
    assert differences(library.entries(tree), find(tree)) == []
    library.check()


@pytest.fixture
def mounts():
    """A function that mounts, if this user may; what it mounted is gone afterwards."""
    done = []

    def mount(*args):
        out = subprocess.run(["mount", *args], capture_output=True, check=False)
        if out.returncode:
            pytest.skip(f"mounting is not possible here: {out.stderr.decode().strip()}")
        done.append(args[-1])

    yield mount
    for path in reversed(done):
        subprocess.run(["umount", "-l", path], check=False, stderr=subprocess.DEVNULL)


def test_a_mounted_volume_inside(library, tree, mounts):
    (tree / "volume").mkdir()
    (tree / "beside").touch()
    mounts("-t", "tmpfs", "none", str(tree / "volume"))
    (tree / "volume" / "kept").mkdir()
    (tree / "volume" / "kept" / "file").touch()
    here = library.add(tree)
    library.index(here)
    assert differences(library.entries(tree), find(tree)) == []
    before = library.ids()
    subprocess.run(["umount", str(tree / "volume")], check=True)
    report = library.index(here)
    assert library.ids() == before
    assert report["errors_listed"][0]["error"] == "ENODEV"


def test_a_volume_that_is_the_root(library, tree, mounts):
    mounts("-t", "tmpfs", "none", str(tree))
    (tree / "file").touch()
    here = library.add(tree)
    library.index(here)
    before = library.ids()
    subprocess.run(["umount", str(tree)], check=True)
    with pytest.raises(Exception, match="not mounted"):
        library.index(here)
    assert library.ids() == before


def test_a_folder_mounted_below_itself(library, tree, mounts):
    (tree / "a" / "b" / "loop").mkdir(parents=True)
    (tree / "a" / "file").touch()
    mounts("--bind", str(tree / "a"), str(tree / "a" / "b" / "loop"))
    here = library.add(tree)
    report = library.index(here)
    assert [row["error"] for row in report["errors_listed"]] == ["ELOOP"]
    assert os.fsencode(tree / "a/b/loop") in library.entries(tree)
    assert os.fsencode(tree / "a/b/loop/file") not in library.entries(tree)


def test_file_systems_of_the_kernel(library, tree, mounts):
    (tree / "proc").mkdir()
    mounts("-t", "proc", "none", str(tree / "proc"))
    here = library.add(tree)
    report = library.index(here)
    assert report["skipped_by_rule"] == {"pseudo_filesystem": 1}
    assert len(library.entries(tree)) == 2
