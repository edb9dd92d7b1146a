"""The name of the machine, so that figures can be judged."""

from __future__ import annotations

import os
import platform
import sqlite3
import subprocess
import sys
import sysconfig
from importlib import metadata
from pathlib import Path


def machine() -> dict[str, str]:
    """What the figures depend on, for people to read."""
    return {
        "processor": f"{_cpu()}, {os.cpu_count()} cores",
        "memory": f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
        "distribution": _distribution(),
        "Python": _python(),
        "SQLite": sqlite3.sqlite_version,
        "packages": ", ".join(_version(name) for name in ("msgspec", "uvloop", "blake3")),
        "revision": _revision(),
        "load average before": f"{os.getloadavg()[0]:.1f}",
    }


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _distribution() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return "unknown"


def _python() -> str:
    arguments = sysconfig.get_config_var("CONFIG_ARGS") or ""
    profiled = "with" if "--enable-optimizations" in arguments else "without"
    return f"{platform.python_version()} ({profiled} profile-guided optimisation)"


def _version(package: str) -> str:
    try:
        return f"{package} {metadata.version(package)}"
    except metadata.PackageNotFoundError:
        return f"{package} not installed"


def _revision() -> str:
    here = Path(__file__).parent
    command = ["git", "-C", str(here), "describe", "--always", "--dirty"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return done.stdout.strip()


def conditions() -> str | None:
    """A warning where others use the machine, too."""
    load = os.getloadavg()[0]
    if load > 0.5 * (os.cpu_count() or 1):
        return f"the load average is {load:.1f}: figures will be worse than they could be"
    return None


if sys.platform != "linux":  # /proc and epoll are used throughout
    raise SystemExit("the measurements are for Linux")
