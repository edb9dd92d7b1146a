"""This machine: its identity, kept in device.json, and what can be read about it."""

from __future__ import annotations

import os
import platform
import socket
import sys
from datetime import UTC, datetime
from uuid import UUID, uuid4

import msgspec

from sd_daemon.core import json_file
from sd_wire.types.devices import Device, FormFactor, OperatingSystem

_DMI = "/sys/class/dmi/id"
# SMBIOS specification, section 7.4.1 "System Enclosure or Chassis Types".
_CHASSIS = {
    **dict.fromkeys((3, 4, 5, 6, 7, 13, 15, 16, 24, 35, 36), FormFactor.DESKTOP),
    **dict.fromkeys((8, 9, 10, 14, 31, 32), FormFactor.LAPTOP),
    **dict.fromkeys((11,), FormFactor.MOBILE),
    **dict.fromkeys((30,), FormFactor.TABLET),
    **dict.fromkeys((17, 23, 28, 29), FormFactor.SERVER),
}


class DeviceIdentity(msgspec.Struct):
    """What stays the same about a machine. The content of device.json."""

    id: UUID
    name: str
    slug: str
    created_at: datetime


def slug_of(name: str) -> str:
    """Lower case, every other character than letters and digits a dash, none at the ends."""
    dashed = "".join(c if c.isalnum() else "-" for c in name.lower()).strip("-")
    return dashed or "device"


def load_identity(path: str) -> DeviceIdentity:
    """The identity in the file, or a new one that is put there. Raises OSError, MsgspecError."""
    try:
        return json_file.load(path, DeviceIdentity)
    except FileNotFoundError:
        pass
    name = socket.gethostname() or "device"
    identity = DeviceIdentity(uuid4(), name, slug_of(name), datetime.now(UTC))
    json_file.store(path, identity)
    return identity


def operating_system() -> OperatingSystem:
    """What this machine runs."""
    known = {"linux": OperatingSystem.LINUX, "darwin": OperatingSystem.MACOS}
    return known.get(sys.platform, OperatingSystem.OTHER)


def hardware_model() -> str | None:
    """The product name, where the firmware tells."""
    return _first_line(f"{_DMI}/product_name")


def describe(identity: DeviceIdentity) -> Device:
    """This machine in full. Reads a few small files of the kernel."""
    now = datetime.now(UTC)
    memory = _meminfo()
    return Device(
        id=identity.id,
        name=identity.name,
        slug=identity.slug,
        os=operating_system(),
        os_version=_os_version(),
        hardware_model=hardware_model(),
        created_at=identity.created_at,
        updated_at=now,
        last_seen_at=now,
        cpu_model=_cpuinfo("model name"),
        cpu_architecture=platform.machine() or None,
        cpu_cores_physical=_number(_cpuinfo("cpu cores")),
        cpu_cores_logical=os.cpu_count(),
        memory_total_bytes=memory.get("MemTotal"),
        swap_total_bytes=memory.get("SwapTotal"),
        form_factor=_CHASSIS.get(_number(_first_line(f"{_DMI}/chassis_type")) or 0),
        manufacturer=_first_line(f"{_DMI}/sys_vendor"),
    )


def _first_line(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.readline().strip() or None
    except OSError:
        return None


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() else None


def _os_version() -> str | None:
    if sys.platform == "darwin":
        return platform.mac_ver()[0] or None
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME")
    except OSError:
        return platform.release() or None


def _cpuinfo(field: str) -> str | None:
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            for line in file:
                name, _, value = line.partition(":")
                if name.strip() == field:
                    return value.strip() or None
    except OSError:
        pass
    return None


def _meminfo() -> dict[str, int]:
    """Bytes by name, of /proc/meminfo."""
    found = {}
    try:
        with open("/proc/meminfo", encoding="ascii", errors="replace") as file:
            for line in file:
                name, _, value = line.partition(":")
                if value.endswith(" kB\n"):
                    found[name] = int(value[:-4]) * 1024
    except OSError:
        pass
    return found
