"""The published content identity.

BLAKE3 over the size of the file (8 bytes, little endian) and its content; of files above 100 KiB
only over the first and the last 8 KiB and four samples of 10 KiB between. The first 8 bytes of the
digest are the identity. It is shown as 16 hex digits and kept in the database as the signed 64-bit
integer of the same bits, which makes it a primary key at no cost.

An empty file has no identity.
"""

from __future__ import annotations

from hashlib import sha1
from typing import TYPE_CHECKING

from blake3 import blake3

if TYPE_CHECKING:
    from collections.abc import Callable

SAMPLED_ABOVE = 102_400  # bytes; larger files are sampled
_EDGE = 8_192
_SAMPLE = 10_240
_SAMPLES = 4
_DNS_NAMESPACE = bytes.fromhex("6ba7b8109dad11d180b400c04fd430c8")


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


def id_to_text(content: int) -> str:
    """Return an identity as its 16 hex digits."""
    return f"{content & 0xFFFF_FFFF_FFFF_FFFF:016x}"


def id_from_text(text: str) -> int:
    """Return the identity that `text` shows. Raises ValueError if it is not 16 hex digits."""
    if len(text) != 16:
        raise ValueError(f"a content hash has 16 hex digits, not {len(text)}")
    return int.from_bytes(bytes.fromhex(text), "big", signed=True)


def identity_uuid(text: str) -> str:
    """Return the UUID (version 5, DNS namespace) of the content with the hash `text`.

    Equal contents have the same one on every device. Written out here because importing the uuid
    module costs a starting process as much as the rest of this package.
    """
    digest = bytearray(sha1(_DNS_NAMESPACE + text.encode("ascii"), usedforsecurity=False).digest())
    digest[6] = digest[6] & 0x0F | 0x50
    digest[8] = digest[8] & 0x3F | 0x80
    hexed = digest[:16].hex()
    return f"{hexed[:8]}-{hexed[8:12]}-{hexed[12:16]}-{hexed[16:20]}-{hexed[20:]}"
