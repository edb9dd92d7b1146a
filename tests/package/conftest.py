"""Packages that were just built, and booted Debians to install them in."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from machine import RELEASES, Machine, missing, root_archive
from workshop import Workshop

from release import deb
from release.roots import unpacked

if TYPE_CHECKING:
    from collections.abc import Iterator

LEFT_OUT = pytest.StashKey[int]()
LONGEST = 900  # seconds: the first test that asks for a package waits for its root file system


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Building takes its time: it is done where changes are checked, or where it is asked for."""
    ours = [item for item in items if item.path.parent.name == "package"]
    for item in ours:
        if not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(LONGEST))
    if ours and "CI" not in os.environ and not any("package" in one for one in config.args):
        items[:] = [item for item in items if item not in ours]
        config.hook.pytest_deselected(items=ours)
        config.stash[LEFT_OUT] = len(ours)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say what was left out."""
    count = config.stash.get(LEFT_OUT, 0)
    if count:
        terminalreporter.write_line(
            f"{count} tests of the Debian package were left out; make test ARGS=tests/package"
        )


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    """Where the packages are built."""
    lacking = sorted({*missing(), *deb.missing()})
    if lacking:
        assert "CI" not in os.environ, f"to check changes this is needed: {', '.join(lacking)}"
        pytest.skip(f"no package can be built and tried here: {', '.join(lacking)} missing")
    made = Workshop(tmp_path_factory.mktemp("workshop"))
    try:
        made.tree  # noqa: B018 - waits
    except subprocess.CalledProcessError as error:
        made.close()
        if "CI" in os.environ:
            raise
        pytest.skip(f"no root file system could be made: {str(error.stderr)[-300:]}")
    yield made
    made.close()


@pytest.fixture(scope="module", params=list(RELEASES), ids=list(RELEASES.values()))
def machine(request: pytest.FixtureRequest, workshop: Workshop) -> Iterator[Machine]:
    """A minimal Debian that never saw the package, which is /root/spacedrive.deb, and the next
    version, /root/newer.deb. `alice` lingers: her manager runs. `bob` is not there."""
    with unpacked(root_archive(request.param)) as tree:
        shutil.copy(workshop.package, tree / "root/spacedrive.deb")
        shutil.copy(workshop.newer, tree / "root/newer.deb")
        made = Machine(request.param, tree)
        try:
            made.boot()
            made.run("useradd -m -s /bin/bash alice && loginctl enable-linger alice")
            made.run("useradd -m -s /bin/bash bob")
            made.run("systemctl is-system-running --wait", check=False)
            yield made
        finally:
            made.stop()
