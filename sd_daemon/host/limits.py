"""What the operating system allows this process."""

from __future__ import annotations

import resource

HEADROOM = 256  # descriptors for libraries, logs, workers and the loop itself
_ENOUGH = 1_048_576  # where "unlimited" would only make the kernel's tables large


def raise_file_limit() -> None:
    """Use as many descriptors as the administrator allows.

    The default of 1024 stands for programs that use select(2), which we do not.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _ENOUGH if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError):  # macOS has a lower limit of its own than it says
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, 10_240), hard))


def connection_limit() -> int:
    """How many clients can be served so that the rest of the daemon never lacks a descriptor."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    usable = _ENOUGH if soft == resource.RLIM_INFINITY else soft
    return max(16, usable - HEADROOM)
