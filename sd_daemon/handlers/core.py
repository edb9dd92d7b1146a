"""What the daemon is, what it announces, and what it can be asked. All of it measured or derived.

The version is the installed package's; a checkout that was never installed has 0+unknown.
"""

from __future__ import annotations

import os
import resource
import sys
from datetime import UTC, datetime
from functools import cache
from inspect import cleandoc
from typing import TYPE_CHECKING, Any

import msgspec

import sd_daemon
from sd_daemon.core.device import hardware_model, operating_system
from sd_daemon.handlers.handler import Context, Peer, handles
from sd_daemon.handlers.network import NOT_RUNNING
from sd_wire.errors import MethodNotFound, SdError
from sd_wire.events import EVENTS
from sd_wire.operation import CATALOGUE, METHODS, Operation
from sd_wire.operations.core import (
    CoreStatus,
    Describe,
    Description,
    DeviceInfo,
    ErrorDescription,
    EventDescription,
    EventInfo,
    EventList,
    GetStatus,
    ListEvents,
    OperationDescription,
    ServiceState,
    ServiceStatus,
    SystemInfo,
)
from sd_wire.places import log_path
from sd_wire.types.peers import PeerInfo

if TYPE_CHECKING:
    from sd_daemon.core.core import Core

_REFERENCES = "#/$defs/{name}"


@cache
def daemon_version() -> str:
    """The version of the installed package.

    Its metadata lie in a folder that is called after it. `importlib.metadata` finds the same one,
    for 1.6 MiB of memory: it brings the email package along, and zipfile.
    """
    for place in sys.path:
        try:
            names = os.listdir(place or ".")
        except OSError:
            continue
        for name in names:
            package, _, version = name.removesuffix(".dist-info").partition("-")
            if package == "spacedrive" and name.endswith(".dist-info"):
                return version
    return "0+unknown"


@handles(GetStatus)
async def status(context: Context, request: GetStatus) -> CoreStatus:
    """Ask everything that knows something."""
    core = context.core
    libraries = await core.libraries.list(include_stats=False)
    return CoreStatus(
        version=daemon_version(),
        built_at=_built_at(),
        library_count=len(libraries),
        device_info=_device(core),
        libraries=libraries,
        services=_services(),
        network=NOT_RUNNING,
        system=_system(core, context.socket),
        jobs=await core.job_counts(),
        clients=context.counts,
        peer=peer_info(context.peer),
        problems=core.problems,
    )


@handles(ListEvents)
def list_events(context: Context, request: ListEvents) -> EventList:
    """The catalogue of events."""
    return EventList(
        all_events=list(EVENTS),
        noisy_events=[name for name, cls in EVENTS.items() if cls.noisy],
        event_info=[
            EventInfo(name, cls.noisy, (cls.__doc__ or "").strip()) for name, cls in EVENTS.items()
        ],
    )


@handles(Describe)
def describe(context: Context, request: Describe) -> Description:
    """The contract, or what concerns one operation of it."""
    whole = _contract()
    if request.method is None:
        return whole
    operation = METHODS.get(request.method) or CATALOGUE.get(request.method)
    if operation is None:
        raise MethodNotFound(method=request.method[:200], pointer="/payload/method")
    described = next(one for one in whole.operations if one.name == operation.name)
    return Description(
        version=whole.version,
        operations=[described],
        events=[],
        errors=[one for one in whole.errors if one.code in described.errors],
        types=_reachable([described.request, described.result], whole.types),
    )


# --- core.status ---------------------------------------------------------------------------------


@cache
def _built_at() -> str:
    made = os.path.getmtime(sd_daemon.__file__)
    return datetime.fromtimestamp(made, UTC).isoformat(timespec="seconds")


@cache
def _device_facts() -> tuple[str, str | None]:
    return str(operating_system()), hardware_model()


def _device(core: Core) -> DeviceInfo:
    known = core.device
    system, model = _device_facts()
    return DeviceInfo(known.id, known.name, known.slug, system, model, known.created_at)


