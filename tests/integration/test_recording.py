"""The record of what daemons say finds what is not as it is declared."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cli_command import Sd
from recording import read_all, report

if TYPE_CHECKING:
    from running import Daemon


def recorded(pid: int) -> Path:
    """What a daemon of this run has written down."""
    (path,) = Path(os.environ["RECORD_WIRE_TO"]).glob(f"{pid}-*")
    return path


@pytest.mark.parametrize(
    ("said", "instead", "found"),
    [
        (b"", b"", None),
        (b'"library_count"', b'"library_coumt"', "core.status"),
        (b'"pid":', b'"qid":', "core.status"),
        (b'"LibraryCreated":{"id"', b'"LibraryCreated":{"ix"', "LibraryCreated"),
        (b'"LibraryCreated"', b'"LibraryCroaked"', "not declared"),
        (b'"code":"library-exists"', b'"code":"library-exalts"', "library-exalts"),
        (b"already exists", b"already exalts", "library-exists"),
        (b'{"JsonOk"', b'{"JsonOh"', "unknown keys"),
        (b'"id":77', b'"id":78', "nobody asked"),
        (b'"Pong"', b'"Pong,', "no reply"),
    ],
)
def test_what_is_not_as_declared_is_found(
    daemon: Daemon, tmp_path: Path, said: bytes, instead: bytes, found: str | None
) -> None:
    create = {"method": "action:libraries.create.input", "payload": {"name": "Home", "path": None}}
    with daemon.connect() as wire:
        assert wire.ask("Ping") == "Pong"
        wire.ask({"Subscribe": {"event_types": ["LibraryCreated"]}, "id": "w"})
        wire.send({"Action": create, "id": 1})
        wire.read(), wire.read()  # the answer and the event, in either order
        wire.ask({"Action": create, "id": 2})
        wire.ask({"Query": {"method": "query:core.status"}, "id": 77})
    assert daemon.process is not None
    copy = tmp_path / "record"
    copy.mkdir()
    shutil.copy(recorded(daemon.process.pid), copy)
    (path,) = copy.iterdir()
    bare = path.read_bytes()
    assert said in bare
    # Requests are left as they are: only what the daemon said is tampered with.
    path.write_bytes(bare.replace(said, instead) if said else bare)
    lines = report(read_all(copy), complete=False)
    if found is None:
        assert lines == []
    else:
        assert [line for line in lines if found in line]


def test_what_no_test_has_met_is_told(tmp_path: Path) -> None:
    lines = report(read_all(tmp_path), complete=True)
    assert "never met by any test: core.status" in lines
    assert "never met by any test: LibraryCreated" in lines
    assert "never met by any test: library-exists" in lines
    assert not [line for line in lines if "daemon-not-running" in line]
    assert report(read_all(tmp_path), complete=False) == []


def test_a_daemon_that_a_command_starts_is_recorded_too(tmp_path: Path) -> None:
    sd = Sd(tmp_path / "data")
    sd.good("start")
    try:
        pid = int(sd.good("--json", "status").out.partition(b'"pid":')[2].split(b",")[0])
        assert recorded(pid).stat().st_size > 0
    finally:
        sd.good("stop")
