"""Configuration of the daemon and of a library."""

from __future__ import annotations

from typing import Annotated

import msgspec

from sd_wire.errors import (
    DataFolderUnusable,
    DiskFull,
    FileDamaged,
    InvalidValue,
    StorageReadOnly,
)
from sd_wire.operation import (
    Natural,
    Percent,
    Permission,
    Positive,
    Request,
    Scope,
    action,
    doc,
    query,
)
from sd_wire.types.libraries import IndexerSettings

Language = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class Preferences(msgspec.Struct):
    """What user interfaces look like."""

    theme: str = "system"
    language: str = "en"


class JobLoggingConfig(msgspec.Struct):
    """Logs of single jobs."""

    enabled: bool = True
    log_directory: Annotated[str, doc("where, below the data folder")] = "logs"
    max_file_size: Annotated[Natural, doc("how large one may become, in bytes")] = 10 * 1024 * 1024
    include_debug: bool = False
    log_ephemeral_jobs: Annotated[bool, doc("also for jobs that nobody keeps")] = False


class ServiceConfig(msgspec.Struct):
    """Parts of the daemon that can be switched off."""

    networking_enabled: bool = False
    volume_monitoring_enabled: bool = True
    fs_watcher_enabled: Annotated[bool, doc("notice changes of files as they happen")] = True
    fs_scan_seconds: Annotated[  # ours
        Natural, doc("from one scan of what cannot be watched to the next; 0: it is not scanned")
    ] = 600
    fs_answer_seconds: Annotated[  # ours
        Positive, doc("how long a filesystem may take to answer, before others go on without it")
    ] = 30
    statistics_listener_enabled: bool = True


class LoggingConfig(msgspec.Struct):
    """What the daemon logs."""

    main_filter: Annotated[
        str, doc("what is recorded: LEVEL, or TARGET=LEVEL, separated by commas")
    ] = "info"


class ProxyPairingConfig(msgspec.Struct):
    """How devices vouch for each other."""

    auto_accept_vouched: bool = True
    auto_vouch_to_all: bool = False
    vouch_signature_max_age: Annotated[Natural, doc("seconds")] = 300
    vouch_response_timeout: Annotated[Natural, doc("seconds")] = 60
    vouch_queue_retry_limit: Natural = 5


class AccessConfig(msgspec.Struct):
    """Who may do what. Whoever is named more than once has the most of it; the daemon's own user
    and root may always do everything."""

    read: Annotated[list[str], doc("user:NAME, user:UID, group:NAME or group:GID")] = []
    write: list[str] = []
    admin: list[str] = []
    others: Annotated[
        str, doc("what those who are not named may do: none, read, write or admin")
    ] = "write"


class LimitsConfig(msgspec.Struct):
    """How much of the daemon its clients may occupy."""

    connections_per_user: Natural = (
        0  # 0: a quarter of all; the daemon's own user and root: any number
    )
    idle_seconds: Annotated[
        Natural, doc("a connection that is silent for so long is closed; 0: never")
    ] = 0
    unread_seconds: Annotated[
        Natural, doc("a client that leaves its answers unread for so long is cut off")
    ] = 30
    unfinished_bytes: Annotated[
        Natural, doc("of requests that have not arrived whole, over all connections; 0: any number")
    ] = 64 * 1024 * 1024
    file_operations: Annotated[
        Positive, doc("so many jobs that copy, move or delete files run at the same time")
    ] = 2


class AppConfig(msgspec.Struct):
    """The configuration of the daemon."""

    version: Natural
    data_dir: str
    log_level: str
    telemetry_enabled: bool
    preferences: Preferences
    job_logging: JobLoggingConfig
    services: ServiceConfig
    logging: LoggingConfig
    proxy_pairing: ProxyPairingConfig
    access: AccessConfig = msgspec.field(default_factory=AccessConfig)  # ours
    limits: LimitsConfig = msgspec.field(default_factory=LimitsConfig)  # ours


@query("config.app.get", scope=Scope.CORE)
class GetAppConfig(Request[AppConfig]):
    """The configuration of the daemon."""


class AppConfigUpdated(msgspec.Struct):
    """Whether a change took effect."""

    success: bool
    message: str
    requires_restart: bool


