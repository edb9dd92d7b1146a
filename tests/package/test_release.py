"""What is made for the package index, and how a release is cut. Needs no container."""

from __future__ import annotations

import filecmp
import os
import re
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from typing import TYPE_CHECKING

import pytest

from release import dist, wheels
from release.cut import cut_release
from release.version import ROOT, version

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The sdist and the wheel."""
    folder = tmp_path_factory.mktemp("dist")
    sdist = dist.make_sdist(folder)
    return [sdist, dist.make_wheel(sdist, folder)]


@pytest.fixture(scope="module")
def elsewhere(made: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkout again: in another folder, of another day, by somebody who shares nothing."""
    place = tmp_path_factory.mktemp("elsewhere")
    with tarfile.open(made[0]) as sdist:
        sdist.extractall(place, filter="data")
    checkout = place / f"spacedrive-{version()}"
    shutil.rmtree(next(checkout.glob("*.egg-info")))
    (checkout / "PKG-INFO").unlink()
    (checkout / "setup.cfg").unlink()
    shutil.copytree(ROOT / "debian", checkout / "debian")
    for one in checkout.rglob("*"):
        one.chmod(one.stat().st_mode & 0o700)
        os.utime(one, (10**9, 10**9))
    return checkout


def test_made_elsewhere_they_are_the_same(made: list[Path], elsewhere: Path) -> None:
    subprocess.run([sys.executable, "-m", "release.dist"], cwd=elsewhere, check=True, umask=0o077)
    for one in made:
        assert filecmp.cmp(one, elsewhere / "dist" / one.name, shallow=False), one.name


def test_the_sdist_has_what_a_package_is_made_of(made: list[Path]) -> None:
    with tarfile.open(made[0]) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.split()
    needed = {one for one in tracked if not one.startswith(("debian/", ".git"))}
    assert needed <= names
    assert not [one for one in names if one.startswith("debian/") or one.endswith(".pyc")]
    assert {"contrib/install", "docs/man/sd.1", "release/requirements.txt"} <= names


def test_the_wheel_has_everything_that_runs(made: list[Path]) -> None:
    with zipfile.ZipFile(made[1]) as wheel:
        names = set(wheel.namelist())
    for package in ("sd_wire", "sd_daemon", "sd_client"):
        modules = {str(one.relative_to(ROOT)) for one in (ROOT / package).rglob("*.py")}
        assert modules <= names
    assert "sd_daemon/core/db/migrations/library/0001_library.sql" in names
    assert not [one for one in names if one.startswith(("tests/", "release/", "bench/"))]


def test_installed_from_the_index_it_runs(made: list[Path], tmp_path: Path) -> None:
    """As pip and pipx do it: a virtual environment, and a link to its command somewhere else."""
    venv.create(tmp_path / "venv", with_pip=True)
    pip = [tmp_path / "venv/bin/python", "-m", "pip", "install", "--quiet"]
    subprocess.run([*pip, made[1]], check=True)
    (tmp_path / "bin").mkdir()
    sd = tmp_path / "bin/sd"
    sd.symlink_to(tmp_path / "venv/bin/sd")
    data = ["--data-dir", str(tmp_path / "data")]
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}

    def run(*words: str) -> str:
        ran = subprocess.run(
            [sd, *words, *data], env=environment, capture_output=True, text=True, check=False
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    assert run("--version") == f"sd {version()}\n"
    run("start")
    assert version() in run("status")
    run("stop")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The files that a release changes."""
    for name in ("pyproject.toml", "CHANGELOG.md"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("changelog.d", "debian"):
        shutil.copytree(ROOT / name, tmp_path / name)
    return tmp_path


def entries(checkout: Path) -> list[str]:
    """The versions in debian/changelog."""
    changelog = (checkout / "debian/changelog").read_text()
    return re.findall(r"^spacedrive \((.*?)\)", changelog, re.MULTILINE)


def test_a_release_joins_the_fragments(checkout: Path) -> None:
    fragments = {one.name for one in (checkout / "changelog.d").glob("*.md")} - {"README.md"}
    cut_release("7.8.9", checkout)
    assert version(checkout) == "7.8.9"
    assert entries(checkout)[0] == "7.8.9-1"
    changes = " ".join((checkout / "CHANGELOG.md").read_text().split())
    debian = " ".join((checkout / "debian/changelog").read_text().split())
    for name in fragments:
        words = (ROOT / "changelog.d" / name).read_text().strip().removeprefix("- ").split()
        assert " ".join(words[:6]) in changes, name
        assert " ".join(words[:3]).replace("`", "") in debian, name
    assert [one.name for one in (checkout / "changelog.d").iterdir()] == ["README.md"]
    trailers = re.findall(
        r"^ -- .* <\S+>  (.*)$", (checkout / "debian/changelog").read_text(), re.M
    )
    assert len(trailers) == len(entries(checkout))


def test_the_version_in_the_works_can_be_released(checkout: Path) -> None:
    """Its entry in debian/changelog makes room for the real one."""
    before = entries(checkout)
    cut_release(version(), checkout)
    assert entries(checkout) == before


@pytest.mark.parametrize(
    ("number", "said"),
    [("0.0.9", "is not after"), ("1.0", "looks like 1.2.3"), ("", "looks like 1.2.3")],
)
def test_a_wrong_version_changes_nothing(checkout: Path, number: str, said: str) -> None:
    before = (checkout / "CHANGELOG.md").read_text()
    with pytest.raises(SystemExit, match=said):
        cut_release(number, checkout)
    assert (checkout / "CHANGELOG.md").read_text() == before


def test_without_changes_there_is_no_release(checkout: Path) -> None:
    cut_release("7.8.9", checkout)
    with pytest.raises(SystemExit, match="nothing has changed"):
        cut_release("7.9.0", checkout)
    with pytest.raises(SystemExit, match="is not after"):
        cut_release("7.8.9", checkout)


def test_what_is_pinned_satisfies_what_is_asked_for() -> None:
    pinned = {pin.name for pin in wheels.pins()}
    asked = {re.match(r"[\w-]+", one)[0] for one in wheels.wanted()}  # type: ignore[index]
    assert asked <= pinned
    assert all(pin.hashes for pin in wheels.pins())


def test_a_download_that_is_not_the_pinned_one_is_refused(tmp_path: Path) -> None:
    """Where the wheels come from outside, nobody else's get into the package."""
    wheels.fetch("amd64", wheels.FETCHED)
    shutil.copytree(wheels.FETCHED / "amd64", tmp_path / "wheels/amd64")
    victim = next((tmp_path / "wheels/amd64" / wheels.PYTHONS[-1]).glob("msgspec*"))
    victim.write_bytes(victim.read_bytes() + b"x")
    with pytest.raises(SystemExit, match="has 0 files of msgspec"):
        wheels.merge("amd64", tmp_path / "wheels", tmp_path / "tree")
    victim.unlink()
    stranger = victim.with_name("stranger-1.0-py3-none-any.whl")
    shutil.copy(next(victim.parent.glob("click*")), stranger)
    with pytest.raises(SystemExit):
        wheels.merge("amd64", tmp_path / "wheels", tmp_path / "other")
