"""The configuration of the daemon: spacedrive.json in its data folder."""

from __future__ import annotations

import re

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

    def __init__(self, path: str, data_dir: str, stored: StoredConfig) -> None:
        self.path = path
        self.data_dir = data_dir
        self.stored = stored

    @classmethod
    def load(cls, path: str, data_dir: str) -> Config:
        """Read the file; a missing one is all defaults. Raises OSError, msgspec.MsgspecError."""
        try:
            stored = json_file.load(path, StoredConfig)
            check(stored.access, "access.", "/access/")
            _check("log_level", stored.log_level, LEVELS, "/log_level")
        except FileNotFoundError:
            stored = StoredConfig()
        except InvalidValue as error:
            raise msgspec.ValidationError(error.text) from error
        return cls(path, data_dir, stored)

    def read_again(self) -> StoredConfig:
        """What the file says now. Who has written another level into it means what is recorded.
        Blocks. Raises as `load` does."""
        stored, before = Config.load(self.path, self.data_dir).stored, self.stored
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
        ours, theirs = _leaves(self.stored), _leaves(other)
        differing = [place for place in ours if ours[place] != theirs[place]]
        fields = [_NAMES.get(place, ".".join(place)) for place in differing]
        return fields, any(TARGETS[name][2] for name in fields if name in TARGETS)


_NAMES: dict[tuple[str, ...], str] = {
    (part, field): name for name, (part, field, _) in TARGETS.items()
}


def _leaves(stored: StoredConfig) -> dict[tuple[str, ...], object]:
    """Every single value by the place where it stands."""
    leaves: dict[tuple[str, ...], object] = {}
    for name, value in msgspec.to_builtins(stored).items():
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
