"""Trees of files like a person's: the same names, sizes and folders each time.

Every thousandth file is a waypoint. The waypoints are spread over the whole tree, so whoever finds
all of them by name has indexed all of it, in whatever order it was read.
"""

from __future__ import annotations

import os
import random
import shutil
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

WAYPOINT = "quuxwaypoint"
WAYPOINT_EVERY = 1000
_LARGEST = 1 << 20

_TEXT = (
    "accounts anniversary apartment archive article autumn balcony ballad bicycle birthday blue"
    " breakfast bridge budget camera campaign canal castle chapter chart client coast codec"
    " compiler concert config contract copper course cycle daemon data desert design diagram"
    " dinner draft encore engine essay evening exam export family farm festival figure final"
    " forest form garden glacier graph green grid guitar handler harbour history holiday house"
    " import index insurance interview invoice island january jazz journal july kernel kitchen"
    " lake layout lecture lesson letter library light lisbon list login london loop manual map"
    " market meadow meeting memo mesh mirror model module moon morning mountain museum night"
    " north notes ocean offer opera orchard order outline palace paper parade parser party"
    " passport picnic pipeline plan plugin portrait prague project protocol query queue quote"
    " railway rain receipt recipe render report rental review river road route router sample"
    " scanner schedule school script sea server session shader shore signal sketch snow socket"
    " song spring stage station statement storm stream street summary summer sunset survey"
    " table tax theme thesis ticket timer token tour tower trail train travel valley vendor"
    " video village vintage violin walk warranty wedding weekend widget window winter worker"
)
_WORDS = _TEXT.split()


class _Sort(NamedTuple):
    """One sort of folder: how often it comes, how deep, how full, and what its files are called."""

    top: str
    weight: int
    depth: int
    files: int  # mean per folder
    name: Callable[[random.Random], str]


def _photo(dice: random.Random) -> str:
    day = f"{dice.randint(2009, 2025)}{dice.randint(1, 12):02}{dice.randint(1, 28):02}"
    kind = dice.choice(("jpg", "jpg", "jpg", "heic", "png", "mp4", "dng"))
    return f"IMG_{day}_{dice.randint(0, 235959):06}.{kind}"


def _document(dice: random.Random) -> str:
    words = f"{dice.choice(_WORDS).title()} {dice.choice(_WORDS)} {dice.randint(1, 2025)}"
    tail = dice.choice(("", "", " (1)", " copy", "-final", " v2"))
    return f"{words}{tail}.{dice.choice(('pdf', 'docx', 'txt', 'md', 'xlsx', 'odt', 'csv'))}"


def _source(dice: random.Random) -> str:
    words = f"{dice.choice(_WORDS)}_{dice.choice(_WORDS)}"
    tail = dice.choice(("", "", "", "_test", "2", ".min"))
    return f"{words}{tail}.{dice.choice(('py', 'rs', 'ts', 'js', 'c', 'h', 'json', 'toml', 'css'))}"


def _song(dice: random.Random) -> str:
    title = f"{dice.choice(_WORDS)} {dice.choice(_WORDS)}".title()
    return f"{dice.randint(1, 20):02} - {title}.{dice.choice(('mp3', 'flac', 'm4a'))}"


def _object(dice: random.Random) -> str:
    return f"{dice.getrandbits(160):040x}"


_SORTS = (
    _Sort("Pictures", 20, 2, 60, _photo),
    _Sort("Documents", 20, 4, 12, _document),
    _Sort("Projects", 40, 7, 8, _source),
    _Sort("Music", 10, 3, 12, _song),
    _Sort("Objects", 10, 3, 40, _object),
)


def _folders(dice: random.Random) -> Iterator[tuple[_Sort, str]]:
    """Paths of folders, relative; some come more than once."""
    weights = [sort.weight for sort in _SORTS]
    while True:
        sort = dice.choices(_SORTS, weights)[0]
        parts = [sort.top, f"{dice.choice(_WORDS)}-{dice.choice(_WORDS)}-{dice.randint(0, 999)}"]
        for _ in range(dice.randint(0, sort.depth - 1)):
            inner = dice.choice(_WORDS)
            parts.append(inner if dice.random() < 0.5 else f"{inner}-{dice.randint(0, 99)}")
        yield sort, "/".join(parts)


def _fill(root: Path, files: int, mean: int) -> None:
    """Make the files. `mean` is the mean size in bytes, most being smaller."""
    dice = random.Random(files)
    noise = dice.randbytes(_LARGEST * 2)
    made = 0
    for sort, path in _folders(dice):
        folder = root / path
        folder.mkdir(parents=True, exist_ok=True)
        for _ in range(min(files - made, max(1, int(dice.expovariate(1 / sort.files))))):
            name = sort.name(dice)
            if made % WAYPOINT_EVERY == 0:
                name = f"{WAYPOINT} {made:07}.txt"
            made += _write(f"{folder}/{name}", dice, noise, mean)
        if made >= files:
            return


def _write(path: str, dice: random.Random, noise: bytes, mean: int) -> bool:
    size = min(_LARGEST, int(dice.lognormvariate(0, 1.4) * mean / 2.66) + 1)
    start = dice.randrange(_LARGEST)
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    except FileExistsError:
        return False
    os.write(fd, noise[start : start + size])
    os.close(fd)
    return True


def tree(work: Path, files: int, mean: int) -> Path:
    """A tree with so many files below `work`; made only if it is not there from an earlier run."""
    root = work / f"tree-{files}"
    done = work / f"tree-{files}.done"
    if not done.exists():
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir(parents=True)
        _fill(root, files, mean)
        os.sync()
        done.touch()
    return root


def waypoints(files: int) -> int:
    """How many waypoints a tree of that many files has."""
    return -(-files // WAYPOINT_EVERY)


def some_names(root: Path, count: int) -> list[str]:
    """Names of files from all over a tree, the same ones each time."""
    dice = random.Random(count)
    found: list[str] = []
    for _, folders, files in os.walk(root):
        folders.sort()
        dice.shuffle(folders)
        found += dice.sample(sorted(files), min(3, len(files)))
        if len(found) >= count * 20:
            break
    return dice.sample(found, count)
