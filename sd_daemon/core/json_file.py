"""Small JSON files that are whole at any instant: library.json, device.json, the configuration."""

from __future__ import annotations

import os
from typing import TypeVar

import msgspec

T = TypeVar("T")


def load(path: str, shape: type[T]) -> T:
    """The file's value. Raises OSError, or msgspec.MsgspecError naming the field."""
    with open(path, "rb") as file:
        return msgspec.json.decode(file.read(), type=shape)


def store(path: str, value: object) -> None:
    """Replace the file: written beside it, flushed to the disk, renamed. Raises OSError."""
    text = msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"
    partial = f"{path}.new"
    fd = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError:
        if os.path.exists(partial):
            os.unlink(partial)
        raise
    folder = os.open(os.path.dirname(path) or ".", os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
