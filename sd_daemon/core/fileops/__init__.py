"""What changes files: to copy, to move, to delete, and to take that back.

Every operation is a job. What it is about to do is in the journal (journal.py) before the disk
shows anything of it, and what it has done is there afterwards: so a job that was killed goes on
with what is left, and what was done can be undone.
"""

from __future__ import annotations
