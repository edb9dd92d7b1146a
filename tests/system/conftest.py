"""A booted Debian with the project installed, one for each release, shared by the tests."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from installed import install
from machine import RELEASES, Machine, missing, root_archive
from service import Service

from release.roots import unpacked

if TYPE_CHECKING:
    from collections.abc import Iterator

SCRIPTS = [Path(__file__).with_name(name) for name in ("inside.py", "faulty.py")]


@pytest.fixture(scope="session", params=list(RELEASES), ids=list(RELEASES.values()))
def machine(request: pytest.FixtureRequest) -> Iterator[Machine]:
    """It runs until the tests of its release are done. `alice` lingers, `bob` is in the group."""
    lacking = missing()
    if lacking:
        pytest.skip(f"no container can be booted here: {', '.join(lacking)} missing")
    try:
        archive = root_archive(request.param)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no root file system could be made: {error.stderr.decode()[-300:]}")
    with unpacked(archive) as tree:
        install(tree)
        made = Machine(request.param, tree)
        try:
            for script in SCRIPTS:
                made.write(f"/usr/local/lib/{script.name}", script.read_text())
            made.boot()
            made.run("systemd-sysusers && systemctl daemon-reload")
            made.run("python3 -m compileall -q -j 2 /usr/lib/spacedrive")  # as a package's does
            made.run("useradd -m -s /bin/bash alice && loginctl enable-linger alice")
            made.run("useradd -m -s /bin/bash -G spacedrive bob && useradd -m -s /bin/bash carol")
            made.run("systemctl is-system-running --wait", check=False)
            yield made
        finally:
            made.stop()


@pytest.fixture
def service(machine: Machine) -> Iterator[Service]:
    """The system's daemon, new."""
    made = Service(machine)
    yield made
    if made.changed:
        made.reset()
