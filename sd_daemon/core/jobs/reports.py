"""What a worker process tells the daemon, one line of JSON each on its standard output.

The other way there are, a line each: the order, which comes first, the word `stop`, and what this
kind of work understands besides, as JSON: other limits (`{"limits": ...}`), or what the follower of
a library's files is told (index/follow/messages.py). The end of standard input means that the
daemon is gone; a worker ends with it at once, which is safe at any instant because everything it
does is in transactions, or in the journal of file operations before it is on the disk.
"""

from __future__ import annotations

from typing import Any

import msgspec

from sd_wire.types.jobs import JobLimits

STOP = b"stop"


class Order(msgspec.Struct):
    """The job that a worker is started for."""

    job_id: str
    name: str
    library_dir: str
    params: dict[str, Any]
    limits: JobLimits = msgspec.field(default_factory=JobLimits)


class Limited(msgspec.Struct):
    """The limits of the job are others from now on."""

    limits: JobLimits


class Progress(msgspec.Struct, tag="progress"):
    """How far the job is. At most ten a second."""

    phase: str
    completed: int
    total: int | None = None
    size: int = 0  # bytes handled in this phase
    total_size: int | None = None  # of how many; where it is given, it is what takes the time
    message: str = ""
    path: bytes | None = None
    errors: int = 0
    warnings: int = 0


class Changed(msgspec.Struct, tag="changed"):
    """Changes were committed that wait in the library's database to be announced."""


class Logged(msgspec.Struct, tag="log"):
    """A record for the log."""

    level: str
    message: str
    fields: dict[str, str] = {}


class Watched(msgspec.Struct):
    """How a location is watched. Both can be true: of one part this, of another that."""

    live: bool
    periodic: bool
    reason: str | None = None  # why not all of it is watched live


class Following(msgspec.Struct, tag="following"):
    """How the locations of a library are watched, by the hexadecimal form of their ids."""

    locations: dict[str, Watched]
    opened: bool = False  # descriptors wait on the channel


class CaughtUp(msgspec.Struct, tag="caught_up"):
    """All is in the index that had happened when so many messages had been heard."""

    heard: int


class Completed(msgspec.Struct, tag="completed"):
    """The job is done."""

    output: dict[str, Any]


class Interrupted(msgspec.Struct, tag="interrupted"):
    """The job stopped at a safe point because it was told to."""


class Broken(msgspec.Struct, tag="broken"):
    """The job cannot go on."""

    message: str
    code: str
    trace: str = ""  # for the log, where it is a defect
    fields: dict[str, str] = {}  # what the sentence is made of, where the code is that of an error


Report = Progress | Changed | Logged | Following | CaughtUp | Completed | Interrupted | Broken
