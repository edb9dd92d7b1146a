"""trash.list, trash.restore and trash.empty through a daemon."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from person import Person, in_index, on_disk, plant
from trash_bin import Bin, require_no_other

if TYPE_CHECKING:
    from pathlib import Path

    from running import Daemon


@pytest.fixture
def person(bin_: Bin, daemon: Daemon) -> Person:
    person = Person(daemon)
    person.create("Home")
    return person


@pytest.fixture
def tree(person: Person, tmp_path: Path) -> Path:
    tree = plant(tmp_path / "tree", 3, 4)
    person.index(tree)
    return tree


def done(person: Person, method: str, payload: dict[str, Any]) -> dict[str, Any]:
    """Let a job run to its end, and the index follow it."""
    events = person.listen("FileOperationCompleted")
    job = person.ask(method, payload)["id"]
    ended = person.ended(job)
    data = ended["output"]["data"] if ended["status"] == "completed" else {}
    if data.get("deleted_count") or data.get("restored_count"):
        events.until("FileOperationCompleted", job_id=job)
        person.all_quiet()
    return ended


def delete(person: Person, *paths: Path) -> None:
    targets = {"paths": [str(path) for path in paths]}
    assert done(person, "files.delete!", {"targets": targets})["status"] == "completed"


def listed(person: Person, **more: Any) -> list[dict[str, Any]]:
    return [one for one in person.ask("trash.list", more)["items"] if is_ours(person, one)]


def is_ours(person: Person, item: dict[str, Any]) -> bool:
    """Whether a thing is in a trash of this test, and not in one that its user has anyway."""
    return str(item["trash"]["Physical"]["path"]).startswith(f"{person.daemon.data_dir.parent}/")


def ids(person: Person) -> dict[str, str]:
    """The ids of what is in the trash by name."""
    return {item["name"]: item["id"] for item in listed(person)}


def test_what_is_there_the_latest_first(person: Person, tree: Path, bin_: Bin) -> None:
    assert listed(person) == []
    delete(person, tree / "plain.txt", tree / "0000")
    file, folder = sorted(listed(person), key=lambda item: item["kind"], reverse=True)
    assert file["original_path"]["Physical"]["path"] == str(tree / "plain.txt")
    assert file["path"]["Physical"]["path"] == str(bin_.folder / "files" / "plain.txt")
    assert file["trash"]["Physical"]["path"] == str(bin_.folder)
    assert (folder["name"], folder["kind"]) == ("0000", "Directory")
    assert folder["size"] > 0
    assert file["deleted_at"] is not None


def test_page_by_page_each_thing_once(person: Person, tree: Path) -> None:
    delete(person, *(tree / "0000" / f"{number:04}.txt" for number in range(4)))
    seen, cursor = [], None
    while True:
        page = person.ask("trash.list", {"limit": 3, "cursor": cursor})
        seen += [item["name"] for item in page["items"] if is_ours(person, item)]
        assert page["total_count"] >= 4
        cursor = page["next_cursor"]
        if not page["has_more"]:
            break
    assert sorted(seen) == ["0000.txt", "0001.txt", "0002.txt", "0003.txt"]
    assert person.refused("trash.list", {"cursor": "nonsense"}).code == "invalid-value"


def test_things_come_back_and_so_do_their_folders(person: Person, tree: Path, bin_: Bin) -> None:
    before = {path: row[0] for path, row in on_disk(tree).items()}
    delete(person, tree / "0000" / "0001.txt", tree / "plain.txt")
    shutil.rmtree(tree / "0000")
    ended = done(person, "trash.restore!", {"items": list(ids(person).values())})
    assert ended["output"]["data"]["restored_count"] == 2
    after = {path: row[0] for path, row in on_disk(tree).items()}
    assert set(before) - set(after) == {
        os.fsencode(tree / "0000" / f"{n:04}.txt") for n in (0, 2, 3)
    }
    assert bin_.originals() == set()
    assert in_index(person.folder(), tree) == on_disk(tree)


@pytest.mark.parametrize(
    ("resolution", "names", "kept"),
    [
        ("Skip", {"a.txt": "new"}, 1),
        ("AutoModifyName", {"a.txt": "new", "a (1).txt": "old"}, 0),
        ("Overwrite", {"a.txt": "old"}, 1),
    ],
)
def test_a_name_that_is_taken(
    person: Person, tmp_path: Path, bin_: Bin, resolution: str, names: dict[str, str], kept: int
) -> None:
    folder = tmp_path / "place"
    folder.mkdir()
    (folder / "a.txt").write_text("old")
    delete(person, folder / "a.txt")
    (folder / "a.txt").write_text("new")
    wanted = {"items": [ids(person)["a.txt"][:6]]}
    for given in (wanted, {**wanted, "on_conflict": "Abort"}):
        assert person.refused("trash.restore!", given).code == "file-conflict"
    ended = done(person, "trash.restore!", {**wanted, "on_conflict": resolution})
    assert ended["status"] == "completed"
    assert {path.name: path.read_text() for path in folder.iterdir()} == names
    assert len(bin_.originals()) == kept


def test_into_another_folder(person: Person, tree: Path, tmp_path: Path) -> None:
    delete(person, tree / "plain.txt")
    (item,) = ids(person).values()
    for place, code in ((tmp_path / "none", "path-not-found"), (tree / "%s", "not-a-directory")):
        given = {"items": [item], "destination": str(place)}
        assert person.refused("trash.restore!", given).code == code
    done(person, "trash.restore!", {"items": [item], "destination": str(tmp_path)})
    assert (tmp_path / "plain.txt").exists()


def test_what_nobody_knows_is_refused(person: Person, tree: Path, bin_: Bin) -> None:
    assert person.refused("trash.restore!", {"items": []}).code == "invalid-value"
    assert person.refused("trash.restore!", {"items": ["00ff"]}).code == "trash-item-not-found"
    assert person.refused("trash.empty!", {"items": ["00ff"]}).code == "trash-item-not-found"
    assert person.refused("trash.empty!", {}).code == "invalid-value"
    delete(person, tree / "plain.txt")
    (bin_.folder / "info" / "plain.txt.trashinfo").write_text("not an info file")
    (item,) = listed(person)
    assert (item["original_path"], item["deleted_at"]) == (None, None)
    refused = person.refused("trash.restore!", {"items": [item["id"]]})
    assert refused.text.endswith("nothing says where plain.txt was: name a destination")
    done(person, "trash.restore!", {"items": [item["id"]], "destination": str(tree)})
    assert (tree / "plain.txt").exists()


def test_what_is_named_is_destroyed(person: Person, tree: Path, bin_: Bin) -> None:
    delete(person, tree / "0000", tree / "0001", tree / "plain.txt")
    ended = done(person, "trash.empty!", {"items": [ids(person)["0001"], ids(person)["plain.txt"]]})
    assert ended["output"]["type"] == "FileDelete"
    assert ended["output"]["data"]["deleted_count"] == 2
    assert bin_.originals() == {str(tree / "0000")}


def test_emptying(person: Person, tree: Path, bin_: Bin) -> None:
    require_no_other()
    delete(person, tree / "0000", tree / "0001", tree / "plain.txt")
    info = bin_.folder / "info" / "0001.trashinfo"
    info.write_text(info.read_text().replace("DeletionDate=20", "DeletionDate=19"))
    ended = done(person, "trash.empty!", {"older_than_days": 1})
    assert ended["output"]["data"]["deleted_count"] == 1
    assert set(ids(person)) == {"0000", "plain.txt"}
    done(person, "trash.empty!", {"all": True})
    assert bin_.originals() == set()
    assert done(person, "trash.empty!", {"all": True})["output"]["data"]["deleted_count"] == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts filesystems")
def test_every_mounted_filesystem_and_what_cannot_cross(person: Person, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(disk)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        (disk / "there").write_text("x")
        (tmp_path / "here").write_text("x")
        delete(person, disk / "there", tmp_path / "here")
        assert set(ids(person)) == {"there", "here"}
        there = Bin(disk / f".Trash-{os.geteuid()}", str(disk))
        assert there.originals() == {str(disk / "there")}
        crossing = {"items": [ids(person)["there"]], "destination": str(tmp_path)}
        ended = done(person, "trash.restore!", crossing)
        assert ended["status"] == "failed"
        assert "is on another filesystem" in ended["error_message"]
        assert there.originals() == {str(disk / "there")}
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        ended = done(person, "trash.empty!", {"items": list(ids(person).values())})
        assert (ended["status"], ended["output"]["data"]["failed_count"]) == ("completed", 1)
        assert "Read-only" in ended["output"]["data"]["failures"][0]["reason"]
        assert ended["warnings"] == []
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
    assert ids(person) == {}
