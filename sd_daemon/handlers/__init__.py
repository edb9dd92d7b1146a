"""From a request to the core and back, one file per noun."""

from __future__ import annotations
