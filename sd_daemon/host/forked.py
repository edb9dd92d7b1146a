"""A second process of a worker's, forked from it: it has all that the worker knows, and none of its
files. It never outlives the worker, however that ends; only Linux promises that."""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

_SET_PDEATHSIG = 1  # PR_SET_PDEATHSIG, prctl(2)


class Forked:
    """The process, for the one that it was forked from."""

    def __init__(self, live: Callable[[socket.socket], None]) -> None:
        """Let it do this, with its end of the link. Raises OSError."""
        # Loaded here: in the second process it would wait for ever for another thread of this one,
        # which is not there, if that was loading it.
        prctl = import_module("ctypes").CDLL(None).prctl
        self.link, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        parent = os.getpid()
        with other:
            try:
                self._pid = os.fork()
            except OSError:
                self.link.close()
                raise
            if self._pid == 0:
                _begin(other, partial(prctl, _SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), parent, live)

    def end(self) -> None:
        """End it, whatever it is at, and wait until it has ended."""
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        self.link.close()


def fork(live: Callable[[socket.socket], None]) -> Forked | None:
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
    live: Callable[[socket.socket], None],
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
        live(link)
    except BrokenPipeError:
        pass  # the worker has ended
    except BaseException:  # a defect: the daemon logs what a worker says there
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(0)
