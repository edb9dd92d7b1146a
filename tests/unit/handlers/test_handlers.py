"""Handlers, called as the server calls them: what is refused before anything is begun."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import msgspec
import pytest

import sd_wire.catalogue  # noqa: F401 - declares every operation
from sd_daemon.core.core import Core
from sd_daemon.handlers.handler import Context, Peer
from sd_daemon.server.routes import route_of
from sd_wire.errors import (
    InvalidValue,
    JobFailed,
    JobNotFound,
    LibraryNotFound,
    LibraryRequired,
    LocationNotFound,
    SdError,
    UnsupportedPath,
)
from sd_wire.operation import CATALOGUE, Permission
from sd_wire.operations.core import ConnectionCounts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from sd_daemon.core.bus import Published

ROOT = Peer(1, 0, 0, Permission.ADMIN)


@pytest.fixture
async def core(tmp_path: Path) -> AsyncIterator[Core]:
    core = await Core.open(str(tmp_path / "data"))
    yield core
    await core.close()


@pytest.fixture
async def home(core: Core) -> Any:
    return await core.libraries.create("Home", None, None)


async def call(core: Core, name: str, payload: Any = None, library: Any = None) -> Any:
    """What the operation answers to a payload."""
    operation = CATALOGUE[name]
    request = msgspec.convert(payload or {}, operation.request)
    context = Context(core, operation, ROOT, ConnectionCounts(), library_id=library)
    route = route_of(operation.method)
    assert route is not None
    answer = route.handler(context, request)
    return await answer if asyncio.iscoroutine(answer) else answer


async def test_a_library_is_named_or_the_only_one(core: Core) -> None:
    with pytest.raises(LibraryRequired, match="0 libraries are open"):
        await call(core, "locations.list")
    home = await core.libraries.create("Home", None, None)
    assert (await call(core, "locations.list")).locations == []
    await core.libraries.create("Work", None, None)
    with pytest.raises(LibraryRequired, match="2 libraries are open"):
        await call(core, "locations.list")
    assert (await call(core, "locations.list", library=home.id)).locations == []
    with pytest.raises(LibraryNotFound) as refused:
        await call(core, "locations.list", library=uuid4())
    assert refused.value.pointer == "/library_id"


@pytest.mark.parametrize("name", ["jobs.pause", "jobs.resume", "jobs.cancel"])
async def test_a_job_that_there_is_not(core: Core, home: Any, name: str) -> None:
    with pytest.raises(JobNotFound):
        await call(core, name, {"job_id": str(uuid4())})


async def test_a_job_is_looked_for_without_naming_a_library(core: Core) -> None:
    assert await call(core, "jobs.info", {"job_id": str(uuid4())}) is None


@pytest.mark.parametrize(
    ("payload", "pointer"),
    [
        ({"paths": []}, "/payload/paths"),
        ({"paths": ["relative"]}, "/payload/paths/0"),
        ({"paths": ["/a\0b"]}, "/payload/paths/0"),
        ({"paths": ["/x"], "persistence": "Ephemeral"}, "/payload/persistence"),
    ],
)
async def test_what_cannot_be_indexed_is_refused_with_its_place(
    core: Core, home: Any, payload: Any, pointer: str
) -> None:
    with pytest.raises(InvalidValue) as refused:
        await call(core, "indexing.start", payload)
    assert refused.value.pointer == pointer
    assert await home.jobs.listed() == []


@pytest.mark.parametrize(
    "name",
    ["locations.remove", "locations.rescan", "locations.update", "locations.enable_indexing"],
)
async def test_a_location_that_there_is_not(core: Core, home: Any, name: str) -> None:
    field = "location_id" if name in ("locations.remove", "locations.rescan") else "id"
    with pytest.raises(LocationNotFound) as refused:
        await call(core, name, {field: str(uuid4())})
    assert refused.value.pointer == f"/payload/{field}"


@pytest.mark.parametrize(
    "path", ["x", "", {"Cloud": {"service": "s3", "identifier": "", "path": ""}}]
)
async def test_a_path_that_is_not_on_this_device(core: Core, home: Any, path: Any) -> None:
    for name in ("locations.add", "locations.validate_path"):
        with pytest.raises(UnsupportedPath):
            await call(core, name, {"path": path})


async def test_every_refusal_is_one_that_the_operation_declares(core: Core, home: Any) -> None:
    """Clients learn from the contract what to expect."""
    wrong: list[tuple[str, Any]] = [
        ("libraries.create", {"name": ".."}),
        ("libraries.create", {"name": "x", "path": "relative"}),
        ("libraries.open", {"path": "/nowhere"}),
        ("libraries.open", {"path": "relative"}),
        ("libraries.close", {"library_id": str(uuid4())}),
        ("libraries.rename", {"library_id": str(uuid4()), "new_name": "x"}),
        ("libraries.rename", {"library_id": str(home.id), "new_name": "."}),
        ("libraries.delete", {"library_id": str(uuid4())}),
        ("libraries.export", {"library_id": str(home.id), "export_path": home.path}),
        ("libraries.export", {"library_id": str(home.id), "export_path": "x"}),
        ("locations.add", {"path": "/nowhere"}),
        ("locations.add", {"path": "/etc/passwd"}),
        ("locations.add", {"path": "/etc", "job_policies": 7}),
        ("locations.add", {"path": "/a\0"}),
        ("locations.remove", {"location_id": str(uuid4())}),
        ("locations.rescan", {"location_id": str(uuid4())}),
        ("locations.export", {"location_uuid": str(uuid4()), "export_path": "/x"}),
        ("locations.import", {"import_path": "/nowhere"}),
        ("locations.import", {"import_path": "/etc/passwd"}),
        ("locations.import", {"import_path": "x"}),
        ("config.app.update", {"log_level": "loud"}),
        ("indexing.start", {"paths": ["x"]}),
        ("indexing.start", {"paths": ["/nowhere"]}),
        ("jobs.pause", {"job_id": str(uuid4())}),
    ]
    for name, payload in wrong:
        with pytest.raises(SdError) as refused:
            await call(core, name, payload)
        assert type(refused.value) in CATALOGUE[name].errors, (name, payload, refused.value)


async def test_nothing_different_is_nothing_announced(core: Core, home: Any) -> None:
    heard: list[Published] = []
    core.bus.subscribe([], heard.append)
    for name in ("config.library.update", "config.app.update"):
        assert (await call(core, name)).message == "nothing was different"
    assert not heard


async def test_settings_that_change_at_once_all_count(core: Core, home: Any) -> None:
    changes: list[dict[str, Any]] = [{"no_git": False}, {"no_hidden": True}, {"sync_enabled": True}]
    await asyncio.gather(*(call(core, "config.library.update", change) for change in changes))
    config = await call(core, "config.library.get")
    assert (config.indexer.no_git, config.indexer.no_hidden) == (False, True)
    assert config.sync_enabled is True


async def test_a_job_that_was_waited_for_and_is_interrupted_says_so(
    core: Core, home: Any, tmp_path: Path
) -> None:
    """The library is closed while somebody waits for its job."""
    tree = tmp_path / "tree"
    tree.mkdir()
    location = (await call(core, "locations.add", {"path": str(tree)})).location_id
    wanted = {"location_uuid": str(location), "export_path": str(tmp_path / "x.sql")}
    queued = asyncio.Event()
    core.bus.subscribe(["JobQueued"], lambda _: queued.set())
    export = asyncio.create_task(call(core, "locations.export", wanted))
    await queued.wait()  # behind the job that indexes
    await core.libraries.close(home.id)
    with pytest.raises(JobFailed, match="it was interrupted, and goes on when its library is open"):
        await export
