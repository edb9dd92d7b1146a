"""How what is inside a file, a folder or a tree gets into another place, whole and unchanged."""

from __future__ import annotations
