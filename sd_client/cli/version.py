"""Which version this is, from the record that the installer left beside the packages."""

from __future__ import annotations

from posix import listdir

from sd_client.cli.quick import Line, NotQuick, run
from sd_client.cli.text import encoded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_RECORD = ("spacedrive-", ".dist-info")


def installed_version() -> str | None:
    """The version of the installation these files belong to; None for a checkout."""
    folder = __file__.rsplit("/", 3)[0]
    start, end = _RECORD
    for name in listdir(folder):
        if name.startswith(start) and name.endswith(end):
            return name[len(start) : -len(end)]
    return None


def _version(_line: Line, _environ: Mapping[str, str]) -> tuple[bytes, bytes]:
    """What to print on standard output, and on standard error."""
    version = installed_version()
    if version is None:
        raise NotQuick
    return encoded(f"sd {version}\n"), b""


def quick(words: list[str]) -> None:
    """Print it and end the process, or return for the full command."""
    run(_version, words)
