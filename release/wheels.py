"""The packages that the Debian package bundles: locked, fetched, merged into one tree.

python -m release.wheels lock                    choose versions anew (network; needs uv)
python -m release.wheels fetch ARCH FOLDER       download what is pinned (network)
python -m release.wheels merge ARCH FOLDER TREE [PART]
                                                 put the downloads into one tree (offline)
python -m release.wheels depends                 what the tree needs of Debian

There are two parts: what everything needs (requirements.txt), and beside it what only the GraphQL
server does (requirements-graphql.txt).

One tree serves every Python in PYTHONS: an extension module carries its Python's tag in its name,
and all other files of a release of a package are the same, which is checked. Each download has a
hash in requirements.txt, which is checked when it is fetched and again when it is merged.
"""

from __future__ import annotations

import hashlib
import itertools
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
BASE, GRAPHQL = "base", "graphql"
PARTS = {
    BASE: Path(__file__).with_name("requirements.txt"),
    GRAPHQL: Path(__file__).with_name("requirements-graphql.txt"),
}
FETCHED = ROOT / "build/wheels"
"""Where downloads are kept in a checkout."""

PYTHONS = ("3.11", "3.12", "3.13", "3.14")
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
GLIBC = "2.34"  # of the newest of PLATFORMS
PLATFORMS = ("manylinux_2_34", "manylinux_2_28", "manylinux_2_17", "manylinux2014")
SOURCE_ONLY = {"sdnotify"}  # publishes no wheel; its sdist is one folder of Python

# What only an installer, a compiler or a type checker reads. The licences are in debian/copyright.
LEFT_OUT = re.compile(
    r".*\.(pyi|pyx|pxd|pxi|c|h)|.*/py\.typed"
    r"|[^/]+\.dist-info/(?!METADATA$).*"
)


class Pin(NamedTuple):
    """One release of a package, with the hashes of its files."""

    name: str
    version: str
    hashes: frozenset[str]


def pins(part: str = BASE) -> list[Pin]:
    """What is pinned for a part."""
    text = re.sub(r"\\\n\s*", "", PARTS[part].read_text("utf-8"))
    found = []
    for line in text.splitlines():
        if line and not line.startswith("#"):
            name, version = line.split()[0].split("==")
            found.append(Pin(name, version, frozenset(re.findall(r"--hash=sha256:(\S+)", line))))
    return found


def wanted(part: str = BASE) -> list[str]:
    """What the project says that a part needs."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    if part == BASE:
        return [*project["dependencies"], *project["optional-dependencies"]["speed"]]
    return [*project["optional-dependencies"][part]]


def lock() -> None:
    """Choose the versions of everything."""
    _lock(BASE, [])
    known = [f"--constraint={PARTS[BASE]}"]
    known += [f"--no-emit-package={pin.name}" for pin in pins(BASE)]
    _lock(GRAPHQL, known)


def _lock(part: str, options: list[str]) -> None:
    """Write what is pinned for a part. Markers are dropped: all Pythons share one tree, so what one
    of them needs is there for all."""
    choose = ["uv", "pip", "compile", "--quiet", "--universal", f"--python-version={PYTHONS[0]}"]
    choose += ["--generate-hashes", "--no-emit-index-url", "--no-header", "--no-annotate"]
    chosen = subprocess.run(
        [*choose, *options, "-"],
        input="\n".join(wanted(part)),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    plain = re.sub(r"^(\S+==\S+) ; .*? \\$", r"\1 \\", chosen, flags=re.MULTILINE)
    names = re.findall(r"^(\S+)==", plain, re.MULTILINE)
    if len(names) != len(set(names)):
        raise SystemExit(f"one tree cannot hold two versions of a package: {names}")
    note = "# What the Debian package bundles. Written by 'make lock'; do not edit.\n"
    PARTS[part].write_text(note + plain, "utf-8")


# --- network -------------------------------------------------------------------------------------


def fetch(machine: str, folder: Path) -> None:
    """Download the files of one architecture for every Python, with pip's own configuration."""
    platforms = [f"--platform={one}_{MACHINES[machine]}" for one in PLATFORMS]
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
    for python, (part, pinned) in itertools.product(PYTHONS, PARTS.items()):
        place = _place(folder, machine, python, part)
        complete = place / f".{sha256(pinned)[:16]}"
        if complete.exists():
            continue
        place.mkdir(parents=True, exist_ok=True)
        for old in place.iterdir():
            old.unlink()
        command = [*pip, "--only-binary=:all:", f"--no-binary={','.join(SOURCE_ONLY)}", *platforms]
        command += [f"--python-version={python}", f"--dest={place}", f"--requirement={pinned}"]
        subprocess.run(command, check=True)
        complete.touch()


