"""What the index knows about files, as clients ask for it."""

from __future__ import annotations
