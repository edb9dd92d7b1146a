"""How a content identity is written: as a number, as 16 hex digits, as a UUID.

Apart from `sd_daemon.core.index.identity`, which computes it, so that the daemon, which only shows
identities, does not load BLAKE3.
"""

from __future__ import annotations

from sd_daemon.core.hashes import sha1

_DNS_NAMESPACE = bytes.fromhex("6ba7b8109dad11d180b400c04fd430c8")


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
