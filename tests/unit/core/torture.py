"""Trees that nobody should have."""

from __future__ import annotations

import os
import socket

NAMES = [
    b"new\nline",
    b"tab\tand 'quotes' \"double\" `back`",
    "\N{GRINNING FACE}\u200d\N{HEAVY BLACK HEART}".encode(),
    b"x" * 255,
    ("é" * 127).encode(),
    b"not utf-8 \xff\xfe",
    b"\xc3",
    b"\xed\xa0\x80 surrogate",
    b".hidden",
    b"...",
    b"trailing space ",
    b"trailing dot.",
    b"-rf",
    b"back\\slash",
    b"%s %d %%",
    b"*?[a-z]",
    b"~",
    b"$HOME",
    b"CON",
    b"\x01\x7f",
    "e\u0301 against \u00e9".encode(),
    "\u202egnp.exe".encode(),
    b" ",
]


def grow(root):
    """Make every kind of thing below `root` (bytes)."""
    for number, name in enumerate(NAMES):
        with open(root + b"/" + name, "wb") as file:
            file.write(b"x" * number)
    for name in NAMES:
        if len(name) < 200:
            folder = root + b"/folder " + name
            os.mkdir(folder)
            for inner in NAMES[:8]:
                os.mkdir(folder + b"/" + inner)
                open(folder + b"/" + inner + b"/file", "wb").close()
    os.mkdir(root + b"/links")
    os.symlink("nowhere", root + b"/links/dangling")
    os.symlink("itself", root + b"/links/itself")
    os.symlink("..", root + b"/links/up")
    os.symlink("/", root + b"/links/root")
    os.symlink(b"\xff" * 100, root + b"/links/not utf-8")
    os.mkfifo(root + b"/fifo")
    os.link(root + b"/~", root + b"/links/hard")
    os.link(root + b"/~", root + b"/links/hard 2")
    with open(root + b"/sparse", "wb") as file:
        file.truncate(10 << 30)
    with socket.socket(socket.AF_UNIX) as here:
        old = os.getcwd()
        os.chdir(root)
        here.bind(b"socket")
        os.chdir(old)
    if os.geteuid() == 0:
        os.mknod(root + b"/device", 0o600 | 0o020000, os.makedev(1, 3))
        os.mknod(root + b"/block", 0o600 | 0o060000, os.makedev(7, 0))


def deepen(root, name, times):
    """Make folders `name` inside each other, `times` deep, each with a file in it."""
    fd = os.open(root, os.O_RDONLY)
    for _ in range(times):
        os.mkdir(name, dir_fd=fd)
        below = os.open(name, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
        os.close(os.open(b"file", os.O_CREAT | os.O_WRONLY, dir_fd=fd))
    os.close(fd)
