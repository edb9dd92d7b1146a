"""Search over a library that the index job made from a disk."""

from __future__ import annotations

import os
from uuid import uuid4

from sd_daemon.core import locations
from sd_daemon.core.db.connection import open_reader, open_writer, transaction
from sd_daemon.core.db.migrate import migrate
from sd_daemon.core.files import find
from sd_daemon.core.ids import EntryIds
from sd_daemon.core.index.job import run_index
from sd_daemon.core.search.files import search_files
from sd_wire.operations.search import SearchFiles, SearchMode
from sd_wire.types.locations import IndexMode, JobPolicies


class Quiet:
    """The context of a job that nobody watches and nobody interrupts."""

    def __init__(self, folder):
        self.library_dir = str(folder)
        self.job_id = str(uuid4())

    def progress(self, phase, completed, total=None, **more):
        pass

    def safe_point(self):
        pass

    def announce(self):
        pass

    def log(self, level, message, **fields):
        pass


def test_a_file_is_found_by_its_new_name_only_and_when_deleted_not_at_all(tmp_path):
    tree, library = tmp_path / "tree", tmp_path / "library"
    (tree / "Été").mkdir(parents=True)
    library.mkdir()
    (tree / "Été" / "Résumé 2024.pdf").write_text("x")
    (tree / os.fsdecode(b"caf\xe9.txt")).write_text("y")
    migrate(f"{library}/library.db", "library")
    writer = open_writer(f"{library}/library.db")
    with transaction(writer):
        here = locations.add(writer, str(tree), None, IndexMode.CONTENT, JobPolicies())
    reader, ids = open_reader(f"{library}/library.db"), EntryIds(uuid4())

    def index():
        location = str(here.uuid)
        run_index({"location_id": location, "mode": "Content", "rules": None}, Quiet(library))

    def search(query):
        answers = [
            search_files(reader, ids, "here", SearchFiles(query=query, mode=mode)).files
            for mode in SearchMode
        ]
        assert answers[0] == answers[1] == answers[2]
        return answers[0]

    index()
    (file,) = search("resume 2024")
    assert file.content_identity.entry_count == 1
    assert find.by_path(reader, ids, "here", file.sd_path.Physical.path) == file
    (cafe,) = search("caf .txt")
    assert find.by_path(reader, ids, "here", "", cafe.sd_path.Physical.path_bytes) == cafe
    os.rename(tree / "Été" / "Résumé 2024.pdf", tree / "Été" / "Lebenslauf.pdf")
    index()
    assert search("resume") == []
    (renamed,) = search("lebenslauf")
    assert renamed.id == file.id
    os.unlink(tree / "Été" / "Lebenslauf.pdf")
    index()
    assert search("lebenslauf") == []
    writer.close()
    reader.close()
