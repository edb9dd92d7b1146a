"""Configuration."""

from __future__ import annotations

import asyncio

import msgspec

from sd_daemon.handlers.handler import Context, handles
from sd_wire.events import ConfigChanged
from sd_wire.operations.config import (
    AppConfig,
    AppConfigUpdated,
    GetAppConfig,
    GetLibraryConfig,
    LibraryConfig,
    LibraryConfigUpdated,
    UpdateAppConfig,
    UpdateLibraryConfig,
)


@handles(GetAppConfig)
def get_app_config(context: Context, _request: GetAppConfig) -> AppConfig:
    """The daemon's configuration."""
    return context.core.config.as_wire()


@handles(UpdateAppConfig)
async def update_app_config(context: Context, request: UpdateAppConfig) -> AppConfigUpdated:
    """Change the daemon's configuration."""
    changed, fields, restart = context.core.config.changed_by(request)
    if not fields:
        return AppConfigUpdated(
            success=True, message="nothing was different", requires_restart=False
        )
    await context.core.change_config(changed, fields, context.correlation_id)
    return AppConfigUpdated(
        success=True, message=f"changed: {', '.join(fields)}", requires_restart=restart
    )


@handles(GetLibraryConfig)
def get_library_config(context: Context, _request: GetLibraryConfig) -> LibraryConfig:
    """A library's settings."""
    return msgspec.convert(context.library.config.settings, LibraryConfig, from_attributes=True)


@handles(UpdateLibraryConfig)
async def update_library_config(
    context: Context, request: UpdateLibraryConfig
) -> LibraryConfigUpdated:
    """Change a library's settings."""
    library = context.library
    settings = library.config.settings
    wanted = {
        name: value for name, value in msgspec.to_builtins(request).items() if value is not None
    }
    in_rules = {
        name: wanted.pop(name) for name in settings.indexer.__struct_fields__ if name in wanted
    }
    changed = msgspec.structs.replace(
        settings, **wanted, indexer=msgspec.structs.replace(settings.indexer, **in_rules)
    )
    if changed == settings:
        return LibraryConfigUpdated(success=True, message="nothing was different")
    config = msgspec.structs.replace(library.config, settings=changed)
    await asyncio.to_thread(library.save_config, config)
    for name in (*wanted, *in_rules):
        context.core.bus.publish(ConfigChanged(f"library.{name}"), context.correlation_id)
    return LibraryConfigUpdated(success=True, message=f"changed: {', '.join((*wanted, *in_rules))}")
