"""Listeners, connected clients, and the way from a line to a handler."""

from __future__ import annotations
