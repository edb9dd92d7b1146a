"""What a person calls a thing, as the id that the daemon wants.

A library, a location and a job may be given by id, by the beginning of an id, and by name where
that is unique; a location and a file also by path. A whole id is passed on unseen.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

import click

from sd_client.cli.output import BELOW
from sd_client.cli.text import shown
from sd_client.cli.values import absolute, is_exact
from sd_wire.errors import (
    JobNotFound,
    LibraryNotFound,
    LocationNotFound,
    PathNotIndexed,
    SdError,
)
from sd_wire.operations.files import GetFileByPath
from sd_wire.operations.jobs import ListJobs
from sd_wire.operations.libraries import ListLibraries
from sd_wire.operations.locations import ListLocations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sd_client.blocking import BlockingClient
    from sd_wire.types.jobs import JobListItem
    from sd_wire.types.paths import SdPath

SHORTEST_PREFIX = 4
_LISTED = 5  # of several that may be meant


class Named(NamedTuple):
    """Something with an id and names."""

    id: UUID
    names: tuple[str, ...]
    about: str = ""  # what it is, for who has to choose


def local_path(sd_path: SdPath) -> str:
    """The path in an SdPath of this machine, with its exact bytes as Python carries them."""
    physical = sd_path.Physical
    if physical is None:
        return ""
    exact = physical.path_bytes
    return physical.path if exact is None else os.fsdecode(exact)


def whole_id(text: str) -> UUID | None:
    """The id, where the text is a whole one."""
    try:
        return UUID(text) if len(text) >= 32 else None
    except ValueError:
        return None


def choose(text: str, things: Iterable[Named], what: str, absent: SdError) -> UUID:
    """The one thing that is meant. Raises `absent`, or a usage error where several are."""
    everything = list(things)
    prefix = text.lower().replace("-", "")
    tests: tuple[Callable[[Named], bool], ...] = (
        lambda thing: text in thing.names,
        lambda thing: text.casefold() in [name.casefold() for name in thing.names],
    )
    for test in tests:
        found = [thing for thing in everything if test(thing)]
        if len(found) == 1:
            return found[0].id
        if found:
            raise ambiguous(f"{len(found)} {what} are called {text!r}, say which", _ids(found))
    found = [thing for thing in everything if prefix and thing.id.hex.startswith(prefix)]
    is_short = len(prefix) < SHORTEST_PREFIX
    if not found or (is_short and found[0].names):  # it is rather a name that is wrong
        raise absent
    if len(found) > 1:
        sentence = f"the ids of {len(found)} {what} begin with {text!r}, say which"
        raise ambiguous(sentence, _ids(found))
    if is_short:
        reason = f"{text!r} is too short for an id: it takes {SHORTEST_PREFIX} characters"
        raise click.UsageError(reason)
    return found[0].id


def _ids(found: list[Named]) -> list[tuple[str, str]]:
    return [(str(thing.id), thing.about) for thing in found]


def ambiguous(sentence: str, found: list[tuple[str, str]]) -> click.UsageError:
    """What to say where a word may mean several things: their ids, as short as tells them apart,
    and what they are."""
    length = 8
    while len({identity[:length] for identity, _ in found}) < len(found):
        length += 1
    listed = [f"{identity[:length]}  {shown(about)}" for identity, about in found[:_LISTED]]
    more = [f"and {len(found) - _LISTED:,} more"] if len(found) > _LISTED else []
    return click.UsageError(BELOW.join([f"{sentence}:", *map(str.rstrip, listed), *more]))


def library_id(client: BlockingClient, text: str) -> UUID:
    """The library that is meant."""
    if (known := whole_id(text)) is not None:
        return known
    libraries = client.call(ListLibraries())
    things = [Named(library.id, (library.name, library.path)) for library in libraries]
    return choose(text, things, "libraries", LibraryNotFound(library=text))


def location_id(client: BlockingClient, text: str, library: str | None) -> UUID:
    """The location that is meant."""
    if (known := whole_id(text)) is not None:
        return known
    locations = client.call(ListLocations(), library_id=library).locations
    things = [Named(place.id, (place.name, local_path(place.sd_path))) for place in locations]
    absent = LocationNotFound(location=text)
    try:
        return choose(text, things, "locations", absent)
    except LocationNotFound:
        return choose(absolute(text), things, "locations", absent)


def job_id(client: BlockingClient, text: str, library: str | None) -> UUID:
    """The job that is meant. Of several jobs with a name, the one that is not over, else the
    newest."""
    if (known := whole_id(text)) is not None:
        return known
    jobs = client.call(ListJobs(), library_id=library).jobs
    absent = JobNotFound(job=text)
    pending = [_named(job, job.name) for job in jobs if job.completed_at is None]
    try:
        return choose(text, pending, "jobs", absent)
    except JobNotFound:
        newest = [job.id for job in jobs if job.name == text][:1]
        return newest[0] if newest else choose(text, map(_named, jobs), "jobs", absent)


def _named(job: JobListItem, *called: str) -> Named:
    return Named(job.id, called, f"{job.name}, {job.status}")


def file_id(client: BlockingClient, text: str, library: str | None) -> UUID:
    """The file that is meant: by id or by path."""
    if (known := whole_id(text)) is not None:
        return known
    file = client.call(by_path(absolute(text)), library_id=library)
    if file is None:
        raise PathNotIndexed(path=text)
    return file.id


def by_path(path: str) -> GetFileByPath:
    """The question for the file at a path, with its exact bytes where text cannot say them."""
    if is_exact(path):
        return GetFileByPath(path)
    exact = os.fsencode(path)
    return GetFileByPath(exact.decode("utf-8", "replace"), exact)
