"""Following the changes of files as they happen: what the worker does that is told by inotify."""

from __future__ import annotations