@action(
    "config.app.update",
    scope=Scope.CORE,
    permission=Permission.ADMIN,
    errors=(InvalidValue, FileDamaged, DataFolderUnusable, StorageReadOnly, DiskFull),
)
class UpdateAppConfig(Request[AppConfigUpdated]):
    """Change the configuration of the daemon. What is left out stays as it is in spacedrive.json;
    what was edited there counts from now on. Where that file is damaged, it is left alone."""

    telemetry_enabled: Annotated[bool | None, doc("never sends anything; kept for clients")] = None
    log_level: Annotated[str | None, doc("error, warn, info, debug or trace")] = None
    theme: Annotated[str | None, doc("how user interfaces look: system, light or dark")] = None
    language: Annotated[Language | None, doc("what user interfaces are in, as in en or de")] = None
    networking_enabled: Annotated[bool | None, doc("talk to other devices")] = None
    volume_monitoring_enabled: Annotated[bool | None, doc("notice mounts and free space")] = None
    fs_watcher_enabled: Annotated[bool | None, doc("notice changes of files")] = None
    # ours
    fs_scan_seconds: Annotated[
        Natural | None, doc("from one scan of what cannot be watched to the next; 0: none")
    ] = None
    fs_answer_seconds: Annotated[
        Positive | None, doc("how long a filesystem may take to answer")
    ] = None
    statistics_listener_enabled: Annotated[bool | None, doc("keep statistics current")] = None
    job_logging_enabled: Annotated[bool | None, doc("a log file per job")] = None
    job_logging_include_debug: Annotated[
        bool | None, doc("what is only for debugging goes into it, too")
    ] = None
    proxy_pairing_auto_accept_vouched: Annotated[bool | None, doc("accept vouched devices")] = None
    proxy_pairing_auto_vouch_to_all: Annotated[bool | None, doc("vouch for new devices")] = None
    proxy_pairing_vouch_signature_max_age: Annotated[
        Positive | None, doc("how old the word of another device may be, in seconds")
    ] = None
    proxy_pairing_vouch_response_timeout: Annotated[
        Positive | None, doc("how long to wait for the answer of a device, in seconds")
    ] = None
    proxy_pairing_vouch_queue_retry_limit: Annotated[
        Natural | None, doc("how often to ask a device again that does not answer")
    ] = None
    access_read: Annotated[list[str] | None, doc("who may read: user:NAME, group:GID, ...")] = None
    access_write: Annotated[list[str] | None, doc("who may write, too")] = None
    access_admin: Annotated[list[str] | None, doc("who may administer, too")] = None
    access_others: Annotated[str | None, doc("the rest: none, read, write or admin")] = None
    limits_connections_per_user: Annotated[
        Natural | None, doc("connections of one user; 0: a quarter of all")
    ] = None
    limits_idle_seconds: Annotated[
        Natural | None, doc("close silent connections after this time; 0: never")
    ] = None
    limits_unread_seconds: Annotated[
        Natural | None, doc("cut off clients that do not read for this time; 0: never")
    ] = None
    limits_unfinished_bytes: Annotated[
        Natural | None, doc("of requests that have not arrived whole, over all connections; 0: any")
    ] = None
    limits_file_operations: Annotated[
        Positive | None,
        doc("so many jobs that copy, move or delete files run at the same time"),
    ] = None


@action(
    "config.app.reload",
    scope=Scope.CORE,
    permission=Permission.ADMIN,
    errors=(FileDamaged, DataFolderUnusable),
)
class ReloadAppConfig(Request[AppConfigUpdated]):
    """Read spacedrive.json anew, as after it was edited. Where it is damaged, the configuration
    stays as it is. The log goes on in whatever file has its name now."""


class LibraryConfig(msgspec.Struct):
    """The settings of a library."""

    generate_thumbnails: bool
    thumbnail_quality: int
    enable_ai_tagging: bool
    sync_enabled: bool
    encryption_enabled: bool
    auto_track_system_volumes: bool
    auto_track_external_volumes: bool
    indexer: IndexerSettings


@query("config.library.get")
class GetLibraryConfig(Request[LibraryConfig]):
    """The settings of a library."""


class LibraryConfigUpdated(msgspec.Struct):
    """Whether a change took effect."""

    success: bool
    message: str


@action("config.library.update", errors=(InvalidValue, StorageReadOnly))
class UpdateLibraryConfig(Request[LibraryConfigUpdated]):
    """Change the settings of a library. What is left out stays as it is. Index rules take effect
    with the next full rescan."""

    generate_thumbnails: Annotated[bool | None, doc("make thumbnails")] = None
    thumbnail_quality: Annotated[Percent | None, doc("1 to 100")] = None
    enable_ai_tagging: Annotated[bool | None, doc("suggest tags")] = None
    sync_enabled: Annotated[bool | None, doc("share the library with other devices")] = None
    encryption_enabled: Annotated[bool | None, doc("encrypt the library")] = None
    auto_track_system_volumes: Annotated[bool | None, doc("track system volumes")] = None
    auto_track_external_volumes: Annotated[bool | None, doc("track external volumes")] = None
    no_system_files: Annotated[bool | None, doc("leave out system files and trash")] = None
    no_git: Annotated[bool | None, doc("leave out internals of version control")] = None
    no_dev_dirs: Annotated[bool | None, doc("leave out dependencies, builds, caches")] = None
    no_hidden: Annotated[bool | None, doc("leave out names that begin with a dot")] = None
    gitignore: Annotated[bool | None, doc("leave out what git ignores")] = None
    only_images: Annotated[bool | None, doc("leave out everything but pictures")] = None
