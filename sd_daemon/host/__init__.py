"""The operating system: arguments, environment, signals, logs, service managers."""

from __future__ import annotations
