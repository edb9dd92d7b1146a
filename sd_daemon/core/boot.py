"""Which start of the machine this is."""

from __future__ import annotations

_BOOT_ID = "/proc/sys/kernel/random/boot_id"


def this_boot() -> str | None:
    """What the kernel calls the time since it was started; None where it has no word for it."""
    try:
        with open(_BOOT_ID, encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return None
