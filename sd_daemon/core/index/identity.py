"""The published content identity.

BLAKE3 over the size of the file (8 bytes, little endian) and its content; of files above 100 KiB
only over the first and the last 8 KiB and four samples of 10 KiB between. The first 8 bytes of the
digest are the identity. It is shown as 16 hex digits and kept in the database as the signed 64-bit
integer of the same bits, which makes it a primary key at no cost.

An empty file has no identity.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from blake3 import blake3

if TYPE_CHECKING:
    from collections.abc import Callable

SAMPLED_ABOVE = 102_400  # bytes; larger files are sampled
_EDGE = 8_192
_SAMPLE = 10_240
_SAMPLES = 4


class ContentChanged(Exception):
    """A read came back short: the file is not what it was when its size was taken."""


def pieces_of(size: int) -> list[tuple[int, int]]:
    """Return the (offset, length) pieces of a file of `size` bytes that its identity is made of.

    Raises ValueError for an empty file.
    """
    if size <= 0:
        raise ValueError("an empty file has no content identity")
    if size <= SAMPLED_ABOVE:
        return [(0, size)]
    step = (size - 2 * _EDGE) // _SAMPLES
    samples = [(_EDGE + number * step, _SAMPLE) for number in range(_SAMPLES)]
    return [(0, _EDGE), *samples, (size - _EDGE, _EDGE)]


def content_id(read: Callable[[int, int], bytes], size: int) -> int:
    """Return the identity of a file of `size` bytes as `contents.id` has it.

    `read(length, offset)` returns up to `length` bytes, less only at the end of the file. Raises
    ContentChanged, ValueError, and what `read` raises.
    """
    parts = [size.to_bytes(8, "little")]
    for offset, length in pieces_of(size):
        while length:
            part = read(length, offset)
            if not part:
                raise ContentChanged
            parts.append(part)
            offset += len(part)
            length -= len(part)
    return id_of(b"".join(parts))


def id_of(material: bytes) -> int:
    """Return the identity for the size and pieces of a file, joined."""
    return int.from_bytes(blake3(material).digest(8), "big", signed=True)
