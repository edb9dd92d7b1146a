"""debian/tests, run by the release's own autopkgtest inside of the booted machine."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import pytest
from machine import RELEASES, Machine
from workshop import archive, only

from release.roots import unpacked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workshop import Workshop

TESTS = ("boots", "cli", "user-session", "reload", "watchdog")
RUN = "autopkgtest --ignore-restrictions=isolation-container,breaks-testbed"


@pytest.fixture(scope="module", params=list(RELEASES), ids=list(RELEASES.values()))
def equipped(request: pytest.FixtureRequest, workshop: Workshop) -> Iterator[Machine]:
    """A booted machine with the tools, the package and its source."""
    with unpacked(archive(request.param)) as tree:
        made = Machine(request.param, tree)
        subprocess.run(["cp", "-r", workshop.here, tree / "root/built"], check=True)
        source = tree / "root/source"
        source.mkdir()
        debian = only(workshop.here, "*.debian.tar.xz")
        subprocess.run(["tar", "-xf", debian, "-C", source], check=True)
        try:
            made.boot()
            yield made
        finally:
            made.stop()


def test_every_test_passes_and_none_is_skipped(equipped: Machine) -> None:
    said = equipped.run(f"{RUN} /root/built/*_amd64.deb /root/source -- null 2>&1", check=False)
    summary = dict(re.findall(r"^(\S+) +(PASS|FAIL.*|SKIP.*)$", said.stdout, re.MULTILINE))
    assert (said.returncode, summary) == (0, dict.fromkeys(TESTS, "PASS")), said.stdout[-6000:]


def test_debsums_finds_every_file_as_it_was_packed(equipped: Machine) -> None:
    equipped.run("dpkg -i /root/built/*_amd64.deb")  # autopkgtest may have left it or not
    said = equipped.output("debsums spacedrive")
    assert len(said.splitlines()) > 500
    assert not [line for line in said.splitlines() if not line.endswith("OK")]
