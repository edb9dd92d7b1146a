"""What the jobs that change files are called. Whoever only starts one need not know how it works:
all that is in the modules of this folder stays in the processes of workers then."""

from __future__ import annotations

COPY = "file_copy"
MOVE = "move_files"
DELETE = "delete_files"
EMPTY = "empty_trash"
RESTORE = "restore_files"
RESOLVE = "duplicate_detection"
VALIDATE = "file_validation"
UNDO = "undo_files"
SETTLE = "settle_files"

PREVIEW_COPY = "preview_copy"
PREVIEW_DELETE = "preview_delete"
"""No jobs: see sd_daemon/core/jobs/apart.py."""
