"""Watching the folders of open libraries: what the daemon does so that its index is never old."""

from __future__ import annotations
