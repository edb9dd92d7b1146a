"""Devices: the machines that libraries are on."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import msgspec


class OperatingSystem(StrEnum):
    """What a device runs."""

    MACOS = "MacOS"
    WINDOWS = "Windows"
    LINUX = "Linux"
    IOS = "IOs"
    ANDROID = "Android"
    OTHER = "Other"


class FormFactor(StrEnum):
    """What a device is."""

    DESKTOP = "Desktop"
    LAPTOP = "Laptop"
    MOBILE = "Mobile"
    TABLET = "Tablet"
    SERVER = "Server"
    OTHER = "Other"


class ConnectionMethod(StrEnum):
    """How another device is reached."""

    LOCAL_NETWORK = "LocalNetwork"
    DIRECT_INTERNET = "DirectInternet"
    RELAY_PROXY = "RelayProxy"


class Device(msgspec.Struct):
    """One machine, as far as it could be asked. What could not be found out is null."""

    id: UUID
    name: str
    slug: str
    os: OperatingSystem
    os_version: str | None
    hardware_model: str | None
    created_at: datetime
    updated_at: datetime
    last_seen_at: datetime
    cpu_model: str | None = None
    cpu_architecture: str | None = None
    cpu_cores_physical: int | None = None
    cpu_cores_logical: int | None = None
    cpu_frequency_mhz: int | None = None
    memory_total_bytes: int | None = None
    form_factor: FormFactor | None = None
    manufacturer: str | None = None
    gpu_models: list[str] | None = None
    boot_disk_type: str | None = None
    boot_disk_capacity_bytes: int | None = None
    swap_total_bytes: int | None = None
    network_addresses: list[str] = []
    capabilities: dict[str, Any] = {}
    is_online: bool = True
    sync_enabled: bool = False
    is_current: bool = True
    is_paired: bool = False
    is_connected: bool = False
    connection_method: ConnectionMethod | None = None
