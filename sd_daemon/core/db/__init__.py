"""SQLite: connections, and migrations in numbered SQL."""

from __future__ import annotations
