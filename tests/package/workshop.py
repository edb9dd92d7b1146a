"""The packages that the tests try, built as `make deb` builds them, side by side.

Everything is built in one root file system, which has what Build-Depends asks for and the tools
that look at the results. Building begins when the first test asks for something, and goes on while
tests run.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tarfile
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from typing import TYPE_CHECKING

import machine

from release import deb, roots, wheels
from release.deb import Surroundings
from release.version import ROOT, version

if TYPE_CHECKING:
    from pathlib import Path

QUALITY = {
    "bookworm": ("piuparts", "autopkgtest", "debsums"),
    "trixie": ("lintian", "piuparts", "autopkgtest", "debsums", "blhc", "faketime", "locales"),
}
"""What looks at a package, of each release."""

HERE = Surroundings("/build")
ELSEWHERE = Surroundings(
    "/var/tmp/some/other-place",
    umask=0o077,
    environment=("LC_ALL=de_DE.UTF-8", "TZ=Pacific/Kiritimati", "USER=somebody"),
    wrapper=("faketime", "+400 days +5 hours"),
)
QUICKLY = ("LC_ALL=C.UTF-8", "TZ=UTC", "DPKG_DEB_COMPRESSOR_TYPE=none")
"""For those that nobody will fetch."""
NEWER = "0.1.1"

BUILD_THERE = """
import sys
from pathlib import Path
from release import deb
tree, output, folder, *environment = sys.argv[1:]
place = deb.Surroundings(folder, environment=tuple(environment))
deb.build(Path(tree), "amd64", Path(output), place)
"""


def archive(release: str) -> Path:
    """A release with systemd and all tools."""
    build = deb.PACKAGES if release == deb.RELEASE else ()
    return roots.archive(release, (*machine.PACKAGES, *build, *QUALITY[release]))


class Workshop:
    """Where packages are made. Each property waits until what it names is there."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._opened = contextlib.ExitStack()
        self._hands = ThreadPoolExecutor(2)
        self.tools = {release: self._hands.submit(archive, release) for release in (deb.RELEASE,)}
        self._tree: Future[Path] = self._hands.submit(self._open)
        self._here = self._hands.submit(self._build, "here", HERE, "amd64")
        self._newer = self._hands.submit(self._build_newer)
        self._arm = self._hands.submit(
            self._build, "arm", Surroundings("/arm", environment=QUICKLY), "arm64"
        )
        self._elsewhere = self._hands.submit(self._build, "elsewhere", ELSEWHERE, "amd64")
        self.tools["bookworm"] = self._hands.submit(archive, "bookworm")

    def close(self) -> None:
        """Throw all away."""
        self._hands.shutdown(cancel_futures=True)
        self._opened.close()

    # --- results ---------------------------------------------------------------------------------

    @property
    def tree(self) -> Path:
        """The root file system that packages are built in."""
        return self._tree.result()

    @property
    def here(self) -> Path:
        """The folder with what a build makes: the package, its source, what it said."""
        return self._here.result()

    @property
    def elsewhere(self) -> Path:
        """The same, made in another folder, at another time, in another language, and so on."""
        return self._elsewhere.result()

    @cached_property
    def package(self) -> Path:
        """The package."""
        return only(self.here, "spacedrive_*_amd64.deb")

    @property
    def graphql(self) -> Path:
        """The package of the GraphQL server."""
        return only(self.here, "spacedrive-graphql_*_amd64.deb")

    @property
    def arm64(self) -> Path:
        """The package for the other architecture."""
        return only(self._arm.result(), "spacedrive_*_arm64.deb")

    @property
    def newer(self) -> Path:
        """The package of the next version: the same checkout after `make release`."""
        return only(self._newer.result(), "spacedrive_*_amd64.deb")

    @property
    def newer_graphql(self) -> Path:
        """The GraphQL server of the next version."""
        return only(self._newer.result(), "spacedrive-graphql_*_amd64.deb")

    def changed(self, package: Path, name: str, number: str, script: str, text: str) -> Path:
        """A package with another version and another maintainer script."""
        content = self._place / name
        subprocess.run(["dpkg-deb", "-R", package, content], check=True)
        control = content / "DEBIAN/control"
        lines = control.read_text().splitlines()
        named = [f"Version: {number}" if one.startswith("Version:") else one for one in lines]
        control.write_text("\n".join([*named, ""]))
        (content / "DEBIAN" / script).write_text(text)
        made = self._place / f"{name}.deb"
        subprocess.run(["dpkg-deb", "-Znone", "-b", content, made], check=True, capture_output=True)
        return made

    # --- work ------------------------------------------------------------------------------------

    def _open(self) -> Path:
        tree = self._opened.enter_context(roots.unpacked(self.tools[deb.RELEASE].result()))
        for one in wheels.MACHINES:
            wheels.fetch(one, wheels.FETCHED)
        deb.enter(tree, ["localedef", "-i", "de_DE", "-f", "UTF-8", "de_DE.UTF-8"])
        return tree

    def _build(self, name: str, surroundings: Surroundings, architecture: str) -> Path:
        return deb.build(self.tree, architecture, self._place / name, surroundings)

    def _build_newer(self) -> Path:
        with tarfile.open(only(self.here, "*.orig.tar.gz")) as sdist:
            sdist.extractall(self._place, filter="data")
        checkout = self._place / f"spacedrive-{version()}"
        shutil.copytree(ROOT / "debian", checkout / "debian")
        (checkout / "build").symlink_to(ROOT / "build")
        python, environment = sys.executable, {**os.environ, "PYTHONPATH": str(checkout)}
        output = self._place / "newer"
        for command in (
            ["-m", "release.cut", NEWER],
            ["-c", BUILD_THERE, str(self.tree), str(output), "/newer", *QUICKLY],
        ):
            subprocess.run([python, *command], cwd=checkout, env=environment, check=True)
        return output


def only(folder: Path, pattern: str) -> Path:
    """The one file that has such a name."""
    (found,) = folder.glob(pattern)
    return found
