"""The daemon as a whole."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec

from sd_wire.errors import MethodNotFound
from sd_wire.operation import Request, Scope, doc, query
from sd_wire.operations.network import NetworkStatus
from sd_wire.types.libraries import LibraryInfo
from sd_wire.types.peers import PeerInfo


class DeviceInfo(msgspec.Struct):
    """This machine, briefly."""

    id: UUID
    name: str
    slug: str
    os: str
    hardware_model: str | None
    created_at: datetime


class ServiceState(msgspec.Struct):
    """Whether a part of the daemon runs, and what there is to say about it."""

    running: bool
    details: str | None = None


class ServiceStatus(msgspec.Struct):
    """The parts of the daemon that may or may not run."""

    location_watcher: ServiceState
    networking: ServiceState
    volume_monitor: ServiceState
    file_sharing: ServiceState


class SystemInfo(msgspec.Struct):
    """The process that answers."""

    uptime: Annotated[int, doc("seconds")]
    data_directory: str
    instance_name: str | None
    current_library: str | None
    pid: int = 0  # ours, as is all that follows
    started_at: datetime | None = None
    python: str = ""
    memory_resident: Annotated[int, doc("bytes")] = 0
    open_files: int = 0
    open_files_limit: int = 0
    socket: str = ""
    log_file: str = ""


class JobCounts(msgspec.Struct):
    """Jobs of all open libraries."""

    queued: int = 0
    running: int = 0
    paused: int = 0


class ConnectionCounts(msgspec.Struct):
    """Clients and what they watch."""

    connections: int = 0
    subscriptions: int = 0
    requests: Annotated[int, doc("answered since start")] = 0


class CoreStatus(msgspec.Struct):
    """What the daemon is and does right now. All of it is measured when asked."""

    version: str
    built_at: str
    library_count: int
    device_info: DeviceInfo
    libraries: list[LibraryInfo]
    services: ServiceStatus
    network: NetworkStatus
    system: SystemInfo
    jobs: JobCounts = msgspec.field(default_factory=JobCounts)  # ours
    clients: ConnectionCounts = msgspec.field(default_factory=ConnectionCounts)  # ours
    peer: PeerInfo | None = None  # ours
    problems: Annotated[list[str], doc("sentences about what needs attention")] = []  # ours


@query("core.status", scope=Scope.CORE)
class GetStatus(Request[CoreStatus]):
    """Version, libraries, jobs, services and the state of the process."""


class EventInfo(msgspec.Struct):
    """One kind of event."""

    variant: str
    is_noisy: bool
    description: str


class EventList(msgspec.Struct):
    """The kinds of events that can be subscribed to."""

    all_events: list[str]
    noisy_events: list[str]
    event_info: list[EventInfo]


@query("core.events.list", scope=Scope.CORE)
class ListEvents(Request[EventList]):
    """Every kind of event, with its documentation."""


class OperationDescription(msgspec.Struct):
    """One operation, as a program can read it."""

    name: str
    method: str
    kind: Annotated[str, doc("query or action")]
    scope: Annotated[str, doc("core or library")]
    permission: Annotated[str, doc("what a caller needs: read, write or admin")]
    documentation: str
    request: Annotated[dict[str, Any], doc("the schema of the payload")]
    result: Annotated[dict[str, Any], doc("the schema of what stands behind `JsonOk`")]
    errors: Annotated[list[str], doc("codes of the errors of its own")]


class ErrorDescription(msgspec.Struct):
    """One kind of failure."""

    code: str
    kind: str
    message: Annotated[str, doc("with the names of its fields in braces")]
    hint: str | None
    exit_status: Annotated[int, doc("how the `sd` command ends with it")]
    retryable: Annotated[bool, doc("whether the same request may succeed later")]
    documentation: str


class EventDescription(msgspec.Struct):
    """One kind of event."""

    name: str
    documentation: str
    noisy: Annotated[bool, doc("may come many times a second")]
    asked_for: Annotated[bool, doc("comes only to subscriptions that name it")]
    schema: Annotated[dict[str, Any], doc("the event as it stands behind `Event`")]


class Description(msgspec.Struct, omit_defaults=True):
    """The contract of this daemon. The whole of it is a JSON Schema (2020-12) by which every line
    of the wire is valid; its `$defs` are the types of everything."""

    dialect: Annotated[str, doc("which JSON Schema this is")] = msgspec.field(name="$schema")
    title: str
    protocol: Annotated[int, doc("the version of the protocol")]
    operations: list[OperationDescription]
    events: list[EventDescription]
    errors: list[ErrorDescription]
    types: Annotated[dict[str, Any], doc("every type by its name")] = msgspec.field(name="$defs")
    messages: Annotated[
        list[dict[str, Any]], doc("what a line can be: the whole contract has it")
    ] = msgspec.field(name="anyOf", default_factory=list)


@query("core.describe", scope=Scope.CORE, errors=(MethodNotFound,))
class Describe(Request[Description]):
    """The whole contract, or one operation of it, as JSON Schema."""

    method: Annotated[
        str | None, doc("one operation, by its name or method; all when it is left out")
    ] = None
