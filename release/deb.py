"""The Debian package, built in a Debian 13 of its own: `make deb`.

python -m release.deb [--arch amd64|arm64] [--output FOLDER]

Four steps: the sdist; the wheels, fetched by their hashes (the only step that needs the network); a
root file system with what Build-Depends asks for, made once and kept; in it, without network,
dpkg-buildpackage. Needs root, mmdebstrap and unshare. docs/packaging.md has the way without this.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from release import dist, roots, wheels
from release.version import ROOT, version

RELEASE = "trixie"
PACKAGES = ("build-essential", "debhelper", "binutils-aarch64-linux-gnu", "python3")


class Surroundings(NamedTuple):
    """What must not be seen in the result."""

    folder: str = "/build"
    umask: int = 0o022
    environment: tuple[str, ...] = ("LC_ALL=C.UTF-8", "TZ=UTC")
    wrapper: tuple[str, ...] = ()


def missing() -> list[str]:
    """What this machine lacks for it."""
    lacks = [tool for tool in ("mmdebstrap", "unshare") if not shutil.which(tool)]
    return lacks if os.geteuid() == 0 else ["root", *lacks]


def enter(
    tree: Path, command: list[str], *, umask: int = 0o022, network: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run a program in a root file system; its network is only the loopback of nowhere."""
    apart = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
    apart += [] if network else ["--net"]
    prepare = 'mount -t proc proc "$0/proc" && exec chroot "$0" "$@"'
    path = "PATH=/usr/sbin:/usr/bin:/sbin:/bin"
    return subprocess.run(
        [*apart, "sh", "-c", prepare, tree, "env", "-i", path, "HOME=/root", *command],
        umask=umask,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )


def lay_out(tree: Path, folder: str, sdist: Path, machine: str) -> Path:
    """Put the source and the wheels into the root file system."""
    place = tree / folder.lstrip("/")
    source = place / f"spacedrive-{version()}"
    place.mkdir(parents=True)
    shutil.copy(sdist, place / f"spacedrive_{version()}.orig.tar.gz")
    subprocess.run(["tar", "-xf", sdist, "-C", place, "--no-same-owner"], check=True)
    shutil.copytree(ROOT / "debian", source / "debian")
    for one in (source / "debian").rglob("*"):  # whatever the umask of the checkout was
        one.chmod(0o755 if one.is_dir() or one.stat().st_mode & 0o100 else 0o644)
    shutil.copytree(wheels.FETCHED / machine, place / "wheels" / machine)
    return source


def build(
    tree: Path,
    machine: str,
    output: Path,
    surroundings: Surroundings = Surroundings(),  # noqa: B008 - a constant
) -> Path:
    """Build the package in a root file system; the folder with all that came of it."""
    output.mkdir(parents=True, exist_ok=True)
    source = lay_out(tree, surroundings.folder, dist.make_sdist(output), machine)
    inside = f"/{source.relative_to(tree)}"
    command = ["dpkg-buildpackage", "--unsigned-source", "--unsigned-changes", f"-a{machine}"]
    built = enter(
        tree,
        [
            *surroundings.environment,
            *("sh", "-c", 'cd "$0" && exec "$@"', inside),
            *surroundings.wrapper,
            *command,
        ],
        umask=surroundings.umask,
    )
    (output / f"spacedrive_{machine}.build").write_text(built.stdout + built.stderr, "utf-8")
    if built.returncode != 0:
        raise SystemExit(f"dpkg-buildpackage failed:\n{(built.stdout + built.stderr)[-4000:]}")
    for made in source.parent.iterdir():
        if made.is_file():
            shutil.copy(made, output / made.name)
    return output


def main() -> None:
    """Build it and say where it is."""
    parser = argparse.ArgumentParser(prog="make deb")
    parser.add_argument("--arch", choices=list(wheels.MACHINES), default="amd64")
    parser.add_argument("--output", type=Path, default=ROOT / "dist")
    given = parser.parse_args()
    if lacking := missing():
        sys.exit(f"to build the package, this is missing: {', '.join(lacking)}")
    wheels.fetch(given.arch, wheels.FETCHED)
    with roots.unpacked(roots.archive(RELEASE, PACKAGES)) as tree:
        build(tree, given.arch, given.output)
    for made in sorted(given.output.glob(f"*_{given.arch}.deb")):
        print(made)


if __name__ == "__main__":
    main()