def _services() -> ServiceStatus:
    not_built = "not built yet"
    return ServiceStatus(
        location_watcher=ServiceState(
            running=False, details=f"{not_built}: rescan a location to see what changed"
        ),
        networking=ServiceState(running=False, details=not_built),
        volume_monitor=ServiceState(
            running=False, details=f"{not_built}: volumes are read when they are asked for"
        ),
        file_sharing=ServiceState(running=False, details=not_built),
    )


def _system(core: Core, socket: str) -> SystemInfo:
    open_libraries = list(core.libraries.open_libraries)
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return SystemInfo(
        uptime=int((datetime.now(UTC) - core.started_at).total_seconds()),
        data_directory=core.data_dir,
        instance_name=core.instance,
        current_library=str(open_libraries[0]) if len(open_libraries) == 1 else None,
        pid=os.getpid(),
        started_at=core.started_at,
        python=sys.version.split()[0],
        memory_resident=_memory(),
        open_files=_open_files(),
        open_files_limit=limit,
        socket=socket,
        log_file=log_path(core.data_dir),
    )


def peer_info(peer: Peer) -> PeerInfo:
    """A peer as clients see it."""
    return PeerInfo(peer.pid, peer.uid, peer.gid, str(peer.permission))


def _memory() -> int:
    """Resident bytes now; where the system does not tell, the most there ever were."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * resource.getpagesize()
    except OSError:
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024


def _open_files() -> int:
    for folder in ("/proc/self/fd", "/dev/fd"):
        try:
            return len(os.listdir(folder)) - 1  # the listing itself has one open
        except OSError:
            continue
    return 0


# --- core.describe -------------------------------------------------------------------------------


@cache
def _contract() -> Description:
    """Everything that is declared, as JSON Schema. Built when first asked for: 40 ms, 1 MiB."""
    operations = sorted(CATALOGUE.values(), key=lambda one: one.name)
    events = list(EVENTS.values())
    results = [operation.result for operation in operations]
    types: list[Any] = [operation.request for operation in operations]
    schemas, components = msgspec.json.schema_components(
        [*types, *results, *events], ref_template=_REFERENCES
    )
    requests, answers, happenings = (
        schemas[: len(types)],
        schemas[len(types) : 2 * len(types)],
        schemas[2 * len(types) :],
    )
    return Description(
        version=daemon_version(),
        operations=[
            _operation(operation, request, answer)
            for operation, request, answer in zip(operations, requests, answers, strict=True)
        ],
        events=[
            EventDescription(cls.__name__, (cls.__doc__ or "").strip(), schema)
            for cls, schema in zip(events, happenings, strict=True)
        ],
        errors=[_error(cls) for cls in SdError.catalogue.values()],
        types=components,
    )


def _operation(
    operation: Operation, request: dict[str, Any], result: dict[str, Any]
) -> OperationDescription:
    return OperationDescription(
        name=operation.name,
        method=operation.method,
        kind=str(operation.kind),
        scope=str(operation.scope),
        permission=str(operation.permission),
        documentation=cleandoc(operation.documentation),
        request=request,
        result=result,
        errors=[cls.code for cls in operation.errors],
    )


def _error(cls: type[SdError]) -> ErrorDescription:
    return ErrorDescription(
        code=cls.code,
        kind=cls.kind,
        message=cls.message,
        hint=cls.hint,
        exit_status=int(cls.exit_status),
        retryable=cls.retryable,
        documentation=(cls.__doc__ or "").strip(),
    )


def _reachable(schemas: list[dict[str, Any]], types: dict[str, Any]) -> dict[str, Any]:
    """The types that the schemas refer to, and those that these refer to."""
    found: dict[str, Any] = {}
    waiting: list[Any] = list(schemas)
    while waiting:
        part = waiting.pop()
        if isinstance(part, list):
            waiting.extend(part)
        elif isinstance(part, dict):
            waiting.extend(part.values())
            name = str(part.get("$ref", "")).rpartition("/")[2]
            if name in types and name not in found:
                found[name] = types[name]
                waiting.append(types[name])
    return {name: types[name] for name in sorted(found)}
