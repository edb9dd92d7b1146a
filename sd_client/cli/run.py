"""`sd run DIR`: from nothing to a first search in one command.

Every step looks first whether it is done already, so a second run changes nothing that is right:
a daemon that answers is used, a library that is open is used, a folder that is a location is only
read again where it changed.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import time
import unicodedata
from typing import TYPE_CHECKING

import click
import msgspec

from sd_client.cli import names
from sd_client.cli.command import command
from sd_client.cli.daemon import daemon_arguments, launch, pid_of_running
from sd_client.cli.search_view import search_footer, search_lines
from sd_client.cli.session import Session, pass_session
from sd_client.cli.text import number, size, span
from sd_client.cli.values import AbsolutePath, is_exact
from sd_client.cli.watch import watch
from sd_wire.errors import LocationExists, NotADirectory, PathNotFound
from sd_wire.operations.core import GetStatus
from sd_wire.operations.libraries import CreateLibrary, ListLibraries
from sd_wire.operations.locations import AddLocation, ListLocations, RescanLocation
from sd_wire.operations.search import (
    LocationScope,
    PaginationOptions,
    ScopedSearch,
    SearchFiles,
    SearchMode,
    SortField,
    SortOptions,
)
from sd_wire.types.paths import PathInput, physical

if TYPE_CHECKING:
    from uuid import UUID

    from sd_wire.types.files import File
    from sd_wire.types.locations import Location

SHOWN = 5
SAMPLE = 50
SHORTEST_WORD = 4


@command("run", "sd run ~/Pictures")
@click.argument("folder", metavar="DIR", type=AbsolutePath())
@pass_session
def run(session: Session, folder: str) -> None:
    """Index a folder and search it: starts the daemon if none runs, makes a library if none is
    open, adds the folder or reads it again, waits until it is indexed, shows a first search, and
    says what to type next. Running it again is quick."""
    if not os.path.exists(folder):
        raise PathNotFound(path=folder)
    if not os.path.isdir(folder):
        raise NotADirectory(path=folder)
    _daemon(session)
    _library(session)
    began = time.monotonic()
    location, job = _location(session, folder)
    if job is not None:
        watch(session, job)
    _report(session, location, time.monotonic() - began)
    word = _first_search(session, location)
    _what_next(session, folder, word)


def _daemon(session: Session) -> None:
    pid = pid_of_running(session)
    if pid is None:
        pid = launch(session, daemon_arguments(session))
        session.output.remark(f"started the daemon (pid {pid})")
    else:
        session.output.remark(f"the daemon runs (pid {pid})")


def _library(session: Session) -> None:
    """Choose the library to work in: the one that is named, or open, or a new one."""
    if session.library is not None:
        return
    open_ones = session.client.call(ListLibraries())
    if open_ones:
        session.library = str(open_ones[0].id)
        session.output.remark(f"library {open_ones[0].name}")
        return
    name = os.path.basename(os.path.expanduser("~").rstrip("/"))
    name = "Home" if name in ("", "root") else name
    made = session.client.call(CreateLibrary(name))
    session.library = str(made.library_id)
    session.output.remark(f"made the library {made.name} in {made.path}")


def _as_input(session: Session, folder: str) -> PathInput:
    if is_exact(folder):
        return folder
    return physical(session.call(GetStatus()).device_info.slug, os.fsencode(folder))


def _location(session: Session, folder: str) -> tuple[UUID, UUID | None]:
    """The location of the folder and the job that reads it."""
    known = _location_at(session, folder)
    if known is None:
        try:
            added = session.call(AddLocation(_as_input(session, folder)))
        except LocationExists:  # under another spelling of its path
            known = _location_at(session, os.path.realpath(folder))
            if known is None:
                raise
        else:
            session.output.remark(f"added {folder}")
            return added.location_id, added.job_id
    session.output.remark(f"{folder} is a location already; reading what changed")
    return known.id, session.call(RescanLocation(known.id)).job_id


def _location_at(session: Session, folder: str) -> Location | None:
    locations = session.call(ListLocations()).locations
    return next((one for one in locations if names.local_path(one.sd_path) == folder), None)


def _report(session: Session, location: UUID, seconds: float) -> None:
    found = next(
        (one for one in session.call(ListLocations()).locations if one.id == location), None
    )
    if found is None:
        return
    files, folders = number(found.file_count, "file"), number(found.directory_count, "folder")
    left_out = f", {number(found.omitted_count)} left out" if found.omitted_count else ""
    session.output.line(
        f"{files} and {folders}, {size(found.total_size)}{left_out}, known after {span(seconds)}"
    )


def _first_search(session: Session, location: UUID) -> str | None:
    """Search for a word that the index has, and show what that finds."""
    inside = ScopedSearch(Location=LocationScope(location))
    some = session.call(
        SearchFiles(
            "",
            scope=inside,
            mode=SearchMode.FAST,
            sort=SortOptions(SortField.MODIFIED_AT),
            pagination=PaginationOptions(SAMPLE),
        )
    )
    words = [word for file in some.files for word in _words(file)]
    word = max(words, key=lambda one: (words.count(one), len(one)), default=None)
    if word is None:
        return None
    request = SearchFiles(word, mode=SearchMode.FAST, pagination=PaginationOptions(SHOWN))
    found = msgspec.to_builtins(session.call(request))
    output = session.output
    output.line(f"\n$ sd search {word}")
    output.lines(search_lines(found, terminal=output.terminal, colour=output.colour))
    footer = search_footer(found)
    if footer:
        output.remark(footer)
    return word


def _words(file: File) -> list[str]:
    """The words of a name that a person might look for."""
    spaced = "".join(c if c.isalpha() else " " for c in unicodedata.normalize("NFC", file.name))
    return [word.lower() for word in spaced.split() if len(word) >= SHORTEST_WORD]


def _what_next(session: Session, folder: str, word: str | None) -> None:
    say = session.output.remark
    say("")
    say("What to type next:")
    for line in [
        *_settings(session),
        f"sd search {word or 'WORDS'}",
        f"sd ls {shlex.quote(folder)}",
    ]:
        say(f"  {line}")
    say("  sd status                     what the daemon does right now")
    say("  sd events --follow            what happens, as it happens")
    say("  sd location add OTHER_DIR     index more")
    say("  sd --help")


def _settings(session: Session) -> list[str]:
    """What the shell has to be told before the lines below can be typed as they stand."""
    beside = os.path.dirname(os.path.abspath(sys.executable))
    needed = []
    if shutil.which("sd") is None and os.path.exists(os.path.join(beside, "sd")):
        needed.append(f"export PATH={shlex.quote(beside)}:$PATH")
    meant = {
        "SD_SOCKET": session.named_socket,
        "SD_DATA_DIR": session.named_data_dir,
        "SD_INSTANCE": session.named_instance,
        "SD_LIBRARY": session.library if len(session.client.call(ListLibraries())) > 1 else None,
    }
    needed += [
        f"export {name}={shlex.quote(value)}"
        for name, value in meant.items()
        if value is not None and os.environ.get(name) != value
    ]
    return needed
