"""What the rules leave out, and that they leave out nothing that a person made."""

from __future__ import annotations

import os
import subprocess

import pytest
from truth import NO_RULES, age, find

from sd_daemon.core.index.catalogue import TOGGLES, catalogue

TAG = "Signature: 8a477f597d28d172789f06886806bc55\n# made by a test\n"


def make(tree, paths):
    """Make files (or folders, with a slash at the end) below `tree`; (path, text) to fill them."""
    for item in paths:
        path, text = item if isinstance(item, tuple) else (item, "")
        target = tree / path
        if path.endswith("/"):
            target.mkdir(parents=True, exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)


def relative(library, tree):
    prefix = os.fsencode(tree) + b"/"
    return {os.fsdecode(path.removeprefix(prefix)) for path in library.entries(tree)} - {str(tree)}


LEFT_OUT = {
    "git": ("version_control", [".git/HEAD", ".git/objects/aa", ".git/refs/"], [".git"]),
    "hg": ("version_control", [".hg/requires", ".hg/store/x"], [".hg"]),
    "svn": ("version_control", ["a/.svn/wc.db"], ["a/.svn"]),
    "npm": (
        "dependencies",
        ["web/package.json", "web/node_modules/left-pad/index.js"],
        ["web/node_modules"],
    ),
    "npm alone": (
        "dependencies",
        ["node_modules/.package-lock.json", "node_modules/x/y"],
        ["node_modules"],
    ),
    "go": ("dependencies", ["go.mod", "vendor/modules.txt", "vendor/x/y.go"], ["vendor"]),
    "venv": (
        "python_environment",
        ["env/pyvenv.cfg", "env/bin/python", "env/lib/x.py"],
        ["env/pyvenv.cfg", "env/bin", "env/lib"],
    ),
    "pyc": ("python_bytecode", ["p/m.py", "p/__pycache__/m.cpython-311.pyc"], ["p/__pycache__"]),
    "cargo": ("build_output", ["r/Cargo.toml", "r/target/debug/app"], ["r/target"]),
    "cargo moved": ("build_output", [("target/CACHEDIR.TAG", TAG), "target/x"], ["target"]),
    "maven": ("build_output", ["pom.xml", "target/classes/A.class"], ["target"]),
    "gradle": ("build_output", ["build.gradle", "build/libs/a.jar"], ["build"]),
    "cmake": (
        "build_output",
        ["build/CMakeCache.txt", "build/CMakeFiles/x", "build/app"],
        ["build"],
    ),
    "meson": (
        "build_output",
        ["out/meson-private/x", "out/meson-info/x", "out/build.ninja"],
        ["out"],
    ),
    "cache": (
        "cache_tag",
        [("my cache/CACHEDIR.TAG", TAG), "my cache/a/b"],
        ["my cache/CACHEDIR.TAG", "my cache/a"],
    ),
    "trash": ("trash", [".Trash-1000/files/x", ".Trash-1000/info/x.trashinfo"], [".Trash-1000"]),
    "trash of a home": (
        "trash",
        [".local/share/Trash/files/x", ".local/share/Trash/info/"],
        [".local/share/Trash"],
    ),
    "recycled": ("trash", ["$RECYCLE.BIN/S-1-5-21-1/x"], ["$RECYCLE.BIN"]),
    "nfs": ("open_but_deleted", [".nfs000000000123456700000001"], [".nfs000000000123456700000001"]),
    "unfinished": (
        "unfinished",
        [".spacedrive-0a1b2c3d-12/x"],
        [".spacedrive-0a1b2c3d-12"],
    ),
    "our data": (
        "own_data",
        ["sd/device.json", "sd/libraries/x", "sd/events/1", "sd/logs/daemon.log"],
        ["sd/device.json", "sd/libraries", "sd/events", "sd/logs"],
    ),
    "a library": (
        "own_data",
        ["Home.sdlibrary/library.json", "Home.sdlibrary/library.db", "Home.sdlibrary/logs/x"],
        [f"Home.sdlibrary/{name}" for name in ("library.json", "library.db", "logs")],
    ),
    "fuse": (
        "open_but_deleted",
        [".fuse_hidden0000018600000001"],
        [".fuse_hidden0000018600000001"],
    ),
}


