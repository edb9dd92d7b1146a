"""Somebody who changes a tree at random, as fast as they are told to.

    python mutator.py FOLDER SEED SECONDS OPERATIONS_PER_SECOND

Creates, writes, replaces, renames, moves trees, deletes and hard-links. What is there at the start
is written to, renamed and moved, and never deleted or replaced. At the end it prints, as JSON, how
many operations it did, and where each file and folder was at the start and is now.

Nobody is told who writes through a hard link that is made for it and gone a moment later: so
files with several names are not written to for some seconds after they got or lost one.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import sys
import time

LINKED_S = 5.0  # seconds
FOLDERS, FILES = 400, 4000  # at most, so that reading the tree does not take longer and longer


class Mutator:
    """Knows what it made: `folders` and `files` by path below the root."""

    def __init__(self, root: str, seed: int) -> None:
        self.root = root
        self.random = random.Random(seed)
        self.folders = [""]
        self.files: list[str] = []
        self.serial = 0
        self.done = 0
        for folder, folders, files in os.walk(root):
            below = os.path.relpath(folder, root)
            prefix = "" if below == "." else below + "/"
            self.folders += [prefix + name for name in folders]
            regular = [name for name in files if not os.path.islink(f"{folder}/{name}")]
            self.files += [prefix + name for name in regular]
        # Where each was at the start that is here now.
        self.kept = {path: path for path in [*self.folders[1:], *self.files]}

    def step(self) -> None:
        """One operation."""
        names = [
            *["create"] * 20, *["write"] * 20, *["rename"] * 18, *["replace"] * 6, *["over"] * 3,
            *["delete"] * 14, *["link"] * 4, *["mkdir"] * 6, "move_tree", "remove_tree",
            *["deep"] * 2, "chmod",
        ]  # fmt: skip
        getattr(self, self.random.choice(names))()
        self.done += 1

    def new(self, folder: str) -> str:
        """A name that nothing has."""
        self.serial += 1
        kind = self.random.choice(["n", ".n", "n é ", "n~", "x.tmp"])
        return f"{folder}/{kind}{self.serial}".lstrip("/")

    def at(self, path: str) -> str:
        return f"{self.root}/{path}"

    def some_file(self) -> str | None:
        return self.random.choice(self.files) if self.files else None

    def create(self) -> None:
        if len(self.files) > FILES:
            self.delete()
            return
        path = self.new(self.random.choice(self.folders))
        with open(self.at(path), "wb") as file:
            file.write(b"x" * self.random.randrange(2000))
        self.files.append(path)

    def write(self) -> None:
        if (path := self.some_file()) is not None and not self.was_linked(path):
            with open(self.at(path), "ab" if self.random.random() < 0.5 else "r+b") as file:
                file.write(b"y" * self.random.randrange(1, 500))

    def was_linked(self, path: str) -> bool:
        found = os.lstat(self.at(path))
        return found.st_nlink > 1 and time.time() - found.st_ctime < LINKED_S

    def rename(self) -> None:
        path = self.some_file()
        if path is None:
            return
        target = self.new(self.random.choice(self.folders))
        os.rename(self.at(path), self.at(target))
        self.moved(path, target)

    def over(self) -> None:
        """Rename a file over another."""
        one, two = self.some_file(), self.some_file()
        if one is None or two is None or one == two or two in self.kept:
            return
        if os.lstat(self.at(one)).st_ino == os.lstat(self.at(two)).st_ino:
            return  # then the kernel does nothing
        os.rename(self.at(one), self.at(two))
        self.files.remove(one)
        if one in self.kept:
            self.kept[two] = self.kept.pop(one)

    def replace(self) -> None:
        """Save as an editor does."""
        if (path := self.some_file()) is None or path in self.kept:
            return
        beside = self.at(path) + ".tmp"
        with open(beside, "wb") as file:
            file.write(b"z" * self.random.randrange(3000))
        os.replace(beside, self.at(path))

    def moved(self, old: str, new: str) -> None:
        self.files[self.files.index(old)] = new
        if old in self.kept:
            self.kept[new] = self.kept.pop(old)

    def delete(self) -> None:
        if (path := self.some_file()) is not None and path not in self.kept:
            os.unlink(self.at(path))
            self.files.remove(path)

    def link(self) -> None:
        # Of a file with two names nobody can say which of them it kept.
        if (path := self.some_file()) is not None and path not in self.kept:
            target = self.new(self.random.choice(self.folders))
            os.link(self.at(path), self.at(target))
            self.files.append(target)

    def mkdir(self) -> None:
        if len(self.folders) > FOLDERS:
            self.remove_tree()
            return
        path = self.new(self.random.choice(self.folders))
        os.mkdir(self.at(path))
        self.folders.append(path)

    def deep(self) -> None:
        """A new deep tree with something at once in it."""
        if len(self.folders) > FOLDERS:
            return
        path = self.random.choice(self.folders)
        for _ in range(4):
            path = self.new(path)
            os.mkdir(self.at(path))
            self.folders.append(path)
        inside = f"{path}/inside"
        with open(self.at(inside), "wb") as file:
            file.write(b"deep")
        self.files.append(inside)

    def move_tree(self) -> None:
        if len(self.folders) < 3:
            return
        path = self.random.choice(self.folders[1:])
        if path.count("/") > 30:
            return
        into = self.random.choice(self.folders)
        if into == path or into.startswith(path + "/"):
            return
        target = self.new(into)
        os.rename(self.at(path), self.at(target))
        self.relocate(path, target)

    def relocate(self, old: str, new: str) -> None:
        def there(path: str) -> str:
            return new + path[len(old) :] if path == old or path.startswith(old + "/") else path

        self.folders = [there(path) for path in self.folders]
        self.files = [there(path) for path in self.files]
        self.kept = {there(path): start for path, start in self.kept.items()}

    def remove_tree(self) -> None:
        if len(self.folders) < 20:
            return
        some = self.random.sample(self.folders[1:], 5)
        path = max(some, key=lambda one: one.count("/"))  # not one that holds almost everything
        if any(one.startswith(path) for one in self.kept):
            return
        shutil.rmtree(self.at(path))

        def stays(one: str) -> bool:
            return one != path and not one.startswith(path + "/")

        self.folders = [one for one in self.folders if stays(one)]
        self.files = [one for one in self.files if stays(one)]

    def chmod(self) -> None:
        if (path := self.some_file()) is not None:
            os.chmod(self.at(path), self.random.choice([0o600, 0o644, 0o755]))


def main() -> None:
    """Change the tree for a while."""
    root, seed, seconds, rate = sys.argv[1], *map(float, sys.argv[2:5])
    mutator = Mutator(root, int(seed))
    began = time.monotonic()
    while (passed := time.monotonic() - began) < seconds:
        if mutator.done > passed * rate:
            time.sleep(0.001)
            continue
        mutator.step()
    kept = [(start, path) for path, start in mutator.kept.items()]
    print(json.dumps({"operations": mutator.done, "kept": kept}))


if __name__ == "__main__":
    main()
