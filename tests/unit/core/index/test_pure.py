"""The pure parts: folding names, kinds of content, sizes for people, subtrees."""

from __future__ import annotations

import sqlite3
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sd_daemon.core.index.kinds import EXTENSIONS, KINDS, identify_kind, is_image
from sd_daemon.core.index.names import fold
from sd_daemon.core.index.report import human_size
from sd_daemon.core.index.walk import Subtree, exact, join, loose

# Any name or path as os.fsdecode gives it: text with lone surrogates for undecodable bytes.
LOOSE = st.binary(min_size=1, max_size=20).map(lambda raw: raw.decode("utf-8", "surrogateescape"))


@pytest.mark.parametrize(
    ("name", "folded"),
    [
        ("Résumé.PDF", "resume.pdf"),
        ("ÅNGSTRÖM", "angstrom"),
        ("Straße", "strasse"),
        ("ﬁle", "file"),
        ("İstanbul", "istanbul"),
        ("Ⅷ", "viii"),
        ("한글", "한글"),
        ("Ελλάδα", "ελλαδα"),
        (b"a\xffB", "a\ufffdb"),
        ("o'Brien C++", "o'brien c++"),
    ],
)
def test_fold(name, folded):
    assert fold(name) == folded


@given(st.text())
def test_folding_twice_changes_nothing(text):
    assert fold(fold(text)) == fold(text)


@given(st.text())
def test_however_it_is_composed(text):
    forms = {fold(unicodedata.normalize(form, text)) for form in ("NFC", "NFD")}
    assert len(forms) == 1


@given(st.text(max_size=20))
def test_case_does_not_matter(text):
    assert fold(text.casefold()) == fold(text)


@given(st.binary(max_size=40))
def test_bytes_never_fail(raw):
    fold(raw)


@given(LOOSE)
def test_exact_and_loose_are_inverse(name):
    stored = exact(name)
    assert loose(stored) == name
    if isinstance(stored, str):
        stored.encode()


@given(st.lists(LOOSE, max_size=8), LOOSE)
def test_a_subtree_in_sql_is_a_subtree(paths, root):
    root = "/" + root.strip("/")
    paths = ["/" + path.strip("/") for path in paths]
    paths += [root, root + "-x", root + "0", join(root, "x"), join(join(root, "y"), "\udcff")]
    below = Subtree(root)
    db = sqlite3.connect(":memory:")
    db.execute("CREATE TABLE t (path)")
    db.executemany("INSERT INTO t VALUES (?)", [(exact(path),) for path in paths])
    rows = db.execute(f"SELECT path FROM t WHERE {below.where('path')}", below.params).fetchall()
    db.close()
    inside = root.rstrip("/") + "/"
    want = sorted(path for path in paths if path == root or path.startswith(inside))
    assert sorted(loose(row[0]) for row in rows) == want
    assert sorted(path for path in paths if below.contains(path)) == want


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.jpg", "image"),
        ("a.JPEG", "image"),
        ("film.mkv", "video"),
        ("song.flac", "audio"),
        ("paper.pdf", "document"),
        ("x.tar.gz", "archive"),
        ("main.rs", "code"),
        ("notes.md", "text"),
        ("x.sqlite3", "database"),
        ("novel.epub", "book"),
        ("type.woff2", "font"),
        ("part.stl", "mesh"),
        ("settings.toml", "config"),
        ("secret.gpg", "encrypted"),
        ("id_ed25519", "key"),
        ("setup.exe", "executable"),
        ("lib.so", "binary"),
        ("sums.xlsx", "spreadsheet"),
        ("talk.pptx", "presentation"),
        ("letter.eml", "email"),
        ("party.ics", "calendar"),
        ("friend.vcf", "contact"),
        ("page.html", "web"),
        ("there.lnk", "shortcut"),
        ("tool.deb", "package"),
        ("Makefile", "config"),
        ("README", "text"),
        (".jpg", "unknown"),
        ("jpg", "unknown"),
        ("x.", "unknown"),
        ("x.nonsense", "unknown"),
        (b"\xff.png", "image"),
    ],
)
def test_kinds(name, kind):
    assert KINDS[identify_kind(name)[0]] == kind


def test_the_table_of_kinds():
    assert len(KINDS) == 27
    assert len(EXTENSIONS) >= 350
    assert is_image("x.heic")
    assert not is_image("x.txt")
    assert all(extension == extension.lower() for extension in EXTENSIONS)
    assert all("/" in mime for _, mime in EXTENSIONS.values())


def test_sizes():
    assert [human_size(size) for size in (0, 999, 1000, 1_234_567, 123_456_789, 10**18)] == [
        "0 bytes",
        "999 bytes",
        "1.0 kB",
        "1.2 MB",
        "123 MB",
        "1000.0 PB",
    ]
