"""The operations, one file per noun. `sd_wire.catalogue` is the list of these files.

This file names none of them, so that who speaks of one noun need not read all.
"""

from __future__ import annotations
