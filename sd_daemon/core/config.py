"""The configuration of the daemon: spacedrive.json in its data folder."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from sd_daemon.core import json_file
from sd_daemon.core.access import check
from sd_wire.errors import InvalidValue
from sd_wire.operation import Natural
from sd_wire.operations.config import (
    AccessConfig,
    AppConfig,
    JobLoggingConfig,
    LimitsConfig,
    LoggingConfig,
    Preferences,
    ProxyPairingConfig,
    ServiceConfig,
    UpdateAppConfig,
)

Settings = dict[str, Any]  # by name; a section is one more of these

CONFIG_VERSION = 1
LEVELS = ("error", "warn", "info", "debug", "trace")
THEMES = ("system", "light", "dark")

# Which field of the stored configuration an update changes, and whether only a restart applies it.
TARGETS: dict[str, tuple[str, str, bool]] = {
    "theme": ("preferences", "theme", False),
    "language": ("preferences", "language", False),
    "networking_enabled": ("services", "networking_enabled", True),
    "volume_monitoring_enabled": ("services", "volume_monitoring_enabled", True),
    "fs_watcher_enabled": ("services", "fs_watcher_enabled", True),
    "fs_scan_seconds": ("services", "fs_scan_seconds", True),
    "fs_answer_seconds": ("services", "fs_answer_seconds", True),
    "statistics_listener_enabled": ("services", "statistics_listener_enabled", True),
    "job_logging_enabled": ("job_logging", "enabled", False),
    "job_logging_include_debug": ("job_logging", "include_debug", False),
    "proxy_pairing_auto_accept_vouched": ("proxy_pairing", "auto_accept_vouched", False),
    "proxy_pairing_auto_vouch_to_all": ("proxy_pairing", "auto_vouch_to_all", False),
    "proxy_pairing_vouch_signature_max_age": ("proxy_pairing", "vouch_signature_max_age", False),
    "proxy_pairing_vouch_response_timeout": ("proxy_pairing", "vouch_response_timeout", False),
    "proxy_pairing_vouch_queue_retry_limit": ("proxy_pairing", "vouch_queue_retry_limit", False),
    "access_read": ("access", "read", False),
    "access_write": ("access", "write", False),
    "access_admin": ("access", "admin", False),
    "access_others": ("access", "others", False),
    "limits_connections_per_user": ("limits", "connections_per_user", False),
    "limits_idle_seconds": ("limits", "idle_seconds", False),
    "limits_unread_seconds": ("limits", "unread_seconds", False),
    "limits_unfinished_bytes": ("limits", "unfinished_bytes", False),
    "limits_file_operations": ("limits", "file_operations", False),
}


class StoredConfig(msgspec.Struct):
    """The content of spacedrive.json. What is missing has its default."""

    version: Natural = CONFIG_VERSION
    log_level: str = "info"
    telemetry_enabled: bool = False  # nothing is ever sent; kept because clients show it
    preferences: Preferences = msgspec.field(default_factory=Preferences)
    job_logging: JobLoggingConfig = msgspec.field(default_factory=JobLoggingConfig)
    services: ServiceConfig = msgspec.field(default_factory=ServiceConfig)
    logging: LoggingConfig = msgspec.field(default_factory=LoggingConfig)
    proxy_pairing: ProxyPairingConfig = msgspec.field(default_factory=ProxyPairingConfig)
    access: AccessConfig = msgspec.field(default_factory=AccessConfig)
    limits: LimitsConfig = msgspec.field(default_factory=LimitsConfig)


class Config:
    """The configuration in memory, and the file it comes from."""

    def __init__(
        self, path: str, data_dir: str, stored: StoredConfig, unknown: Settings | None = None
    ) -> None:
        self.path = path
        self.data_dir = data_dir
        self.stored = stored
        self._unknown = unknown or {}  # what the file has that this version does not know

    @classmethod
    def load(cls, path: str, data_dir: str) -> Config:
        """Read the file; a missing one is all defaults. Raises OSError, msgspec.MsgspecError."""
        unknown: Settings = {}
        try:
            stored = json_file.load(path, StoredConfig)
            unknown = _beyond(json_file.load(path, dict), msgspec.to_builtins(stored))
            check(stored.access, "access.", "/access/")
            _check("log_level", stored.log_level, LEVELS, "/log_level")
        except FileNotFoundError:
            stored = StoredConfig()
        except InvalidValue as error:
            raise msgspec.ValidationError(error.text) from error
        return cls(path, data_dir, stored, unknown)

    @property
    def problems(self) -> list[str]:
        """Sentences about what stands in the file and has no effect."""
        return [
            f"{self.path} has a setting that this version does not know: {'.'.join(place)}"
            for place in _leaves(self._unknown)
        ]

    def store(self, stored: StoredConfig) -> None:
        """Write a configuration to the file; what is not known there stays. Blocks. Raises
        OSError."""
        known: Settings = msgspec.to_builtins(stored)
        for name, value in self._unknown.items():
            section = known.get(name)
            known[name] = {**section, **value} if isinstance(section, dict) else value
        json_file.store(self.path, known)

    def read_again(self) -> StoredConfig:
        """What the file says now. Who has written another level into it means what is recorded.
        Blocks. Raises as `load` does."""
        read, before = Config.load(self.path, self.data_dir), self.stored
        stored, self._unknown = read.stored, read._unknown
        if stored.log_level != before.log_level and stored.logging == before.logging:
            stored.logging.main_filter = _with_level(stored.logging.main_filter, stored.log_level)
        return stored

    def as_wire(self) -> AppConfig:
        """The configuration as clients see it."""
        stored = self.stored
        return AppConfig(
            version=stored.version,
            data_dir=self.data_dir,
            log_level=stored.log_level,
            telemetry_enabled=stored.telemetry_enabled,
            preferences=stored.preferences,
            job_logging=stored.job_logging,
            services=stored.services,
            logging=stored.logging,
            proxy_pairing=stored.proxy_pairing,
            access=stored.access,
            limits=stored.limits,
        )

    def changed_by(self, request: UpdateAppConfig) -> tuple[StoredConfig, list[str], bool]:
        """What the configuration would become, the fields that differ, and whether a restart is
        needed for that. Raises InvalidValue."""
        changed = msgspec.json.decode(msgspec.json.encode(self.stored), type=StoredConfig)
        fields: list[str] = []
        restart = False
        if request.log_level is not None:
            level = request.log_level.lower()
            _check("log_level", level, LEVELS, "/payload/log_level")
            if level != changed.log_level:
                changed.log_level = level
                changed.logging.main_filter = _with_level(changed.logging.main_filter, level)
                fields.append("log_level")
        if request.telemetry_enabled not in (None, changed.telemetry_enabled):
            changed.telemetry_enabled = bool(request.telemetry_enabled)
            fields.append("telemetry_enabled")
        if request.theme is not None:
            _check("theme", request.theme, THEMES, "/payload/theme")
        for name, (part, field, needs_restart) in TARGETS.items():
            value = getattr(request, name)
            section = getattr(changed, part)
            if value is not None and value != getattr(section, field):
                setattr(section, field, value)
                fields.append(name)
                restart = restart or needs_restart
        check(changed.access, "access_", "/payload/access_")
        return changed, fields, restart

    def compared_with(self, other: StoredConfig) -> tuple[list[str], bool]:
        """The fields that differ in another configuration, by the names that an update has for
        them, and whether a restart is needed for that."""
        ours, theirs = (_leaves(msgspec.to_builtins(one)) for one in (self.stored, other))
        differing = [place for place in ours if ours[place] != theirs[place]]
        fields = [_NAMES.get(place, ".".join(place)) for place in differing]
        return fields, any(TARGETS[name][2] for name in fields if name in TARGETS)


_NAMES: dict[tuple[str, ...], str] = {
    (part, field): name for name, (part, field, _) in TARGETS.items()
}


def _beyond(found: Settings, known: Settings) -> Settings:
    """What is found in a file beside what is known, a section with only what is not known in it."""
    beyond: Settings = {}
    for name, value in found.items():
        if name not in known:
            beyond[name] = value
        elif isinstance(value, dict):
            rest = {field: one for field, one in value.items() if field not in known[name]}
            if rest:
                beyond[name] = rest
    return beyond


def _leaves(settings: Settings) -> dict[tuple[str, ...], object]:
    """Every single value by the place where it stands."""
    leaves: dict[tuple[str, ...], object] = {}
    for name, value in settings.items():
        if isinstance(value, dict):
            leaves.update({(name, field): one for field, one in value.items()})
        else:
            leaves[(name,)] = value
    return leaves


def _check(field: str, word: str, known: tuple[str, ...], pointer: str) -> None:
    if word not in known:
        reason = f"{word!r} is none of {', '.join(known)}"
        raise InvalidValue(field=field, reason=reason, pointer=pointer)


def _with_level(main_filter: str, level: str) -> str:
    """A log filter with another level for everything it does not name."""
    parts = [part for part in re.split(r"\s*,\s*", main_filter) if "=" in part]
    return ",".join([level, *parts])
