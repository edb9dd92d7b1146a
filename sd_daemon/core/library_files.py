"""What the files in a library's folder are called: core/library.py says what they are for."""

from __future__ import annotations

CONFIG_FILE = "library.json"
INDEX_FILE = "library.db"
JOBS_FILE = "jobs.db"
OPERATIONS_FILE = "operations.db"
LOCK_FILE = "library.lock"
