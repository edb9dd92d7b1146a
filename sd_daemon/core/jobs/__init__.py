"""Durable jobs: their states, their store, the processes they run in."""

from __future__ import annotations