@pytest.mark.parametrize("case", LEFT_OUT)
def test_left_out_by_default(library, tree, case):
    rule, paths, gone = LEFT_OUT[case]
    make(tree, paths)
    make(tree, ["mine.txt"])
    here = library.add(tree)
    report = library.index(here)
    assert list(report["skipped_by_rule"]) == [rule]
    indexed = relative(library, tree)
    for path in gone:
        assert not any(name == path or name.startswith(path + "/") for name in indexed)
    assert "mine.txt" in indexed
    everything = {os.fsdecode(path)[len(str(tree)) + 1 :] for path in find(tree)} - {""}
    left_out = {path for path in everything if any((path + "/").startswith(g + "/") for g in gone)}
    assert everything - indexed == left_out
    library.index(here, rules=NO_RULES)
    assert relative(library, tree) == everything
    library.index(here)
    assert everything - relative(library, tree) == left_out
    library.check()


MINE = [
    "Photos/build/roof.jpg",
    "Photos/dist/1.jpg",
    "Photos/target/archery.jpg",
    "Photos/tmp/x.jpg",
    "Photos/temp/x.jpg",
    "Photos/Cache/x.jpg",
    "Photos/out/x.jpg",
    "Photos/vendor/ice cream.jpg",
    "Photos/obj/x.jpg",
    "Photos/deps/x.jpg",
    "Photos/node_modules/x.jpg",
    "Photos/__pycache__/note.txt",
    "Photos/__pycache__/x.pyc",
    "Photos/.git/x.jpg",
    "Photos/.git/HEAD",
    "Photos/.hg/x.jpg",
    "Photos/Trash/files/x.jpg",
    "Photos/Trash/info/x.jpg",
    "Photos/.Trash/x.jpg",
    "Photos/.Trash-1000/x.jpg",
    "Photos/lost+found/x.jpg",
    "Photos/.cache/x.jpg",
    "Photos/.idea/x.jpg",
    "Photos/.vscode/x.jpg",
    "Photos/env/pyvenv.cfg",
    ("Photos/cache/CACHEDIR.TAG", "Signature: of my own"),
    "Photos/cache/x.jpg",
    "Photos/backup~",
    "Photos/.nfs-shares.txt",
    "Photos/.nfs00",
    "Photos/.fuse_hidden.txt",
    "Photos/.spacedrive-notes-12",
    "Photos/.DS_Store",
    "Photos/Thumbs.db",
    "Photos/.gitignore",
    "Photos/bare.git/HEAD",
    "Photos/bare.git/objects/x",
    "project/.git",
    "project/src/CMakeLists.txt",
    "project/build/CMakeLists.txt",
    "project/build/CMakeCache.txt",
    "project/build/CMakeFiles/x",
    "web/package.json",
    "web/dist/x",
    "web/build/x",
]


def test_nothing_that_a_person_made_is_left_out(library, tree):
    make(tree, MINE)
    here = library.add(tree)
    report = library.index(here)
    assert report["skipped"] == 0
    assert library.entries(tree).keys() == find(tree).keys()


def test_a_folder_that_a_person_chose_is_indexed_whatever_it_is(library, tree):
    make(tree, [("cache/CACHEDIR.TAG", TAG), "cache/a"])
    here = library.add(tree / "cache")
    library.index(here)
    assert relative(library, tree / "cache") == {"CACHEDIR.TAG", "a"}


