"""Configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from sd_daemon.handlers.handler import Context, handles
from sd_wire.operations.config import (
    AppConfig,
    AppConfigUpdated,
    GetAppConfig,
    GetLibraryConfig,
    LibraryConfig,
    LibraryConfigUpdated,
    ReloadAppConfig,
    UpdateAppConfig,
    UpdateLibraryConfig,
)

if TYPE_CHECKING:
    from sd_daemon.core.library import LibraryConfig as StoredLibraryConfig
    from sd_wire.types.libraries import LibrarySettings


@handles(GetAppConfig)
def get_app_config(context: Context, _request: GetAppConfig) -> AppConfig:
    """The daemon's configuration."""
    return context.core.config.as_wire()


@handles(UpdateAppConfig)
async def update_app_config(context: Context, request: UpdateAppConfig) -> AppConfigUpdated:
    """Change the daemon's configuration."""
    fields, restart = await context.core.change_config(request, context.correlation_id)
    return _updated(fields, restart=restart)


@handles(ReloadAppConfig)
async def reload_app_config(context: Context, _request: ReloadAppConfig) -> AppConfigUpdated:
    """Read the daemon's configuration anew."""
    fields, restart = await context.core.reload_config(context.correlation_id)
    return _updated(fields, restart=restart)


def _updated(fields: list[str], *, restart: bool) -> AppConfigUpdated:
    message = f"changed: {', '.join(fields)}" if fields else "nothing was different"
    return AppConfigUpdated(success=True, message=message, requires_restart=restart)


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
    given = {
        name: value for name, value in msgspec.to_builtins(request).items() if value is not None
    }

    def change(config: StoredLibraryConfig) -> StoredLibraryConfig:
        settings = config.settings
        rules = {name: given[name] for name in settings.indexer.__struct_fields__ if name in given}
        rest = {name: value for name, value in given.items() if name not in rules}
        indexer = msgspec.structs.replace(settings.indexer, **rules)
        changed = msgspec.structs.replace(settings, **rest, indexer=indexer)
        return msgspec.structs.replace(config, settings=changed)

    before = _flat(library.config.settings)
    after = _flat(change(library.config).settings)
    different = [name for name in given if after[name] != before[name]]
    if not different:
        return LibraryConfigUpdated(success=True, message="nothing was different")
    libraries = context.core.libraries
    await libraries.change_config(library, change, different, context.correlation_id)
    return LibraryConfigUpdated(success=True, message=f"changed: {', '.join(different)}")


def _flat(settings: LibrarySettings) -> dict[str, object]:
    """Settings by name, those of the index rules among them."""
    values: dict[str, object] = msgspec.to_builtins(settings)
    return {**values, **msgspec.to_builtins(settings.indexer)}
