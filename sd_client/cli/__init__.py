"""The `sd` command."""

from __future__ import annotations
