"""Root file systems of Debian releases, made by mmdebstrap and kept as archives.

Each combination of release and packages is made once (half a minute to two) and kept in the user's
cache folder; a second process that makes the same one does no harm.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from zlib import crc32

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "spacedrive-tests"


def mirror() -> str:
    """Where this machine itself gets its Debian packages from."""
    folder = Path("/etc/apt")
    sources = [folder / "sources.list", *sorted((folder / "sources.list.d").glob("*"))]
    for source in sources:
        text = source.read_text("utf-8", "replace") if source.is_file() else ""
        found = re.search(r"^(?:URIs:|deb(?: \[.*\])?)\s+(\S+/debian)/?\s", text, re.MULTILINE)
        if found:
            return found[1]
    return "the Debian mirror of /etc/apt/sources.list"  # which mmdebstrap will complain of


def archive(release: str, packages: Sequence[str]) -> Path:
    """The tree of a release with these packages as a tar file, made if it is not there."""
    kept = CACHE / f"{release}-{crc32(','.join(packages).encode()):08x}.tar"
    if not kept.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        begun = kept.with_suffix(f".{os.getpid()}.tar")
        subprocess.run(
            [
                "mmdebstrap",
                "--mode=root",
                "--variant=minbase",
                f"--include={','.join(packages)}",
                release,
                begun,
                f"deb {mirror()} {release} main",
            ],
            check=True,
            capture_output=True,
        )
        begun.rename(kept)
    return kept


@contextlib.contextmanager
def unpacked(kept: Path) -> Iterator[Path]:
    """A tree that nobody else uses, from an archive."""
    place = Path(tempfile.mkdtemp(prefix=f"sd-{kept.stem}-", dir="/var/tmp"))
    try:
        tree = place / "root"
        tree.mkdir()
        subprocess.run(["tar", "-xf", kept, "-C", tree], check=True)
        yield tree
    finally:
        shutil.rmtree(place, ignore_errors=True)
