"""The operations, one file per noun."""

from __future__ import annotations
