"""SHA-1 and BLAKE2b as Python itself has them: those of hashlib are OpenSSL's, which is 5 MiB of a
daemon that may have 28, and 6 ms of every worker's start."""

from __future__ import annotations

try:
    from _blake2 import blake2b
    from _sha1 import sha1  # type: ignore[import-not-found]
except ImportError:  # some distributions leave them out
    from hashlib import blake2b, sha1

__all__ = ["blake2b", "sha1"]
