"""The contract between the daemon and its clients: pure data and pure functions."""

from __future__ import annotations
