"""A second process of a worker's, forked from it: it has all that the worker knows, and none of its
files. It never outlives the worker, however that ends; only Linux promises that."""

from __future__ import annotations

import gc
import os
import select
import signal
import socket
import sys
from functools import partial
from typing import TYPE_CHECKING

from sd_daemon.core.late import load

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import NoReturn

_SET_PDEATHSIG = 1  # PR_SET_PDEATHSIG, prctl(2)
_MESSAGE = 128 * 1024  # bytes, at most
_DESCRIPTORS = 8  # with one message, at most


class Link:
    """The second process's end of what it and the worker tell each other."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link

    def receive(self) -> tuple[bytes, list[int]]:
        """The next message, and open files that came with it; no bytes at the end."""
        text, files, _flags, _address = socket.recv_fds(self._link, _MESSAGE, _DESCRIPTORS)
        return text, files

    def has_more(self) -> bool:
        """Whether `receive` would not wait. (`recv_fds` takes flags, and forgets them.)"""
        return bool(select.select([self._link], [], [], 0)[0])

    def send(self, text: bytes) -> None:
        """Tell the worker. Raises BrokenPipeError where that has ended."""
        self._link.send(text)


class Forked:
    """The process, for the one that it was forked from."""

    def __init__(self, live: Callable[[Link], None]) -> None:
        """Let it do this, with its end of the link. Raises OSError."""
        # Loaded here: in the second process it would wait for ever for another thread of this one,
        # which is not there, if that was loading it.
        prctl = load("ctypes:CDLL")(None).prctl
        end_with_parent = partial(prctl, _SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        self._link, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        parent = os.getpid()
        with other:
            try:
                self._pid = os.fork()
            except OSError:
                self._link.close()
                raise
            if self._pid == 0:
                _begin(other, end_with_parent, parent, live)

    def give(self, text: bytes, files: Sequence[int]) -> None:
        """Send it a message, and open files. Where it has ended `take` will tell."""
        try:
            socket.send_fds(self._link, [text], files)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def take(self, patience: float) -> bytes | None:
        """What it says next; None where it says nothing for so many seconds, no bytes where it has
        ended."""
        if patience and not select.select([self._link], [], [], patience)[0]:
            return None
        try:
            return self._link.recv(_MESSAGE, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return None
        except ConnectionResetError:
            return b""

    def end(self) -> None:
        """End it, whatever it is at, and wait until it has ended."""
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        self._link.close()


def fork(live: Callable[[Link], None]) -> Forked | None:
    """Have a second process do this, with its end of a link; None where there is no processor for
    one, no room, or nothing that ends it with this one."""
    if not sys.platform.startswith("linux") or len(os.sched_getaffinity(0)) < 2:
        return None
    try:
        return Forked(live)
    except OSError:
        return None


def _begin(
    link: socket.socket,
    end_with_parent: Callable[[], int],
    parent: int,
    live: Callable[[Link], None],
) -> NoReturn:
    try:
        if end_with_parent() or os.getppid() != parent:  # it ended before that was said
            os._exit(0)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the worker hears that, and ends this
        gc.freeze()
        number = link.fileno()
        os.closerange(0, 2)  # whoever waits for the end of the worker is to see it
        os.closerange(3, number)
        os.closerange(number + 1, os.sysconf("SC_OPEN_MAX"))
        live(Link(link))
    except BrokenPipeError:
        pass  # the worker has ended
    except BaseException:  # a defect: the daemon logs what a worker says there
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(0)
