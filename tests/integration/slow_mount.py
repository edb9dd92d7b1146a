"""A filesystem of ours that can stop answering: FUSE, spoken by hand, as little as is needed.

    python slow_mount.py FOLDER SOURCE

Shows at FOLDER what is in SOURCE, to be read only, and prints a line when it is mounted. Stopped
(SIGSTOP), it is what a server is that has gone away: whoever looks waits. The kernel speaks as
<linux/fuse.h> has it; only root may mount.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys

LOOKUP, FORGET, GETATTR, OPEN, READ, STATFS, RELEASE = 1, 2, 3, 14, 15, 17, 18
INIT, OPENDIR, READDIR, RELEASEDIR, INTERRUPT, BATCH_FORGET = 26, 27, 28, 29, 36, 42
SILENT = (FORGET, INTERRUPT, BATCH_FORGET)
HEAD, ANSWER = struct.Struct("IIQQIIII"), struct.Struct("IiQ")
ATTRIBUTES = struct.Struct("6Q10I")
VERSION = (7, 23)


class Mount:
    """Serves one. Numbers of files are their places in `paths`."""

    def __init__(self, folder: str, source: str) -> None:
        self.paths = ["", source]
        self.device = os.open("/dev/fuse", os.O_RDWR)
        options = f"fd={self.device},rootmode=40000,user_id=0,group_id=0,allow_other"
        libc = ctypes.CDLL(None, use_errno=True)
        arguments = [b"slow", os.fsencode(folder), b"fuse.slow", 0, options.encode()]
        if libc.mount(*arguments) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    def serve(self) -> None:
        """Answer until it is unmounted."""
        while True:
            try:
                request = os.read(self.device, 1 << 17)
            except OSError as error:
                if error.errno == errno.ENODEV:
                    return
                raise
            _, code, unique, node, *_ = HEAD.unpack_from(request)
            if code in SILENT:
                continue
            try:
                body = self.answer(code, node, request[HEAD.size :])
                self.say(unique, 0, body)
            except OSError as error:
                self.say(unique, -(error.errno or errno.EIO), b"")

    def say(self, unique: int, error: int, body: bytes) -> None:
        try:
            os.write(self.device, ANSWER.pack(ANSWER.size + len(body), error, unique) + body)
        except FileNotFoundError:
            pass  # whoever asked has been killed

    def answer(self, code: int, node: int, body: bytes) -> bytes:
        path = self.paths[node] if node < len(self.paths) else ""
        if code == INIT:
            return struct.pack("IIIIHHI", *VERSION, 0, 0, 0, 0, 1 << 16) + bytes(40)
        if code == LOOKUP:
            return self.entry(path + "/" + os.fsdecode(body.rstrip(b"\0")))
        if code == GETATTR:
            return struct.pack("QII", 0, 0, 0) + self.attributes(path, node)
        if code in (OPEN, OPENDIR):
            return struct.pack("QII", 0, 0, 0)
        if code in (READ, READDIR):
            _, offset, size = struct.unpack_from("QQI", body)
            whole = self.listing(path) if code == READDIR else self.content(path)
            return whole[offset : offset + size]
        if code in (RELEASE, RELEASEDIR):
            return b""
        if code == STATFS:
            return struct.pack("5Q4I", 0, 0, 0, 0, 0, 4096, 255, 4096, 0) + bytes(24)
        raise OSError(errno.ENOSYS, "not done here")

    def number(self, path: str) -> int:
        if path not in self.paths:
            self.paths.append(path)
        return self.paths.index(path)

    def entry(self, path: str) -> bytes:
        os.lstat(path)
        node = self.number(path)
        return struct.pack("4Q2I", node, 0, 0, 0, 0, 0) + self.attributes(path, node)

    def attributes(self, path: str, node: int) -> bytes:
        found = os.lstat(path)
        seconds = (int(found.st_atime), int(found.st_mtime), int(found.st_ctime))
        owner = (found.st_uid, found.st_gid, 0, 4096, 0)
        sizes = (node, found.st_size, found.st_blocks)
        return ATTRIBUTES.pack(*sizes, *seconds, 0, 0, 0, found.st_mode, found.st_nlink, *owner)

    def content(self, path: str) -> bytes:
        with open(path, "rb") as file:
            return file.read()

    def listing(self, path: str) -> bytes:
        """Every name, as a struct fuse_dirent; a small folder, so that offsets may be bytes."""
        whole = b""
        for name in sorted(map(os.fsencode, os.listdir(path))):
            padded = name + bytes(-len(name) % 8)
            node = self.number(path + "/" + os.fsdecode(name))
            end = len(whole) + 24 + len(padded)
            whole += struct.pack("QQII", node, end, len(name), 0) + padded
        return whole


if __name__ == "__main__":
    mount = Mount(sys.argv[1], sys.argv[2])
    print("mounted", flush=True)
    mount.serve()
