"""What Debian's own tools say."""

from __future__ import annotations

import email.utils
import filecmp
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from machine import PACKAGES, RELEASES
from workshop import archive, only

from release import deb, roots
from release.version import ROOT

if TYPE_CHECKING:
    from workshop import Workshop

LINTIAN = "cd /look && lintian -EvIL +pedantic --show-overrides --allow-root *_amd64.changes"
PIUPARTS = (
    *("LC_ALL=C.UTF-8", "piuparts", "--existing-chroot", "/look/base", "--mirror", roots.mirror()),
    *("--no-eatmydata", "--do-not-verify-signatures", "--warn-on-leftovers-after-purge"),
    "--distribution",
)


@pytest.fixture(scope="module")
def lintian(workshop: Workshop) -> list[str]:
    """What it says of the package and its source."""
    shutil.copytree(workshop.here, workshop.tree / "look")
    said = deb.enter(workshop.tree, ["LC_ALL=C.UTF-8", "sh", "-c", LINTIAN])
    return said.stdout.splitlines()


def test_lintian_finds_no_error_and_nothing_to_warn_of(lintian: list[str]) -> None:
    """What is left are opinions, and what is overridden."""
    print("", *[one for one in lintian if one.startswith(("I:", "P:"))], sep="\n")
    assert any(one.startswith("O: spacedrive:") for one in lintian), "it looked at nothing"
    assert [one for one in lintian if one.startswith(("E:", "W:"))] == []


def test_every_override_is_needed_and_has_a_reason(lintian: list[str]) -> None:
    assert not [one for one in lintian if "unused-override" in one or "mismatched-override" in one]
    for file in sorted(ROOT.glob("debian/**/*lintian-overrides")):
        lines = file.read_text().splitlines()
        assert lines[0].startswith("# "), "the first has a reason, and each that is not like it"


def test_nothing_is_compiled(workshop: Workshop) -> None:
    """blhc looks for flags of the compiler that are missing; there is no compiler."""
    shutil.copy(only(workshop.here, "*_amd64.build"), workshop.tree)
    said = deb.enter(workshop.tree, ["blhc", "--all", "/spacedrive_amd64.build"])
    assert "No compiler commands" in said.stdout + said.stderr
    assert said.returncode == 1, "its way to say just that"


def test_two_builds_are_alike(workshop: Workshop) -> None:
    """In another folder, 400 days later, in German, at the other end of the world, with a umask
    that keeps everything to oneself: bit by bit the same package and source."""
    packages = ("spacedrive_*_amd64.deb", "spacedrive-graphql_*_amd64.deb")
    for pattern in (*packages, "*.debian.tar.xz", "*.orig.tar.gz"):
        one, other = only(workshop.here, pattern), only(workshop.elsewhere, pattern)
        assert filecmp.cmp(one, other, shallow=False), pattern
    # The surroundings were really others: the record of the build says so.
    record = only(workshop.elsewhere, "*_amd64.buildinfo").read_text()
    assert "de_DE.UTF-8" in record
    dates = [
        email.utils.parsedate_to_datetime(found[1])
        for folder in (workshop.here, workshop.elsewhere)
        if (found := re.search("Build-Date: (.*)", only(folder, "*_amd64.buildinfo").read_text()))
    ]
    assert (dates[1] - dates[0]).days >= 400


@pytest.mark.parametrize("release", RELEASES)
def test_piuparts_passes(workshop: Workshop, release: str) -> None:
    """Installed and purged in a root file system that has nothing else, by the release's own."""
    with roots.unpacked(archive(release)) as tree:
        place = tree / "look/base"
        place.mkdir(parents=True)
        base = roots.archive(release, PACKAGES)
        subprocess.run(["tar", "-xf", base, "-C", place], check=True)
        shutil.copy(workshop.package, place.parent)
        said = deb.enter(tree, [*PIUPARTS, release, f"/look/{workshop.package.name}"], network=True)
    assert "PASS: All tests." in said.stdout, (said.stdout + said.stderr)[-3000:]
    assert said.returncode == 0
