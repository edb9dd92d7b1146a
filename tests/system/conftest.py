"""A booted Debian with the project installed, one for each release, shared by the tests."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from installed import install
from machine import RELEASES, Machine, missing, root_archive, unpacked

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session", params=list(RELEASES), ids=list(RELEASES.values()))
def machine(request: pytest.FixtureRequest) -> Iterator[Machine]:
    """It runs until the tests of its release are done. `alice` lingers, `bob` is in the group."""
    lacking = missing()
    if lacking:
        pytest.skip(f"no container can be booted here: {', '.join(lacking)} missing")
    try:
        root_archive(request.param)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no root file system could be made: {error.stderr.decode()[-300:]}")
    with unpacked(request.param) as tree:
        install(request.param, tree)
        made = Machine(request.param, tree)
        try:
            made.boot()
            made.run("systemd-sysusers && systemctl daemon-reload")
            made.run("useradd -m -s /bin/bash alice && loginctl enable-linger alice")
            made.run("useradd -m -s /bin/bash -G spacedrive bob && useradd -m -s /bin/bash carol")
            made.run("systemctl is-system-running --wait", check=False)
            yield made
        finally:
            made.stop()
