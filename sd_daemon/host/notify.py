"""What the service manager is told, if there is one that listens (sd_notify(3)).

A state is one datagram of `NAME=value` lines, so that the manager never sees half of one. Nothing
here waits: while a manager does not read, states stay with us, an older one giving way to a newer
one of the same names, and go out as soon as it reads again.

The package sdnotify finds and connects the socket. The datagrams are ours, because it sends only
what Latin-1 can say, has no descriptors, and blocks; docs/decisions/0008 has the whole story.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from array import array
from typing import TYPE_CHECKING, NamedTuple

import sdnotify

from sd_wire.log_line import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, MutableMapping, Sequence

STATUS_BYTES = 1024  # of a status text; a manager drops datagrams of more than 4096 bytes


SOON = 0.5  # seconds that anything may take before more time is asked for
EXTENSION = 30.0  # seconds that are asked for at a time
LONGEST = 3600.0  # seconds after which no more are asked for


class State(NamedTuple):
    """A datagram that the manager has not taken yet."""

    fields: dict[str, str]
    descriptors: tuple[int, ...]


class Supervisor:
    """Says how the daemon is. Without a service manager every method does nothing."""

    def __init__(self, sock: socket.socket | None = None, watchdog: float | None = None) -> None:
        """`watchdog`: seconds within which the manager wants to hear that the daemon is alive."""
        self.watchdog = watchdog
        self._socket = sock
        self._unsent: list[State] = []
        self._extending: asyncio.TimerHandle
        self._loop: asyncio.AbstractEventLoop | None = None  # while it waits for the manager

    @classmethod
    def of(cls, environ: MutableMapping[str, str], pid: int) -> Supervisor:
        """The one that the environment tells of. Takes the variables away, so that no child of
        ours speaks in our name."""
        sock: socket.socket | None = None
        if "NOTIFY_SOCKET" in environ:
            sock = sdnotify.SystemdNotifier().socket
        environ.pop("NOTIFY_SOCKET", None)
        period = environ.pop("WATCHDOG_USEC", "")
        owner = environ.pop("WATCHDOG_PID", str(pid))
        if sock is None:
            return cls()
        sock.settimeout(0)
        ours = owner == str(pid) and period.isascii() and period.isdecimal()
        return cls(sock, int(period) / 1e6 if ours and int(period) else None)

    @property
    def listens(self) -> bool:
        """Whether there is anybody to tell."""
        return self._socket is not None

    # --- what there is to say --------------------------------------------------------------------

    def ready(self, status: str) -> None:
        """The daemon answers; or it does again, after it has read its configuration anew."""
        self._tell({"READY": "1", "STATUS": _line(status)})

    def reloading(self, status: str) -> None:
        """It reads its configuration anew. Without the time in the same datagram a manager would
        wait for it in vain."""
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._tell({"RELOADING": "1", "MONOTONIC_USEC": str(now), "STATUS": _line(status)})

    def stopping(self, status: str) -> None:
        """The daemon is on its way out."""
        self._tell({"STOPPING": "1", "STATUS": _line(status)})

    def status(self, text: str) -> None:
        """A sentence for whoever looks."""
        self._tell({"STATUS": _line(text)})

    def extend(self, seconds: float) -> None:
        """What is being started or stopped needs so much time from now on."""
        self._tell({"EXTEND_TIMEOUT_USEC": str(round(seconds * 1e6))})

    def alive(self) -> None:
        """The daemon does its work."""
        self._tell({"WATCHDOG": "1"})

    def trigger(self, status: str) -> None:
        """It does not, and wants to be ended and started again."""
        self._tell({"WATCHDOG": "trigger", "STATUS": _line(status)})

    def keep(self, name: str, descriptors: Sequence[int], *, watched: bool = True) -> None:
        """Hold these for the next process of this service. Those that are `watched` go when their
        other end does."""
        fields = {"FDSTORE": "1", "FDNAME": _name(name)}
        self._tell(fields if watched else {**fields, "FDPOLL": "0"}, tuple(descriptors))

    def forget(self, name: str) -> None:
        """Hold those of this name no longer."""
        self._tell({"FDSTOREREMOVE": "1", "FDNAME": _name(name)})

    async def barrier(self, patience: float) -> bool:
        """Return when the manager has taken in all that was said before, or has had its time.
        Whether it has."""
        if self._socket is None:
            return True
        loop = asyncio.get_running_loop()
        ours, theirs = os.pipe()
        try:
            try:
                self._tell({"BARRIER": "1"}, (theirs,))
            finally:
                os.close(theirs)
            passed = loop.create_future()
            loop.add_reader(ours, _settle, passed)  # the last copy of the other end is closed
            try:
                await asyncio.wait_for(passed, patience)
            finally:
                loop.remove_reader(ours)
        except TimeoutError:
            return False
        finally:
            os.close(ours)
        return True

    @contextlib.contextmanager
    def extending(self) -> Iterator[None]:
        """Ask the manager for more time for as long as this takes, if that is long."""
        if self._socket is None:
            yield
            return
        loop = asyncio.get_running_loop()
        until = loop.time() + LONGEST
        self._extending = loop.call_later(SOON, self._extend_again, loop, until)
        try:
            yield
        finally:
            self._extending.cancel()

    def _extend_again(self, loop: asyncio.AbstractEventLoop, until: float) -> None:
        self.extend(EXTENSION)
        if loop.time() < until:
            self._extending = loop.call_later(EXTENSION / 3, self._extend_again, loop, until)

    # --- how it is said --------------------------------------------------------------------------

    def _tell(self, fields: dict[str, str], descriptors: tuple[int, ...] = ()) -> None:
        if self._socket is None:
            return
        state = State(fields, descriptors)
        if not self._unsent and self._sent(state):
            return
        if not descriptors:
            self._unsent = [
                one for one in self._unsent if one.descriptors or not one.fields.keys() <= {*fields}
            ]
        kept = tuple(os.dup(one) for one in descriptors)  # whoever gave them may close theirs
        self._unsent.append(State(fields, kept))
        self._go_on_later()

    def _sent(self, state: State) -> bool:
        """Send it; False where the manager has no room for it now."""
        assert self._socket is not None
        text = "\n".join(f"{name}={value}" for name, value in state.fields.items()).encode()
        rights = array("i", state.descriptors).tobytes()
        extra = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)] if rights else []
        try:
            self._socket.sendmsg([text], extra)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            pass  # nobody listens there any more, and there is nobody to complain to
        return True

    def _go_on_later(self) -> None:
        if self._loop is not None or self._socket is None:
            return
        with contextlib.suppress(RuntimeError):  # before and after the loop: the next state tries
            self._loop = asyncio.get_running_loop()
            self._loop.add_writer(self._socket.fileno(), self._go_on)

    def _go_on(self) -> None:
        while self._unsent and self._sent(self._unsent[0]):
            for descriptor in self._unsent.pop(0).descriptors:
                os.close(descriptor)
        if not self._unsent and self._loop is not None and self._socket is not None:
            self._loop.remove_writer(self._socket.fileno())
            self._loop = None


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _line(text: str) -> str:
    """A text as one line of UTF-8 and of bearable length: nothing in it can pose as a field."""
    line = " ".join(printable(text).split())
    return line.encode()[:STATUS_BYTES].decode("utf-8", "ignore")


def _name(name: str) -> str:
    """A name for descriptors as managers allow it: printable ASCII without a colon."""
    kept = "".join(c if "!" <= c <= "~" and c != ":" else "_" for c in name)
    return kept[:255]