# --- offline -------------------------------------------------------------------------------------


def sha256(file: Path) -> str:
    """The hash by which a download is known."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def contents(download: Path, pin: Pin) -> Iterator[tuple[str, bytes, bool]]:
    """The files of a package as they are installed: name, bytes, whether it is executable."""
    if download.suffix == ".whl":
        with zipfile.ZipFile(download) as wheel:
            for one in wheel.infolist():
                if not one.is_dir():
                    yield one.filename, wheel.read(one), bool(one.external_attr >> 16 & 0o111)
        return
    with tarfile.open(download) as sdist:
        for entry in sdist:
            file, name = sdist.extractfile(entry), entry.name.partition("/")[2]
            if file and name == "PKG-INFO":
                yield f"{pin.name}-{pin.version}.dist-info/METADATA", file.read(), False
            elif file and name.startswith(f"{pin.name}/"):
                yield name, file.read(), False


def _place(folder: Path, machine: str, python: str, part: str) -> Path:
    """Where the downloads of a part for one Python are."""
    return folder / machine / (python if part == BASE else f"{part}-{python}")


def downloads(machine: str, folder: Path, part: str = BASE) -> Iterator[tuple[Pin, Path]]:
    """Every download with what it is a file of. SystemExit where one is missing or not the file
    that was pinned."""
    for python in PYTHONS:
        place = _place(folder, machine, python, part)
        by_hash = {sha256(file): file for file in sorted(place.glob("[!.]*"))}
        for pin in pins(part):
            found = pin.hashes & by_hash.keys()
            if len(found) != 1:
                raise SystemExit(f"{place} has {len(found)} files of {pin.name} {pin.version}")
            yield pin, by_hash.pop(*found)
        if by_hash:
            raise SystemExit(f"not pinned: {', '.join(map(str, by_hash.values()))}")


def merge(machine: str, folder: Path, tree: Path, part: str = BASE) -> None:
    """Put a part into one tree. SystemExit where two Pythons disagree on a file."""
    for pin, download in downloads(machine, folder, part):
        for name, content, executable in contents(download, pin):
            top = PurePosixPath(name).parts[0]
            if top.endswith(".data") or ".." in name:
                raise SystemExit(f"{download.name} wants a place outside of the tree: {name}")
            if LEFT_OUT.fullmatch(name):
                continue
            place = tree / name
            if place.exists():
                if place.read_bytes() != content:
                    raise SystemExit(f"{download.name} has another {name} than its siblings")
                continue
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
            # Shared libraries are not programs, and a script in a private tree is nobody's command.
            place.chmod(0o755 if executable and ".so" not in place.name else 0o644)


def depends() -> str:
    """The relations of a package that holds the tree."""
    first, (major, minor) = PYTHONS[0], map(int, PYTHONS[-1].split("."))
    return f"python3 (>= {first}), python3 (<< {major}.{minor + 1}), libc6 (>= {GLIBC})"


def main(*words: str) -> None:
    """One of the commands above."""
    match words:
        case ("lock",):
            lock()
        case ("fetch", arch, folder) if arch in MACHINES:
            fetch(arch, Path(folder))
        case ("merge", arch, downloads, folder) if arch in MACHINES:
            merge(arch, Path(downloads), Path(folder))
        case ("merge", arch, downloads, folder, part) if arch in MACHINES and part in PARTS:
            merge(arch, Path(downloads), Path(folder), part)
        case ("depends",):
            print(depends())
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    main(*sys.argv[1:])
