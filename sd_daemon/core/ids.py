"""Ids of entries, as clients see them.

An entry's id on the wire is a UUID; in the database it is a number that is never reused. The UUID
is computed from the library and the number, so it costs neither a column nor an index, and stays
the same over renames and moves.

Layout (RFC 9562, version 8): 48 bits and, below the version, 12 bits of a key of the library; below
the variant, the 62-bit number.
"""

from __future__ import annotations

from uuid import UUID, SafeUUID

from sd_daemon.core.hashes import blake2b

_NUMBER = (1 << 62) - 1
_VERSION_8 = 8 << 76
_VARIANT = 2 << 62

_new = object.__new__
_set = object.__setattr__


class EntryIds:
    """The translation for one library."""

    __slots__ = ("_prefix", "library_id")

    def __init__(self, library_id: UUID) -> None:
        self.library_id = library_id
        digest = blake2b(library_id.bytes, digest_size=8, person=b"sd entry id").digest()
        key = int.from_bytes(digest, "big")
        self._prefix = ((key >> 16) << 80) | _VERSION_8 | ((key & 0xFFF) << 64) | _VARIANT

    def to_uuid(self, number: int) -> UUID:
        """The UUID of an entry."""
        # UUID(int=...) checks what is known here, and takes twice as long: a page has 1,000 ids.
        uuid = _new(UUID)
        _set(uuid, "int", self._prefix | number)
        _set(uuid, "is_safe", SafeUUID.unknown)
        return uuid

    def to_number(self, uuid: UUID) -> int | None:
        """The number of an entry of this library, or None for any other UUID."""
        value = uuid.int
        return value & _NUMBER if value & ~_NUMBER == self._prefix else None
