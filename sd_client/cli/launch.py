"""What the `sd` script runs first: the quick path, else the full command.

Every file that is opened and every folder that is listed shows in the time of `sd status`. So the
script itself, which Python compiles anew each time, is a few words; this module is read from its
compiled form, as a module without a package; and the quick path sees C modules and ours only,
without the packages' own files, which say nothing, and without the standard library's `__future__`,
for which the script has put up a stand-in. Before the full command all of that is taken back.
"""

from __future__ import annotations

import gc
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

VIEWS = {"status": "status_view", "search": "search_view"}
CARRIERS = ("cp", "mv")
ENOUGH = 50_000  # new objects to look for garbage among; what is read at the start is none
OURS = ("sd_wire", "sd_client", "sd_client.cli")


def main() -> None:
    """Answer, and end the process."""
    root = __file__.rsplit("/", 3)[0]
    words = sys.argv[1:]
    gc.disable()  # there will be no time for garbage
    if None in (sys.stdin, sys.stdout, sys.stderr):
        _open_streams()
    begun = None
    try:
        if words and (words[0] in VIEWS or words[0] in CARRIERS or words == ["--version"]):
            begun = _quick(root, words)
        _full(root, begun)
    except KeyboardInterrupt:  # also while all of this is still being read
        sys.modules["posix"]._exit(130)


def _open_streams() -> None:
    """Take the places of standard streams that are closed, before a socket gets one of them and the
    daemon what is printed. The place of standard output cannot be written to: that is a failure."""
    posix = sys.modules["posix"]
    ways = {"stdin": posix.O_RDONLY, "stdout": posix.O_RDONLY, "stderr": posix.O_WRONLY}
    for number, (name, way) in enumerate(ways.items()):
        if getattr(sys, name) is None:
            taken = posix.open("/dev/null", way)  # the lowest number that is free
            if taken != number:
                posix.dup2(taken, number)
                posix.close(taken)
            stream = open(number, "w" if number else "r", closefd=False)  # noqa: SIM115 - it stays
            setattr(sys, name, stream)


def _quick(root: str, words: list[str]) -> str | None:
    """Answer and end the process, or return; the id of a job that was begun, if one was."""
    for package in OURS:
        made = sys.modules[package] = type(sys)(package)
        made.__path__ = [f"{root}/{package.replace('.', '/')}"]
    try:
        if words[0] in VIEWS:
            asked = _ours("quick").begin(words[0], words[1:])
            # While the daemon thinks, what will print its answer is read.
            if asked is not None:
                _ours(VIEWS[words[0]]).quick(asked)
        elif words[0] in CARRIERS:
            begun: str | None = _ours("quick_carry").carry(words[0], words[1:])
            return begun
        else:
            _ours("version").quick()
    except ImportError:
        pass
    return None


def _ours(name: str) -> Any:
    return __import__(f"sd_client.cli.{name}", fromlist=[name])


def _full(root: str, begun: str | None) -> None:
    """The full command, with everything that a usual start of Python would have set up."""
    for name in [one for one in sys.modules if one.startswith(("sd_", "__future__"))]:
        del sys.modules[name]
    del sys.path[1]
    sys.path.append(sys.path.pop(0))
    gc.enable()
    gc.set_threshold(ENOUGH)
    __import__("site").main()
    if root not in sys.path:
        sys.path.append(root)
    __import__("sd_client.cli.main", fromlist=["main"]).main(begun)
