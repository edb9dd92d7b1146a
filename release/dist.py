"""The files for the package index: sdist and wheel, the same bytes wherever they are made.

python -m release.dist [FOLDER]      into dist/ where none is named

The wheel is made from the sdist, so that what is missing in the one is missed at once. Times and
permissions of the checkout do not get into either: the time is that of the newest entry in
debian/changelog, or SOURCE_DATE_EPOCH.
"""

from __future__ import annotations

import email.utils
import gzip
import io
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from release.version import ROOT, version


def release_time() -> int:
    """Seconds since 1970."""
    if given := os.environ.get("SOURCE_DATE_EPOCH"):
        return int(given)
    changelog = (ROOT / "debian/changelog").read_text("utf-8")
    found = re.search(r"^ -- .*>  (.*)$", changelog, re.MULTILINE)
    assert found, "debian/changelog has no entry"
    return int(email.utils.parsedate_to_datetime(found[1]).timestamp())


def build(kind: str, source: Path, folder: Path) -> Path:
    """What the build backend makes of a source tree."""
    built = subprocess.run(
        [sys.executable, "-m", "build", f"--{kind}", "--outdir", folder, source],
        check=False,
        capture_output=True,
        text=True,
        umask=0o022,
        env={**os.environ, "SOURCE_DATE_EPOCH": f"{release_time()}"},
    )
    if built.returncode != 0:
        raise SystemExit(f"no {kind} could be built:\n{built.stdout}{built.stderr}")
    (made,) = folder.iterdir()
    return made


def normalised(sdist: Path) -> bytes:
    """An sdist without traces of who made it, where, and when."""
    plain = io.BytesIO()
    with tarfile.open(sdist) as old, tarfile.open(fileobj=plain, mode="w") as new:
        for entry in sorted(old.getmembers(), key=lambda one: one.name):
            entry.mode = 0o755 if entry.isdir() or entry.mode & 0o100 else 0o644
            entry.mtime, entry.uid, entry.gid = release_time(), 0, 0
            entry.uname = entry.gname = "root"
            entry.pax_headers = {}
            new.addfile(entry, old.extractfile(entry) if entry.isfile() else None)
    return gzip.compress(plain.getvalue(), mtime=0)


def make_sdist(folder: Path) -> Path:
    """The sdist, in a folder."""
    with tempfile.TemporaryDirectory() as place:
        made = folder / f"spacedrive-{version()}.tar.gz"
        folder.mkdir(parents=True, exist_ok=True)
        made.write_bytes(normalised(build("sdist", ROOT, Path(place))))
    return made


def make_wheel(sdist: Path, folder: Path) -> Path:
    """The wheel of an sdist, in a folder."""
    with tempfile.TemporaryDirectory() as place:
        with tarfile.open(sdist) as packed:
            packed.extractall(place, filter="data")
        made = build("wheel", Path(place) / f"spacedrive-{version()}", Path(place) / "wheel")
        return made.rename(folder / made.name)


def main(folder: Path) -> None:
    """Both."""
    sdist = make_sdist(folder)
    print(sdist, make_wheel(sdist, folder), sep="\n")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "dist"))
