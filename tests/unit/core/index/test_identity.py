"""The content identity, against the published algorithm written down a second time."""

from __future__ import annotations

import os
import struct
import uuid

import blake3
import pytest
from hypothesis import given
from hypothesis import strategies as st
from truth import NO_RULES

from sd_daemon.core.index.identity import content_id
from sd_daemon.core.index.identity_text import id_from_text, id_to_text, identity_uuid


def published(file, size):
    """The algorithm as published, read with seek and read."""
    digest = blake3.blake3()
    digest.update(struct.pack("<Q", size))
    if size <= 100 * 1024:
        file.seek(0)
        digest.update(file.read())
    else:
        file.seek(0)
        digest.update(file.read(8 * 1024))
        step = (size - 2 * 8 * 1024) // 4
        for number in range(4):
            file.seek(8 * 1024 + number * step)
            digest.update(file.read(10 * 1024))
        file.seek(-8 * 1024, os.SEEK_END)
        digest.update(file.read(8 * 1024))
    return digest.hexdigest()[:16]


SIZES = [1, 2, 63, 64, 65, 1024, 8192, 102_399, 102_400, 102_401, 200_000, 10 << 20]


@pytest.fixture
def files(tree):
    for size in SIZES:
        (tree / str(size)).write_bytes((b"%d-" % size * (size // 2 + 1))[:size])
    with (tree / "sparse").open("wb") as file:
        file.truncate(10 << 30)
        file.seek(5 << 30)
        file.write(b"in the middle")
    return sorted(tree.iterdir())


def test_vectors(files):
    for path in files:
        with path.open("rb") as file:
            size = path.stat().st_size
            number = content_id(lambda n, at: os.pread(file.fileno(), n, at), size)
            assert id_to_text(number) == published(file, size), path.name


def test_the_job_stores_what_was_published(library, tree, files):
    (tree / "empty").touch()
    os.mkfifo(tree / "fifo")
    (tree / "link").symlink_to("1")
    here = library.add(tree)
    library.index(here, mode="Content", rules=NO_RULES)
    rows = library.query(
        "SELECT e.name, printf('%016x', e.content), c.size, c.kind FROM entries e"
        " JOIN contents c ON c.id = e.content"
    )
    assert len(rows) == len(files)
    for name, text, size, _ in rows:
        with (tree / name).open("rb") as file:
            assert text == published(file, size)
    without = library.query("SELECT name FROM entries WHERE content IS NULL AND kind != 1")
    assert sorted(row[0] for row in without) == ["empty", "fifo", "link"]


def test_equal_contents_are_one(library, tree):
    (tree / "a.jpg").write_text("same")
    (tree / "b.txt").write_text("same")
    here = library.add(tree)
    library.index(here, mode="Content")
    assert library.query("SELECT count(*) FROM contents") == [(1,)]
    assert library.query("SELECT count(DISTINCT content) FROM entries") == [(1,)]


def test_a_file_that_grows_is_identified_by_the_next_pass(library, tree):
    (tree / "a").write_text("one")
    here = library.add(tree)
    library.index(here, mode="Content")
    (tree / "a").write_text("other")
    library.index(here, mode="Content", full=True)
    [(content,)] = library.query("SELECT content FROM entries WHERE name = 'a'")
    with (tree / "a").open("rb") as file:
        assert id_to_text(content) == published(file, 5)


def test_shallow_first_content_later(library, tree):
    (tree / "a").write_text("one")
    here = library.add(tree)
    library.index(here)
    assert library.query("SELECT count(*) FROM contents") == [(0,)]
    report = library.index(here, mode="Content")
    assert report["identified"] == 1
    report = library.index(here, mode="Content")
    assert report["identified"] == 0


@given(st.integers(-(2**63), 2**63 - 1))
def test_text_and_number_are_the_same(number):
    text = id_to_text(number)
    assert len(text) == 16
    assert id_from_text(text) == number


@given(st.text("0123456789abcdef", min_size=16, max_size=16))
def test_the_uuid_is_version_5_of_the_text(text):
    assert identity_uuid(text) == str(uuid.uuid5(uuid.NAMESPACE_DNS, text))
    assert id_to_text(id_from_text(text)) == text


@given(st.binary(min_size=1, max_size=300), st.integers(1, 50))
def test_short_reads_change_nothing(data, most):
    whole = content_id(lambda n, at: data[at : at + n], len(data))
    assert content_id(lambda n, at: data[at : at + min(n, most)], len(data)) == whole
