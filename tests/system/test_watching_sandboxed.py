"""Files are watched from within the sandbox of the unit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from machine import Machine
    from service import Service


@pytest.fixture
def pictures(machine: Machine) -> str:
    folder = "/srv/watched"
    machine.run(f"rm -rf {folder}; mkdir -p {folder}/album; echo 1 > {folder}/album/one.jpg")
    machine.run(f"chown -R spacedrive: {folder}")
    return folder


def test_an_edited_file_is_found_at_once(service: Service, pictures: str) -> None:
    service.use("serve-srv")
    service.machine.run("systemctl restart spacedrive.service")
    service.sd("library create Home")
    service.machine.run(f"sd location add {pictures} --wait", user="bob")
    service.wait_for("sd --system --json location list | grep -q live")
    service.machine.run(f"echo 2 > {pictures}/album/seagull.jpg")
    service.wait_for("sd --system search seagull | grep -q seagull.jpg")
    service.machine.run(f"mv {pictures}/album {pictures}/beach")
    service.wait_for(f"sd --system search seagull | grep -q {pictures}/beach")
