"""How a job's parameters hold a path: text, and base64 of the bytes where they differ."""

from __future__ import annotations

import os
from binascii import a2b_base64
from typing import Any

from sd_wire.types.paths import physical


def encoded_path(path: str) -> dict[str, Any]:
    """A path as parameters hold it. In memory it is as os.fsdecode gives it."""
    sd_path = physical("", os.fsencode(path)).Physical
    return {"path": sd_path.path, "path_bytes": sd_path.path_bytes} if sd_path else {}


def path_of(value: object) -> str:
    """Return the path that parameters give, as os.fsdecode would; "" for null."""
    if not isinstance(value, dict):
        return ""
    exact_bytes = value.get("path_bytes")
    if exact_bytes:
        return os.fsdecode(a2b_base64(str(exact_bytes)))
    return str(value["path"])
