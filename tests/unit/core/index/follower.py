"""Somebody who knows the files of a library only from its events."""

from __future__ import annotations

import asyncio
import os

from truth import Library

from sd_daemon.core import library as core_library
from sd_daemon.core.bus import Bus
from sd_daemon.core.files.announce import announce, announce_rest
from sd_wire.events import EVENTS, EntryMoved, Refresh, ResourceChangedBatch, ResourceDeleted


def path_of(sd_path) -> bytes:
    """The exact bytes of a path on the wire."""
    place = sd_path.Physical
    return place.path.encode() if place.path_bytes is None else place.path_bytes


class Followed:
    """An open library, the engine that indexes it, and a client that follows it."""

    def __init__(self, folder) -> None:
        core_library.create_folder(f"{folder}/Home.sdlibrary", "Home")
        self.open = core_library.Library.open(f"{folder}/Home.sdlibrary", "here")
        self.engine = Library(self.open.path)
        self.bus = Bus()
        self.events: list = []
        self.known: dict = {}
        # Raw changes say the same once more, to those who ask for them by name.
        self.bus.subscribe([name for name in EVENTS if name != "FsRawChange"], self._take)

    def close(self) -> None:
        self.open.close()

    def index(self, here, **params) -> None:
        """A pass to its end, and what the daemon says of it."""
        self.engine.index(here, **params)
        self.job_has_stopped()

    def tell(self) -> None:
        """What the daemon does when a worker has committed something."""
        asyncio.run(announce(self.open, self.bus, None))

    def job_has_stopped(self, *, whole: bool = True) -> None:
        """What the daemon does when a job has stopped."""
        asyncio.run(announce_rest(self.open, self.bus, None, whole=whole))

    def truth(self) -> dict:
        """The index: path by id, without the roots of locations."""
        ids = {self.open.ids.to_uuid(entry): path for path, entry in self.engine.ids().items()}
        return {entry: path for entry, path in ids.items() if entry not in self._roots()}

    def _roots(self) -> set:
        rows = self.engine.query("SELECT entry FROM locations")
        return {self.open.ids.to_uuid(entry) for (entry,) in rows}

    def id(self, path) -> object:
        """The id of what is at a path."""
        return self.open.ids.to_uuid(self.engine.ids()[os.fsencode(path)])

    def heard(self) -> list:
        """The events since this was asked last."""
        heard, self.events = self.events, []
        return heard

    def said(self) -> list[tuple[str, object]]:
        """The same: what happened to which entry, and what is a resource now or no more."""
        said: list[tuple[str, object]] = []
        for event in self.heard():
            name = type(event).__name__
            if isinstance(event, ResourceChangedBatch):
                said += [("resource", file.id) for file in event.resources]
            else:
                what = getattr(event, "entry_id", getattr(event, "resource_id", None))
                said.append((name, what))
        return said

    def _take(self, published) -> None:
        event = published.event
        self.events.append(event)
        if isinstance(event, ResourceChangedBatch):
            files = [file for file in event.resources if file.id not in self._roots()]
            self.known |= {file.id: path_of(file.sd_path) for file in files}
        elif isinstance(event, ResourceDeleted):
            self.known.pop(event.resource_id, None)
        elif isinstance(event, EntryMoved):
            truth, old = self.truth(), event.old_path.encode()
            below = [entry for entry, path in self.known.items() if path.startswith(old + b"/")]
            self.known |= {entry: truth[entry] for entry in below if entry in truth}
        elif isinstance(event, Refresh):
            self.known = self.truth()
