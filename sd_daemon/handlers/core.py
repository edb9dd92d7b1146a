"""What the daemon is, what it announces, and what it can be asked. All of it measured or derived.

The version is the installed package's; a checkout that was never installed has 0+unknown.
"""

from __future__ import annotations

import asyncio
import os
import resource
import sys
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING

import sd_daemon
from sd_daemon.core.device import hardware_model, operating_system
from sd_daemon.core.late import load
from sd_daemon.handlers.handler import Context, Peer, handles
from sd_daemon.handlers.network import NOT_RUNNING
from sd_wire.errors import MethodNotFound
from sd_wire.events import EVENTS
from sd_wire.operation import CATALOGUE, METHODS
from sd_wire.operations.core import (
    CoreStatus,
    Describe,
    Description,
    DeviceInfo,
    EventInfo,
    EventList,
    GetStatus,
    ListEvents,
    ServiceState,
    ServiceStatus,
    SystemInfo,
)
from sd_wire.places import log_path
from sd_wire.types.peers import PeerInfo

if TYPE_CHECKING:
    from sd_daemon.core.core import Core


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
        services=_services(core),
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
async def describe(context: Context, request: Describe) -> Description:
    """The contract, or what concerns one operation of it. Made when it is first asked for, which
    takes a tenth of a second that nobody else has to wait."""
    whole = await asyncio.to_thread(_contract)
    if request.method is None:
        return whole
    operation = METHODS.get(request.method) or CATALOGUE.get(request.method)
    if operation is None:
        raise MethodNotFound(method=request.method[:200], pointer="/payload/method")
    found: Description = load("sd_wire.describe:contract_of")(operation)
    return found


def _contract() -> Description:
    """All of it. With it every operation is read, too."""
    whole: Description = load("sd_wire.describe:contract")()
    return whole


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


def _watcher(core: Core) -> ServiceState:
    """Whether locations are watched, and how many of them as it happens."""
    if not core.services.fs_watcher_enabled:
        return ServiceState(
            running=False, details="turned off: rescan a location to see what changed"
        )
    opened = core.libraries.open_libraries.values()
    states = [state for library in opened for state in library.watched.values()]
    live = sum(state.live and not state.periodic for state in states)
    details = f"{live} of {len(states)} locations live" if states else None
    return ServiceState(running=True, details=details)


def _services(core: Core) -> ServiceStatus:
    not_built = "not built yet"
    return ServiceStatus(
        location_watcher=_watcher(core),
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
        log_file=core.log_file or log_path(core.data_dir),
    )


def peer_info(peer: Peer) -> PeerInfo:
    """A peer as clients see it."""
    return PeerInfo(peer.pid, peer.uid, peer.gid, str(peer.permission), list(peer.groups))


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
