"""The service: one process that knows a person's files and answers over a Unix socket."""

from __future__ import annotations
