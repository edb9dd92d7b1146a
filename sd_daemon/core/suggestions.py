"""Which folders are worth indexing, and which are not."""

from __future__ import annotations

import os
import pwd
from typing import TYPE_CHECKING

from sd_daemon.core.paths import shown
from sd_daemon.core.volumes import volume_of
from sd_wire.operations.locations import (
    PathValidation,
    RiskLevel,
    SuggestedLocation,
    ValidationWarning,
    VolumeSuggestion,
)
from sd_wire.types.paths import physical

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sd_wire.types.volumes import Volume

# XDG user directories by their usual names; ~/.config/user-dirs.dirs may rename them.
USUAL = ("Desktop", "Documents", "Downloads", "Music", "Pictures", "Videos", "Movies")
_SYSTEM = ("/proc", "/sys", "/dev", "/run", "/boot", "/tmp", "/var", "/usr", "/bin", "/etc", "/lib")


def home_folder() -> str:
    """The home folder of the user the daemon runs as, from the user database; one that does not
    exist where that does not know the user."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_dir
    except KeyError:
        return "/nonexistent"


def user_folders(home: str) -> dict[str, str]:
    """The usual folders of a home by name, renamed ones under their new paths."""
    found = {name: f"{home}/{name}" for name in USUAL}
    try:
        with open(f"{home}/.config/user-dirs.dirs", encoding="utf-8") as file:
            lines = file.read().splitlines()
    except (OSError, UnicodeDecodeError):
        return found
    for line in lines:
        name, _, value = line.strip().partition("=")
        path = os.path.normpath(value.strip('"').replace("$HOME", home))
        if name.startswith("XDG_") and name.endswith("_DIR") and path != home:
            found[os.path.basename(path)] = path
    return found


def suggest(device_slug: str, known: set[str]) -> list[SuggestedLocation]:
    """The usual folders that exist and are not in `known`. Blocks."""
    folders = user_folders(home_folder())
    return [
        SuggestedLocation(name, shown(path), physical(device_slug, os.fsencode(path)))
        for name, path in folders.items()
        if os.path.isdir(path) and path not in known
    ]


def validate(path: str, volumes: Sequence[Volume]) -> PathValidation:
    """Whether a folder is a good location. Blocks."""
    warnings: list[ValidationWarning] = []
    parts = [part for part in path.split("/") if part]
    volume = volume_of(volumes, path)
    primary = volume is None or volume.mount_point == "/"
    risk = RiskLevel.LOW
    if not parts or any(path == one or path.startswith(one + "/") for one in _SYSTEM):
        risk = RiskLevel.HIGH
        warnings.append(
            ValidationWarning(
                f"{shown(path)} belongs to the system, not to a person",
                "choose a folder in your home, or one of a disk of its own",
            )
        )
    elif len(parts) < 3 and primary:
        risk = RiskLevel.MEDIUM
        warnings.append(
            ValidationWarning(
                f"{shown(path)} holds much that is not yours to search",
                "choose the folders in it that you want",
            )
        )
    if not os.path.isdir(path):
        warnings.append(ValidationWarning(f"{shown(path)} is not a folder that can be read now"))
    return PathValidation(
        is_recommended=not warnings,
        risk_level=risk,
        warnings=warnings,
        suggested_alternative=_alternative(volume, path, risk),
        path_depth=len(parts),
        is_on_primary_volume=primary,
    )


def _alternative(volume: Volume | None, path: str, risk: RiskLevel) -> VolumeSuggestion | None:
    if volume is None or risk is RiskLevel.LOW or volume.mount_point != path:
        return None
    message = f"{shown(path)} is a whole volume"
    return VolumeSuggestion(volume.fingerprint, volume.name, message)
