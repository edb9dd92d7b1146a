"""What a request names, what is left alone, and which folders are read again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sd_daemon.core.fileops.comparing import compare
from sd_daemon.core.fileops.erasing import caveats
from sd_daemon.core.fileops.failures import LISTED, Failures
from sd_daemon.core.fileops.protected import Protected
from sd_daemon.core.fileops.targets import outermost
from sd_wire.errors import PathNotFound, PathProtected, PathUnusable

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("paths", "left"),
    [
        (["/a", "/a/b", "/a/b/c"], ["/a"]),
        (["/a/b", "/a"], ["/a"]),
        (["/a", "/ab", "/a"], ["/a", "/ab"]),
        (["/"], ["/"]),
    ],
)
def test_what_is_inside_another_goes_with_it(paths: list[str], left: list[str]) -> None:
    assert outermost(paths) == left


def test_failures_have_one_code_where_they_share_it() -> None:
    failures = Failures()
    for number in range(LISTED):
        failures.add(f"/{number}", PathUnusable(path=f"/{number}", reason="it is odd"), "it is odd")
    assert (failures.code, len(failures.listed()), failures.warnings()) == (
        "path-unusable",
        LISTED,
        [],
    )
    failures.add("/gone", PathNotFound(path="/gone"))
    assert (failures.count, failures.code, len(failures.listed())) == (LISTED + 1, None, LISTED)
    assert failures.warnings() == ["101 could not be dealt with; the first 100 are listed"]


def test_what_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "data" / "inside").mkdir(parents=True)
    (tmp_path / "way").symlink_to(tmp_path / "data")
    protected = Protected([str(tmp_path / "data")], ["/place/location"])
    for path in (
        *("/", "/proc", str(tmp_path), str(tmp_path / "data"), str(tmp_path / "data" / "inside")),
        *(str(tmp_path / "way" / "inside"), "/place/location", "/place"),
    ):
        with pytest.raises(PathProtected):
            protected.check(path)
    for path in ("/place/location/file", str(tmp_path / "other"), str(tmp_path / "way")):
        protected.check(path)


def test_files_are_compared_byte_for_byte(tmp_path: Path) -> None:
    def write(name: str, content: bytes) -> str:
        (tmp_path / name).write_bytes(content)
        return str(tmp_path / name)

    large = b"x" * ((1 << 20) + 5)
    one = write("one", large)
    heard: list[int] = []
    assert compare(one, write("same", large), heard.append).reason is None
    assert sum(heard) == len(large)
    for other in (large[:-1] + b"y", large + b"x", b""):
        assert compare(one, write("other", other), heard.append).reason is not None
    assert compare(one, one, heard.append).reason == "it is another name of that file"
    (tmp_path / "link").symlink_to(one)
    with pytest.raises(OSError, match="symbolic links"):
        compare(one, str(tmp_path / "link"), heard.append)
    copy = write("copy", large)

    def change(_: int) -> None:
        (tmp_path / "copy").write_bytes(large)

    assert compare(one, copy, change).reason == "it was changed while it was compared"


def test_what_overwriting_cannot_promise_is_said(tmp_path: Path) -> None:
    assert any("in memory" in caveat for caveat in caveats("/dev/shm/x"))
    assert all(isinstance(caveat, str) for caveat in caveats(str(tmp_path)))
