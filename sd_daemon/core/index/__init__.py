"""From folders on a disk to rows of a library, and back to what is true of them."""

from __future__ import annotations
