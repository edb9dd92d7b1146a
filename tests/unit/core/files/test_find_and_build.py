"""Single files, and what is said about them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shelf import NOW, SLUG

from sd_daemon.core.files import contents
from sd_daemon.core.files.build import moment, split_name
from sd_daemon.core.index.identity_text import id_to_text, identity_uuid
from sd_daemon.core.paths import absolute, resolve
from sd_wire.errors import InvalidValue, LocationNotFound, UnsupportedPath
from sd_wire.types.files import ContentKind, EntryKind
from sd_wire.types.paths import ContentPath, PhysicalPath, SdPath


@pytest.fixture
def library(shelf):
    shelf.location("/home/me")
    shelf.photo = shelf.file(
        "/home/me/Pictures/a.tar.gz", size=9, mtime=5_123_456_789, ctime=10**18
    )
    return shelf


def test_a_file_has_what_the_index_knows(library):
    file = library.by_id(library.uuid(library.photo))
    assert file == library.by_path("/home/me/Pictures/a.tar.gz")
    assert file.sd_path == SdPath(Physical=PhysicalPath(SLUG, "/home/me/Pictures/a.tar.gz"))
    assert (file.name, file.extension, file.kind) == ("a.tar", "gz", EntryKind.FILE)
    assert (file.size, file.inode, file.content_kind) == (9, 7, ContentKind.ARCHIVE)
    assert file.modified_at == datetime(1970, 1, 1, 0, 0, 5, 123456, UTC)
    assert file.created_at == file.modified_at
    assert file.content_identity is None
    assert msgspec.json.decode(msgspec.json.encode(file), type=type(file)) == file


def test_ids_of_nothing(library):
    assert library.by_id(uuid4()) is None
    assert library.by_id(library.uuid(999)) is None
    assert library.by_path("/home/me/nothing") is None
    assert library.by_path("/elsewhere/nothing") is None


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        (".bashrc", (".bashrc", None)),
        ("a.tar.gz", ("a.tar", "gz")),
        ("README", ("README", None)),
        ("ends.", ("ends.", None)),
        (".config.json", (".config", "json")),
        ("..", ("..", None)),
    ],
)
def test_names_and_extensions(name, parts):
    assert split_name(name) == parts


@given(st.text())
def test_name_and_extension_joined_are_the_name(name):
    stem, extension = split_name(name)
    assert name == stem if extension is None else f"{stem}.{extension}"


@given(st.integers(-(1 << 63), (1 << 63) - 1))
def test_every_time_that_the_database_can_hold_is_a_time(nanoseconds):
    exact = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=nanoseconds // 1000)
    assert moment(nanoseconds) == exact


def test_what_is_neither_file_nor_folder_nor_link_is_a_special_file(library):
    for kind, special in enumerate(["fifo", "socket", "block_device", "character_device"], 3):
        library.file(f"/home/me/x.jpg {special}.jpg", kind)
        file = library.by_path(f"/home/me/x.jpg {special}.jpg")
        assert (file.kind, file.special) == (EntryKind.FILE, special)
        assert file.content_kind is ContentKind.UNKNOWN
    library.file("/home/me/link.jpg", 2)
    link = library.by_path("/home/me/link.jpg")
    assert (link.kind, link.special) == (EntryKind.SYMLINK, None)


def test_folders_have_no_extension_and_roots_the_name_of_their_folder(library):
    library.folder("/home/me/photos.2024")
    folder = library.by_path("/home/me/photos.2024")
    assert (folder.name, folder.extension, folder.kind) == ("photos.2024", None, "Directory")
    root = library.by_path("/home/me")
    assert (root.name, root.sd_path.Physical.path) == ("me", "/home/me")


def test_a_library_of_the_whole_disk(shelf):
    shelf.location("/")
    shelf.folders[b""] = shelf.folders[b"/"]
    shelf.file("/etc.txt")
    assert shelf.by_path("/").name == "/"
    assert shelf.by_path("//etc.txt").sd_path.Physical.path == "/etc.txt"
    assert [file.name for file in shelf.listing("/").files] == ["etc"]


def test_names_that_are_not_utf8_go_out_and_come_back(library):
    library.file(b"/home/me/caf\xe9/\xff.jpg")
    library.file("/home/me/caf\u00e9/real \ufffd.jpg")
    there = library.by_path("", b"/home/me/caf\xe9/\xff.jpg").sd_path.Physical
    assert there.path == "/home/me/caf\ufffd/\ufffd.jpg"
    assert there.path_bytes == b"/home/me/caf\xe9/\xff.jpg"
    assert library.by_path(there.path, there.path_bytes).name == "\ufffd"
    assert library.by_path("/home/me/caf\udce9/\udcff.jpg") is not None
    real = library.by_path("/home/me/caf\u00e9/real \ufffd.jpg").sd_path.Physical
    assert real.path_bytes is None
    folder = SdPath(Physical=PhysicalPath(SLUG, "/home/me/caf\ufffd", b"/home/me/caf\xe9"))
    assert len(library.listing(folder).files) == 1


@pytest.mark.parametrize(
    "spelling",
    [
        "/home/me/Pictures/",
        "//home//me/./Pictures",
        "/home/me/x/../Pictures",
        "/../home/me/Pictures/.",
    ],
)
def test_spellings_of_a_path(library, spelling):
    assert library.by_path(spelling).name == "Pictures"
    assert library.listing(spelling).total_count == 1


@pytest.mark.parametrize("path", ["", "relative", "/with\0nul", "/surrogate \ud800"])
def test_what_is_no_path(library, path):
    with pytest.raises(InvalidValue) as refused:
        library.by_path(path)
    assert refused.value.pointer == "/payload/path"
    with pytest.raises(InvalidValue) as refused:
        library.by_path("/fine", b"/nul\0")
    assert refused.value.pointer == "/payload/path_bytes"


@given(st.text("/.ab").map(lambda text: "/" + text))
def test_a_clean_path_is_clean(path):
    clean = absolute(path)
    assert absolute(clean) == clean
    assert clean == "/" or not clean.endswith("/")
    assert not {"", ".", ".."} & set(clean[1:].split("/")) or clean == "/"


def test_contents_and_their_instances(library):
    copies = [library.file(f"/home/me/copy {n}.bin") for n in range(3)]
    strange = library.file("/home/me/photo.unheard-of")
    library.content(-5, 16, 77, *copies)
    library.content(6, 1, 88, strange)
    file = library.by_id(library.uuid(copies[1]))
    identity = file.content_identity
    assert identity.content_hash == id_to_text(-5) == "fffffffffffffffb"
    assert str(identity.uuid) == identity_uuid("fffffffffffffffb")
    assert (identity.entry_count, identity.total_size, identity.kind) == (3, 77, "binary")
    assert identity.first_seen_at == moment(NOW)
    assert file.sd_path.Physical is not None
    assert library.by_id(library.uuid(strange)).content_kind is ContentKind.IMAGE
    same = library.instances(copies[2])
    assert ([one.name for one in same.instances], same.total_count) == (
        ["copy 0", "copy 1", "copy 2"],
        3,
    )
    alone = library.instances(library.photo)
    assert [one.name for one in alone.instances] == ["a.tar"]
    by_content = SdPath(Content=ContentPath(identity.uuid))
    assert resolve(library.db, by_content, SLUG) == "/home/me/copy 0.bin"
    stats = contents.content_kind_stats(library.db)
    assert [(one.kind, one.file_count) for one in stats.stats] == [("binary", 3), ("image", 1)]
    assert stats.total_files == 4


def test_instances_of_nothing(library):
    with pytest.raises(InvalidValue) as refused:
        library.instances(12345)
    assert refused.value.pointer == "/payload/entry_uuid"


def test_what_is_in_one_location_only(library):
    here, there = library.location("/here"), library.location("/there")
    library.content(1, 0, 10, library.file("/here/both"), library.file("/there/both"))
    library.content(2, 0, 20, library.file("/here/twice 1"), library.file("/here/sub/twice 2"))
    library.content(3, 0, 30, library.file("/there/only"))
    library.file("/here/not identified")
    unique = library.unique(here)
    assert {file.name for file in unique.unique_files} == {"twice 1", "twice 2"}
    assert (unique.total_count, unique.total_size) == (2, 40)
    assert [file.name for file in library.unique(there, 1).unique_files] == ["only"]
    one = library.unique(here, 1)
    assert (len(one.unique_files), one.total_count) == (1, 2)
    with pytest.raises(LocationNotFound):
        library.unique(uuid4())


def test_paths_of_other_devices_are_refused(library):
    with pytest.raises(UnsupportedPath) as refused:
        library.listing(SdPath(Physical=PhysicalPath("elsewhere", "/home/me")))
    assert "elsewhere" in refused.value.text