def test_proof_that_comes_and_goes(library, tree):
    make(tree, ["web/node_modules/mine.txt", "c/data"])
    age(tree)
    here = library.add(tree)
    library.index(here)
    assert "web/node_modules/mine.txt" in relative(library, tree)
    (tree / "web/package.json").touch()
    (tree / "c/CACHEDIR.TAG").write_text(TAG)
    report = library.index(here)
    assert report["skipped_by_rule"] == {"dependencies": 1, "cache_tag": 1}
    assert relative(library, tree) == {"web", "web/package.json", "c"}
    (tree / "web/package.json").unlink()
    (tree / "c/CACHEDIR.TAG").unlink()
    library.index(here)
    assert {"web/node_modules/mine.txt", "c/data"} < relative(library, tree)
    assert library.query("SELECT count(*) FROM omissions") == [(0,)]
    library.check()


def test_hidden_and_images(library, tree):
    make(tree, [".secret", ".d/x.jpg", "a.jpg", "b.txt", "c/D.PNG", "c/e"])
    here = library.add(tree)
    library.index(here, rules={"no_hidden": True})
    assert relative(library, tree) == {"a.jpg", "b.txt", "c", "c/D.PNG", "c/e"}
    library.index(here, rules={"only_images": True})
    assert relative(library, tree) == {".d", ".d/x.jpg", "a.jpg", "c", "c/D.PNG"}
    library.index(here)
    assert len(relative(library, tree)) == 8
    library.check()


def test_every_omission_is_recorded_with_its_rule(library, tree):
    make(tree, ["p/package.json", "p/node_modules/x", ".git/HEAD", ".git/objects/x"])
    here = library.add(tree)
    library.index(here)
    rows = library.query("SELECT name, reason, detail FROM omissions ORDER BY name")
    assert rows == [
        (".git", "rule", "version_control"),
        ("node_modules", "rule", "dependencies"),
    ]


def test_the_catalogue():
    rules = catalogue()
    assert len({rule.name for rule in rules}) == len(rules)
    assert {rule.toggle for rule in rules} == set(TOGGLES)
    assert all(rule.sentence.endswith(".") for rule in rules)


GITIGNORE = """\
# a comment
*.log
!important.log
/anchored
dir-only/
doc/*.txt
**/anywhere
a/**/z
abc/**
\\#hash
\\!bang
trailing\\\x20
[a-c]x
[!a-c]y
q?
*.[oa]
sp ace
Case
"""

CANDIDATES = """
x.log important.log sub/x.log sub/important.log anchored sub/anchored dir-only/f sub/dir-only/f
notdir/dir-only doc/a.txt doc/sub/b.txt sub/doc/c.txt anywhere/f sub/deep/anywhere a/z a/b/z
a/b/c/z abc/d abc/e/f #hash !bang ax dx dy ay qq q/x x.o x.a x.c case Case sub/Case/f sub/keep.log
sub/nested/ignored-here sub/nested/other other/ignored-here info-excluded b/a/z
"""


def test_gitignore_like_git(library, tree):
    if subprocess.run(["git", "--version"], capture_output=True, check=False).returncode:
        pytest.skip("git is not installed")
    make(tree, [*CANDIDATES.split(), "trailing ", "sp ace", ("x\ny.log", "")])
    (tree / ".gitignore").write_text(GITIGNORE)
    (tree / "sub/.gitignore").write_text("!keep.log\n")
    (tree / "sub/nested/.gitignore").write_text("/ignored-here\n")
    subprocess.run(["git", "init", "-q", str(tree)], check=True)
    (tree / ".git/info/exclude").write_text("info-excluded\n")
    out = subprocess.run(
        ["git", "-C", str(tree), "ls-files", "-z", "-co", "--exclude-standard"],
        capture_output=True,
        check=True,
    ).stdout
    wanted = {os.fsdecode(path) for path in out.split(b"\0") if path}
    here = library.add(tree)
    library.index(here, rules={"gitignore": True})
    files = {path for path in relative(library, tree) if not (tree / path).is_dir()}
    assert files == wanted
    inner = library.add(tree / "sub")
    library.index(inner, rules={"gitignore": True})
    inside = {
        path for path in relative(library, tree / "sub") if not (tree / "sub" / path).is_dir()
    }
    assert inside == {path[4:] for path in wanted if path.startswith("sub/")}
