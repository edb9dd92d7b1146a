"""Devices."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from sd_daemon.core.device import describe
from sd_daemon.handlers.handler import Context, handles
from sd_wire.operations.devices import ListDevices

if TYPE_CHECKING:
    from sd_wire.types.devices import Device


@handles(ListDevices)
async def list_devices(context: Context, _request: ListDevices) -> list[Device]:
    """This device: there is no network yet that could bring others."""
    return [await asyncio.to_thread(describe, context.core.device)]
