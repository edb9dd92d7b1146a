"""The socket that clients connect to: made by us, or handed to us by the service manager.

One owner per path. Whoever wants to listen first takes a lock beside the socket (`{socket}.lock`,
held until the process ends, however it ends), and only then looks at what is there: a socket that
somebody answers is left alone, one that nobody answers is what a killed daemon left behind. So of
two daemons that start at the same time exactly one listens, and none ever takes another's place.

What we made we remove at the end, if it is still ours. What we inherited belongs to the service
manager, which goes on listening on it while we are away.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import socket
import stat
import sys
import time
from typing import TYPE_CHECKING

from sd_daemon.core.log import get_log
from sd_daemon.server.accepting import Acceptor
from sd_daemon.server.removal import Guard
from sd_wire.errors import AlreadyRunning, DataFolderUnusable, SocketPathTooLong
from sd_wire.places import SOCKET_PATH_LIMIT

if TYPE_CHECKING:
    from collections.abc import Callable

log = get_log(__name__)

BACKLOG = 4096  # what Linux's somaxconn allows unless told otherwise
PATIENCE = 3.0  # seconds that an owner who is starting or stopping gets to make up its mind
PAUSE = 0.02


class Listener:
    """A listening socket, and what has to be tidied up behind it."""

    def __init__(
        self, sock: socket.socket, path: str, *, lock: int | None = None, made: bool = False
    ) -> None:
        self.socket = sock
        self.path = path
        self._lock = lock
        self._made = os.lstat(path) if made else None
        self._server: Acceptor | asyncio.Server | None = None
        self._protocol: Callable[[], asyncio.BaseProtocol] | None = None
        self._guard: Guard | None = None

    @property
    def inherited(self) -> bool:
        """Whether the service manager owns it."""
        return self._made is None

    @property
    def trouble(self) -> str | None:
        """Why nobody can reach us by the path, where that is so."""
        return None if self._guard is None else self._guard.trouble

    def guard(self, changed: Callable[[], None]) -> None:
        """Make the socket again when somebody removes its file, if it is ours to make. `changed` is
        called when `trouble` has."""
        if not self.inherited and self._guard is None:
            self._guard = Guard(self.path, self._is_there, self._make_again, changed)

    async def serve(self, protocol: Callable[[], asyncio.BaseProtocol]) -> None:
        """Accept clients from now on."""
        self._protocol = protocol
        loop = asyncio.get_running_loop()
        if isinstance(loop, asyncio.BaseEventLoop):
            self._server = Acceptor(self.socket, protocol)
        elif sys.version_info >= (3, 13):
            # From 3.13 on the loop would delete the path when it stops, an inherited one too.
            self._server = await loop.create_unix_server(
                protocol, sock=self.socket, backlog=BACKLOG, cleanup_socket=False
            )
        else:
            self._server = await loop.create_unix_server(
                protocol, sock=self.socket, backlog=BACKLOG
            )

    def rest(self) -> None:
        """Accept nobody until `serve` is called again. Those who connect meanwhile wait."""
        assert self._server is not None
        again = self.socket.dup()
        self._server.close()
        self.socket.close()
        self.socket = again

    def close(self) -> None:
        """Accept nobody any more. Those who are connected stay."""
        if self._guard is not None:
            self._guard.close()
        self._remove()
        if self._server is not None:
            self._server.close()
        self.socket.close()

    def release(self) -> None:
        """Let another daemon have the path. Only when what it guards is closed, too."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _is_there(self) -> bool:
        """Whether what is at the path is what we made."""
        try:
            there = os.lstat(self.path)
        except OSError:
            return False
        made = self._made
        if made is None or (there.st_dev, there.st_ino) != (made.st_dev, made.st_ino):
            return False
        self._made = there  # its mode may be another
        return True

    def _remove(self) -> None:
        if self._made is None:
            return
        try:
            if self._is_there():
                os.unlink(self.path)
        except OSError as error:
            log.debug("the socket was not removed", path=self.path, reason=error.strerror)
        self._made = None

    async def _make_again(self) -> None:
        """Listen at our path once more. Those who were connecting to what is gone are hung up on.

        Raises DataFolderUnusable or AlreadyRunning.
        """
        assert self._protocol is not None
        assert self._made is not None
        try:
            _make_folder(os.path.dirname(self.path))
            if not _is_lock_of(self._lock, self.path):
                lock = await _take_lock(self.path)
                self.release()
                self._lock = lock
            if somebody_answers(self.path):
                raise AlreadyRunning(socket=self.path)
            sock = _bind(self.path)
            _set_owner(self.path, self._made)
        except OSError as error:
            raise _unusable(self.path, error) from error
        server, before = self._server, self.socket
        self.socket, self._made = sock, os.lstat(self.path)
        await self.serve(self._protocol)
        if server is not None:
            server.close()
        before.close()


