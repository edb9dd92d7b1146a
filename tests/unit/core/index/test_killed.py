"""kill -9 of an index job at any moment: the next run goes on, and nothing is lost or doubled."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest
from truth import age, differences, find

CHILD = """
import sys
sys.path[:0] = [{tests!r}, {project!r}]
from truth import Library, NO_RULES, Context
from sd_daemon.core.index.job import run_index
params = {{"location_id": {here!r}, "mode": "Content", "rules": NO_RULES, "full": {full}}}
context = Context({library!r}, "the job")
print("begin", flush=True)
run_index(params, context)
"""


def fill(tree, chance, folders=60):
    tree.mkdir(exist_ok=True)
    places = [tree]
    for number in range(folders):
        folder = chance.choice(places) / f"folder {number}"
        folder.mkdir()
        places.append(folder)
        for name in range(chance.randrange(60)):
            (folder / f"{name} {chance.random()}").write_bytes(
                chance.randbytes(chance.randrange(99))
            )
    return places


def disturb(tree, chance, *, modify):
    """Move, delete, add and, if asked to, change a good part of the tree."""
    paths = sorted(tree.rglob("*"))
    folders = [path for path in paths if path.is_dir()]
    for path in paths:
        if not os.path.lexists(path):
            continue
        what = chance.random()
        if path.is_dir():
            if what < 0.15:
                target = chance.choice(folders)
                if target.is_dir() and not target.is_relative_to(path):
                    path.rename(target / f"moved {chance.random()}")
            continue
        if what < 0.15:
            path.unlink()
        elif what < 0.3:
            path.rename(path.parent / f"renamed {chance.random()}")
        elif what < 0.45 and modify:
            path.write_bytes(chance.randbytes(chance.randrange(99)))
        elif what < 0.5:
            path.with_name(f"new {chance.random()}").touch()


def run_and_kill(library, here, after, *, full):
    """Run the job in a child; kill it `after` seconds from when it began. True if it was done."""
    tests = os.path.dirname(__file__)
    code = CHILD.format(
        tests=tests,
        project=os.path.abspath(tests + "/../../../.."),
        library=library.dir,
        here=here,
        full=full,
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as child:
        child.stdout.readline()
        try:
            return child.wait(after) == 0
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGKILL)
            return False


@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    "times", [pytest.param(6, id="a few"), pytest.param(200, marks=pytest.mark.soak, id="200")]
)
def test_killed_at_any_moment(library, tree, times):
    chance = random.Random(times)
    fill(tree, chance)
    age(tree)
    here = library.add(tree)
    began = time.monotonic()
    assert run_and_kill(library, here, 60, full=False)
    takes = time.monotonic() - began
    kills = 0
    while kills < times:
        full = chance.random() < 0.5
        disturb(tree, chance, modify=full)
        if chance.random() < 0.3:
            shutil.rmtree(chance.choice([path for path in tree.iterdir() if path.is_dir()]))
            (tree / f"more {kills}").mkdir(exist_ok=True)
            fill(tree / f"more {kills}" / str(len(list(tree.iterdir()))), chance, 15)
        for _ in range(5):
            if run_and_kill(library, here, chance.random() ** 2 * takes, full=full):
                break
            kills += 1
        else:
            assert run_and_kill(library, here, 60, full=full)
        assert differences(library.entries(tree), find(tree)) == []
        library.check()
        disk = find(tree)
        files = sum(1 for row in disk.values() if row[0] != 1)
        assert library.totals(here)[:2] == (files, len(disk) - files - 1)
        missing = "SELECT count(*) FROM entries WHERE kind = 0 AND size > 0 AND content IS NULL"
        assert library.query(missing) == [(0,)]
        assert library.query("SELECT count(*) FROM scans") == [(0,)]
