"""`sd cp` and `sd mv` of one file, in the time that the daemon needs for it.

Most of what such a command takes is the start of Python and of what parses a command line. Here it
is known how one file is copied or moved, named plainly, to a name that nothing has: all else is for
the full command. So is whatever the daemon refuses, which then has begun nothing. Once a job has
begun it is never asked for again: the full command goes on with it where there is more to be said
than that all went well, or where it takes so long that a person wants to see how far it is.
"""

from __future__ import annotations

import posix

from sd_client.cli.quick import Line, NotQuick, connect, environment, library_of, parse, quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket

MOVES = {"cp": "false", "mv": "true"}
PATIENCE = 0.3
"""Seconds without news, after which the full command shows how far the job is."""

_KIND, _FILE, _FOLDER = 0o170000, 0o100000, 0o040000
_OPTIONS = {"--data-dir", "--instance", "--socket", "--library"}
_BEGUN = b'{"JsonOk":{"id":"'
_ENDED = '"JobCompleted","JobFailed","JobCancelled","JobPaused"'
_WELL = (b'"status":"completed"', b'"failed_count":0', b'"failures":[]', b'"warnings":[]')
_SILENT = b"sd: the daemon does not answer\nhint: 'sd logs' may say why\n"
_UNAVAILABLE, _INTERRUPTED = 7, 130


class Lines:
    """What a connection brings, line by line."""

    def __init__(self, connection: socket) -> None:
        self._connection = connection
        self._read = b""

    def next(self) -> bytes:
        """The next line. Raises OSError where there is none."""
        while b"\n" not in self._read:
            piece = self._connection.recv(65536)
            if not piece:
                raise OSError
            self._read += piece
        line, _, self._read = self._read.partition(b"\n")
        return line


def carry(command: str, arguments: list[str]) -> str | None:
    """End the process if all went well. Else the id of the job that has begun, or None where
    nothing has."""
    try:
        line, environ = parse(arguments), environment()
        paths = _paths(line)
        library = library_of(line, environ)
        connection = connect(line, environ)
        connection.settimeout(None)
        connection.sendall(_request(command, paths, library))
    except (NotQuick, OSError, ValueError):
        return None  # a request that was not sent whole is none
    lines = Lines(connection)
    try:
        reply = lines.next()
    except OSError:  # whether it has begun the daemon alone knows
        posix.write(2, _SILENT)
        posix._exit(_UNAVAILABLE)
    if not reply.startswith(_BEGUN):
        return None
    job = reply[len(_BEGUN) :].partition(b'"')[0].decode()
    try:
        if _goes_well(connection, lines, job, library):
            posix._exit(0)
    except OSError:
        pass
    except KeyboardInterrupt:
        posix.write(2, f"the job goes on: 'sd job watch {job[:8]}' shows it\n".encode())
        posix._exit(_INTERRUPTED)
    return job


def _request(command: str, paths: tuple[str, str], library: str) -> bytes:
    source, target = paths
    payload = f'{{"sources":{{"paths":[{source}]}},"destination":{target},'
    payload += f'"move_files":{MOVES[command]}}}'
    call = f'"method":"action:files.copy.input","library_id":{library},"payload":{payload}'
    return f'{{"Action":{{{call}}}}}\n'.encode()


def _paths(line: Line) -> tuple[str, str]:
    """Source and destination as JSON, or NotQuick. Raises OSError for a source that is not
    there."""
    if len(line.words) != 2 or line.flags or line.values.keys() - _OPTIONS:
        raise NotQuick
    source, target = (_absolute(word) for word in line.words)
    if _kind(source) != _FILE:
        raise NotQuick
    kind = _kind(target)
    folder, _, name = target.rpartition("/")
    if kind == _FOLDER:
        folder, name = target, source.rpartition("/")[2]
    elif kind is not None:
        raise NotQuick
    if _kind(f"{folder}/{name}") is not None or _kind(folder or "/") != _FOLDER:
        raise NotQuick
    return quoted(source), quoted(target)


def _absolute(word: str) -> str:
    """The path, or NotQuick for a word that says it in another way than by its names."""
    path = word if word.startswith("/") else f"{posix.getcwd()}/{word}"
    names = path.split("/")[1:]
    if not word or word[0] == "~" or {"", ".", ".."} & set(names) or set("*?[") & set(path):
        raise NotQuick
    return path


def _kind(path: str) -> int | None:
    """What is there, a link being one; None where nothing is."""
    try:
        return posix.lstat(path).st_mode & _KIND
    except FileNotFoundError:
        return None


def _goes_well(connection: socket, lines: Lines, job: str, library: str) -> bool:
    """Whether the job is over, and there is nothing to be said. Raises OSError where there is no
    news for a while."""
    payload = f'{{"job_id":"{job}"}}'
    call = f'"method":"query:jobs.info","library_id":{library},"payload":{payload}'
    asking = f'{{"Query":{{{call}}}}}\n'
    wanted = f'"event_types":[{_ENDED}],"filter":{payload}'
    connection.settimeout(PATIENCE)
    connection.sendall(f'{{"Subscribe":{{{wanted}}}}}\n{asking}'.encode())
    while True:
        line = lines.next()
        if line.startswith(b'{"Event":'):
            connection.sendall(asking.encode())
        elif line.startswith(_BEGUN):
            if b'"completed_at":null' not in line:
                return all(sign in line for sign in _WELL)
        elif line != b'"Subscribed"':
            return False