def adopt(sock: socket.socket) -> Listener:
    """Use a socket that was inherited."""
    sock.settimeout(0)
    name = sock.getsockname()
    return Listener(sock, name if isinstance(name, str) else "")


async def claim(path: str) -> Listener:
    """Make the socket at `path` and listen on it.

    Raises SocketPathTooLong, DataFolderUnusable or AlreadyRunning.
    """
    limit = SOCKET_PATH_LIMIT.get(sys.platform, 103)
    length = len(os.fsencode(path))
    if length > limit:
        raise SocketPathTooLong(socket=path, length=length, limit=limit)
    folder = os.path.dirname(path)
    try:
        _make_folder(folder)
        lock = await _take_lock(path)
    except OSError as error:
        raise _unusable(folder, error) from error
    try:
        if somebody_answers(path):
            raise AlreadyRunning(socket=path)
        return Listener(_bind(path), path, lock=lock, made=True)
    except OSError as error:
        os.close(lock)
        raise _unusable(path, error) from error
    except BaseException:
        os.close(lock)
        raise


def _is_lock_of(lock: int | None, path: str) -> bool:
    """Whether this is the lock that others would find beside the path."""
    try:
        there = os.lstat(f"{path}.lock")
    except FileNotFoundError:
        return False
    return lock is not None and os.path.samestat(there, os.fstat(lock))


def _set_owner(path: str, known: os.stat_result) -> None:
    """Let those use it who could before."""
    if os.lstat(path).st_gid != known.st_gid:
        os.chown(path, -1, known.st_gid)
    os.chmod(path, stat.S_IMODE(known.st_mode))


def somebody_answers(path: str) -> bool:
    """Whether a process listens behind the path, be it so busy that it lets us wait."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(0)
        try:
            probe.connect(path)
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        except BlockingIOError:
            return True
        except OSError as error:
            # A path that is no socket is told apart from a dead one when it is to be removed.
            if error.errno in (errno.ENOTSOCK, errno.ECONNREFUSED):
                return False
            raise
    return True


def _make_folder(folder: str) -> None:
    if folder and not os.path.isdir(folder):
        os.makedirs(os.path.dirname(folder) or ".", exist_ok=True)
        try:
            os.mkdir(folder, 0o700)
        except FileExistsError:  # another daemon that starts now
            return
        os.chmod(folder, 0o700)  # whatever the umask took away


async def _take_lock(path: str) -> int:
    """Lock the right to listen at `path`; the descriptor is the lock.

    While somebody holds it and does not answer, it is just starting or stopping: wait for it.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    lock = os.open(f"{path}.lock", flags, 0o600)
    deadline = time.monotonic() + PATIENCE
    try:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return lock
            except BlockingIOError:
                if somebody_answers(path) or time.monotonic() > deadline:
                    raise AlreadyRunning(socket=path) from None
            await asyncio.sleep(PAUSE)
    except BaseException:
        os.close(lock)
        raise


def _bind(path: str) -> socket.socket:
    try:
        if stat.S_ISSOCK(os.lstat(path).st_mode):
            os.unlink(path)  # nobody answers, and we hold the lock
            log.info("removed the socket of a daemon that was killed", path=path)
    except FileNotFoundError:
        pass
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # The mode has to be right from the first moment on, and bind heeds nothing but the umask.
    before = os.umask(0o177)
    try:
        sock.bind(path)
    except BaseException:
        sock.close()
        raise
    finally:
        os.umask(before)
    sock.settimeout(0)
    sock.listen(BACKLOG)
    return sock


def _unusable(path: str, error: OSError) -> DataFolderUnusable:
    reason = "there is something else in its place" if error.errno == errno.EADDRINUSE else None
    return DataFolderUnusable(path=path, reason=reason or error.strerror or str(error))
