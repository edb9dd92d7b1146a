"""What is mounted, as the kernel writes it down."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as some

from sd_daemon.core.bus import Bus
from sd_daemon.core.mount_table import parse_mountinfo
from sd_daemon.core.volumes import Volumes, volume_of

if TYPE_CHECKING:
    from sd_wire.types.volumes import Volume

PLAIN = (
    b"22 1 259:2 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p2 rw,errors=remount-ro\n"
    b"98 22 0:45 / /mnt/Photos\\040\\134\\0402024 ro,nosuid - ext4 /dev/sdb1 rw\n"
)


def escaped(name: bytes) -> bytes:
    """As the kernel's mangle() does it: space, tab, newline and backslash."""
    return b"".join(b"\\%03o" % byte if byte in b" \t\n\\" else bytes([byte]) for byte in name)


def test_the_table_of_an_ordinary_machine() -> None:
    root, photos = parse_mountinfo(PLAIN)
    assert (root.device, root.point, root.kind, root.source) == (
        "259:2",
        b"/",
        "ext4",
        "/dev/nvme0n1p2",
    )
    assert photos.point == b"/mnt/Photos \\ 2024"
    assert "ro" in photos.options


@given(some.binary(min_size=1, max_size=60).filter(lambda name: b"\0" not in name))
def test_any_mount_point_comes_back_byte_for_byte(name: bytes) -> None:
    line = b"98 22 0:45 / /" + escaped(name) + b" rw shared:7 master:1 - fuse.x " + escaped(name)
    (mount,) = parse_mountinfo(line + b" rw\n")
    assert mount.point == b"/" + name


@given(some.binary(max_size=300))
def test_nonsense_is_passed_over(text: bytes) -> None:
    mounts = parse_mountinfo(text + b"\n" + PLAIN)
    assert [mount.point for mount in mounts[-2:]] == [b"/", b"/mnt/Photos \\ 2024"]


def test_an_escape_that_is_no_byte_is_left_alone() -> None:
    (mount,) = parse_mountinfo(b"1 2 3:4 / /x\\777y rw - ext4 /dev/sda rw\n")
    assert mount.point == b"/x\\777y"


def test_a_file_system_that_was_remounted_read_only_is_read_only() -> None:
    (mount,) = parse_mountinfo(b"1 2 3:4 / /x rw,relatime - ext4 /dev/sda ro,errors=continue\n")
    assert "ro" in mount.options


def volumes_here() -> list[Volume]:
    return asyncio.run(Volumes(uuid4(), Bus()).list())


def test_the_volumes_of_this_machine() -> None:
    found = volumes_here()
    root = volume_of(found, "/")
    assert root is not None
    assert root.mount_point == "/"
    space = os.statvfs("/")
    assert root.total_capacity == space.f_blocks * space.f_frsize
    assert [volume.mount_point for volume in found] == sorted(one.mount_point for one in found)


@pytest.mark.parametrize("path", ["/proc-like", "/etc/hostname2", "/no/such/place"])
def test_a_path_lies_on_the_volume_with_the_longest_mount_point(path: str) -> None:
    found = volumes_here()
    volume = volume_of(found, path)
    assert volume is not None
    best = max(
        (
            point
            for one in found
            for point in one.mount_points
            if (path + "/").startswith(point.rstrip("/") + "/")
        ),
        key=len,
    )
    assert best in volume.mount_points


def test_a_sibling_with_a_longer_name_is_not_inside() -> None:
    found = volumes_here()
    inner = next((one for one in found if one.mount_point != "/"), None)
    if inner is None:
        pytest.skip("nothing is mounted below /")
    beside = volume_of(found, inner.mount_point + "-beside")
    assert beside is None or inner.mount_point != beside.mount_point


def test_the_first_look_announces_nothing() -> None:
    heard: list[object] = []

    async def look() -> None:
        bus = Bus()
        bus.subscribe([], heard.append)
        volumes = Volumes(uuid4(), bus)
        answered, _ = await volumes.refresh(None, announce_all=False)
        assert answered >= 1

    asyncio.run(look())
    assert not heard
