"""Every failure a client can meet.

One class per failure. A class states, once, what everybody needs of it:

- `kind`: the name that existing clients know, the key inside `{"Error": {...}}`;
- `code`: a stable word for programs, derived from the class name (`LibraryNotFound` is
  `library-not-found`);
- `message`: one sentence that names the thing, with fields in braces;
- `hint`: what to do about it, or nothing where there is nothing to do;
- `exit_status`: how the `sd` command ends when this is the reason;
- `retryable`: whether the very same request may succeed later.

`to_wire` and `from_wire` are each other's inverse, so a client catches the class that the daemon
raised. A code that this version does not know arrives as `UnknownFailure` with its text intact.
"""

from __future__ import annotations

import re
from enum import IntEnum
from typing import ClassVar

import msgspec


class ExitStatus(IntEnum):
    """How a command ends. Documented in docs/errors.md; numbers never change their meaning."""

    OK = 0
    FAILED = 1  # the operation was tried and did not succeed
    USAGE = 2  # the command line or its values are wrong
    NOT_RUNNING = 3  # no daemon answers
    DENIED = 4  # the operating system or the daemon refused
    NOT_FOUND = 5  # what was named does not exist
    CONFLICT = 6  # what should be made exists, or is in the way
    UNAVAILABLE = 7  # busy, too many, too large: may work later or in smaller pieces
    DAMAGED = 8  # data on the disk needs attention before this can work
    INTERRUPTED = 130  # Ctrl-C, as shells count it


class ErrorDetails(msgspec.Struct, omit_defaults=True):
    """What stands beside an upstream error for clients that send ids."""

    code: str
    hint: str | None = None
    pointer: str | None = None  # JSON pointer into the request (RFC 6901)
    retryable: bool = False
    fields: dict[str, str] = {}


def code_of(class_name: str) -> str:
    """`LibraryNotFound` to `library-not-found`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", class_name).lower()


class SdError(Exception):
    """A failure with a name. Subclasses declare it; instances fill in the fields."""

    kind: ClassVar[str] = "OperationFailed"
    message: ClassVar[str] = ""
    hint: ClassVar[str | None] = None
    exit_status: ClassVar[ExitStatus] = ExitStatus.FAILED
    retryable: ClassVar[bool] = False
    code: ClassVar[str] = "sd-error"
    catalogue: ClassVar[dict[str, type[SdError]]] = {}

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.code = code_of(cls.__name__)
        if cls.code in SdError.catalogue:
            raise TypeError(f"two errors have the code {cls.code!r}")
        SdError.catalogue[cls.code] = cls

    def __init__(self, *, pointer: str | None = None, **fields: object) -> None:
        self.fields = {name: str(value) for name, value in fields.items()}
        self.pointer = pointer
        super().__init__(self.message.format_map(self.fields))

    @property
    def text(self) -> str:
        """The sentence for a person, without the hint."""
        return str(self)

    @property
    def advice(self) -> str | None:
        """What to do about it, filled in, or None."""
        return None if self.hint is None else self.hint.format_map(self.fields)

    def to_wire(self) -> tuple[str, str, ErrorDetails]:
        """Kind, text and details, as they go into a reply."""
        details = ErrorDetails(
            code=self.code,
            hint=self.advice,
            pointer=self.pointer,
            retryable=self.retryable,
            fields=self.fields,
        )
        return self.kind, self.text, details


class UnknownFailure(SdError):
    """An error whose code this version does not know, or that came without one."""

    message = "{text}"

    def __init__(self, *, text: str, kind: str, advice: str | None = None) -> None:
        super().__init__(text=text)
        self.wire_kind = kind
        self._advice = advice

    @property
    def advice(self) -> str | None:
        """The hint that came with it."""
        return self._advice


def from_wire(kind: str, text: str, details: ErrorDetails | None) -> SdError:
    """The error that `to_wire` took apart; UnknownFailure where the code is not ours."""
    if details is None:
        return UnknownFailure(text=text, kind=kind)
    cls = SdError.catalogue.get(details.code)
    if cls is None or cls is UnknownFailure:
        return UnknownFailure(text=text, kind=kind, advice=details.hint)
    try:
        return cls(pointer=details.pointer, **details.fields)
    except KeyError:  # a newer daemon's message has other fields
        return UnknownFailure(text=text, kind=kind, advice=details.hint)


class DaemonNotRunning(SdError):
    """There is no socket where the daemon's should be."""

    kind = "ConnectionFailed"
    message = "no daemon is running: there is no socket at {socket}"
    hint = "start it with 'sd start'"
    exit_status = ExitStatus.NOT_RUNNING
    retryable = True


class SocketPermissionDenied(SdError):
    """The socket is there, and this user may not use it."""

    kind = "ConnectionFailed"
    message = "permission denied on the daemon's socket {socket}"
    hint = "run as its owner, or ask to be put into its group ('ls -l {socket}' shows both)"
    exit_status = ExitStatus.DENIED


class ConnectionRefused(SdError):
    """The socket is there, and nobody listens behind it."""

    kind = "ConnectionFailed"
    message = "the daemon behind {socket} does not accept connections"
    hint = "it has probably crashed: 'sd start' starts it again, 'sd logs' shows why it ended"
    exit_status = ExitStatus.NOT_RUNNING
    retryable = True


class ConnectionLost(SdError):
    """The connection ended before the answer came."""

    kind = "ReadError"
    message = "the connection to the daemon ended before the answer came"
    hint = "whether the request was carried out is not known: see 'sd status' and 'sd logs'"
    exit_status = ExitStatus.UNAVAILABLE
    retryable = True


class SocketPathTooLong(SdError):
    """A Unix socket path has to fit into the kernel's address structure."""

    kind = "ConnectionFailed"
    message = "the socket path {socket} is {length} bytes long, the system allows {limit}"
    hint = "use a shorter --data-dir, or name another path with --socket"
    exit_status = ExitStatus.USAGE


class InvalidInstanceName(SdError):
    """An instance name is 1 to 64 bytes of letters, digits, - and _."""

    kind = "ValidationError"
    message = "{name!r} cannot be the name of an instance"
    hint = "use 1 to 64 letters, digits, '-' and '_'"
    exit_status = ExitStatus.USAGE


class MalformedRequest(SdError):
    """A line that is not JSON."""

    kind = "SerializationError"
    message = "the request is not valid JSON: {reason}"
    hint = "send one JSON value per line"


class UnknownRequest(SdError):
    """JSON, but not a request."""

    kind = "InvalidRequest"
    message = "this is not a request: {reason}"
    hint = "docs/protocol.md lists the requests"


class RequestTooLarge(SdError):
    """A request line is longer than the limit. The connection lives on."""

    kind = "RequestTooLarge"
    message = "the request is longer than {limit} bytes"
    hint = "send it in smaller pieces"
    exit_status = ExitStatus.UNAVAILABLE


class ReplyTooLarge(SdError):
    """The answer would be longer than a line may be."""

    kind = "WriteError"
    message = "the answer is longer than {limit} bytes"
    hint = "ask for less at once: give a limit, and go on with the cursor"
    exit_status = ExitStatus.UNAVAILABLE


class TooManyRequests(SdError):
    """One connection has as many unanswered requests as it may have."""

    kind = "InvalidRequest"
    message = "this connection already waits for {limit} answers"
    hint = "read answers before sending more"
    exit_status = ExitStatus.UNAVAILABLE
    retryable = True


class TooManyConnections(SdError):
    """The daemon serves as many clients as it may."""

    kind = "CoreUnavailable"
    message = "the daemon already serves {limit} connections"
    hint = "close some, or raise the limit of open files of the daemon"
    exit_status = ExitStatus.UNAVAILABLE
    retryable = True


class MethodNotFound(SdError):
    """No operation of that name."""

    kind = "HandlerNotFound"
    message = "Unknown method: {method}"
    hint = "'sd describe' lists the operations"
    exit_status = ExitStatus.NOT_FOUND


class InvalidPayload(SdError):
    """The payload does not have the shape that the operation declares."""

    kind = "DeserializationError"
    message = "{method}: {reason}"
    hint = "'sd describe {method}' shows the shape"
    exit_status = ExitStatus.USAGE


class InvalidValue(SdError):
    """A value has the right shape and cannot be used."""

    kind = "ValidationError"
    message = "{field}: {reason}"
    exit_status = ExitStatus.USAGE


class PermissionRefused(SdError):
    """The daemon does not let this peer do that."""

    kind = "SecurityError"
    message = "user {uid} may not call {method}: it needs the permission to {permission}"
    hint = "ask the administrator of this daemon"
    exit_status = ExitStatus.DENIED


class InternalFailure(SdError):
    """A defect of the daemon. Its log has the whole story under the reference."""

    kind = "InternalError"
    message = "the daemon failed in {method} (reference {reference})"
    hint = "'sd logs' has the details under that reference; please report it"


class ShuttingDown(SdError):
    """The daemon is on its way out."""

    kind = "CoreUnavailable"
    message = "the daemon is shutting down"
    hint = "try again in a moment"
    exit_status = ExitStatus.UNAVAILABLE
    retryable = True


class LibraryRequired(SdError):
    """The operation works in a library, none was named, and there is not exactly one open."""

    kind = "ValidationError"
    message = "Library ID required for {method}: {count} libraries are open"
    hint = "name one with --library (library_id): see 'sd library list', or 'sd library create'"
    exit_status = ExitStatus.USAGE


class LibraryNotFound(SdError):
    """No open library has that id."""

    message = "Library not found: {library}"
    hint = "'sd library list' shows the open ones; 'sd library open PATH' opens another"
    exit_status = ExitStatus.NOT_FOUND


class LibraryExists(SdError):
    """A new library would be where something else is."""

    message = "{path} already exists"
    hint = "choose another name or path, or open it with 'sd library open'"
    exit_status = ExitStatus.CONFLICT


class LibraryCopyOpen(SdError):
    """Two copies of one library cannot be open at once: they have the same ids."""

    message = "{path} is a copy of the library {name}, which is open at {other}"
    hint = "close that one first with 'sd library close'"
    exit_status = ExitStatus.CONFLICT


class NotALibrary(SdError):
    """A folder that is not a library, or an unreadable one."""

    message = "{path} is not a library: {reason}"
    hint = "a library is a folder NAME.sdlibrary with a library.json in it"
    exit_status = ExitStatus.NOT_FOUND


class LibraryLocked(SdError):
    """Another daemon has this library open."""

    message = "the library {path} is in use by another daemon ({owner})"
    hint = "stop that daemon, or use its socket"
    exit_status = ExitStatus.CONFLICT
    retryable = True


class LibraryDamaged(SdError):
    """SQLite says that the database of a library is damaged."""

    kind = "CoreUnavailable"
    message = "the database of library {path} is damaged: {reason}"
    hint = "nothing was changed: put an exported copy in its place, or move {database} away"
    exit_status = ExitStatus.DAMAGED


class LibraryTooNew(SdError):
    """A library that a newer version wrote."""

    kind = "CoreUnavailable"
    message = "library {path} is of a newer version (schema {found}, this one knows {known})"
    hint = "upgrade spacedrive, or restore the backup that the upgrade made"
    exit_status = ExitStatus.DAMAGED


class DiskFull(SdError):
    """No space left where the daemon keeps its data."""

    message = "no space left on the disk that holds {path}"
    hint = "free some space; what was begun continues by itself after 'sd job resume'"
    exit_status = ExitStatus.UNAVAILABLE
    retryable = True


class StorageReadOnly(SdError):
    """The daemon's data are on something that cannot be written."""

    message = "{path} cannot be written: {reason}"
    hint = "check its permissions and whether the filesystem is mounted read-only"
    exit_status = ExitStatus.DENIED


class DatabaseBusy(SdError):
    """Somebody else held the database longer than is reasonable."""

    message = "the database {path} is locked by another program"
    hint = "close the program that has it open (a sqlite3 shell?) and try again"
    exit_status = ExitStatus.UNAVAILABLE
    retryable = True


class DataFolderUnusable(SdError):
    """The data folder cannot be made or used."""

    kind = "CoreUnavailable"
    message = "the data folder {path} cannot be used: {reason}"
    hint = "check its permissions, or name another with --data-dir"
    exit_status = ExitStatus.DENIED


class AlreadyRunning(SdError):
    """A second daemon on the same instance."""

    kind = "ConnectionFailed"
    message = "another daemon already listens on {socket}"
    hint = "'sd status' talks to it; use --instance for a second one"
    exit_status = ExitStatus.CONFLICT


class PathNotFound(SdError):
    """Nothing is there."""

    message = "{path} does not exist"
    hint = "is the disk it is on mounted?"
    exit_status = ExitStatus.NOT_FOUND


class PathDenied(SdError):
    """The daemon's user may not read it."""

    message = "the daemon may not read {path}: {reason}"
    hint = "check the permissions; the daemon runs as user {user}"
    exit_status = ExitStatus.DENIED


class NotADirectory(SdError):
    """A folder was expected."""

    message = "{path} is not a folder"
    exit_status = ExitStatus.USAGE


class PathNotIndexed(SdError):
    """A path that no location of the library covers, or that a rule leaves out."""

    message = "{path} is not in the index"
    hint = "'sd location add' adds a folder; 'sd index rules' says what is left out and why"
    exit_status = ExitStatus.NOT_FOUND


class UnsupportedPath(SdError):
    """A path of a kind that this operation cannot follow."""

    kind = "ValidationError"
    message = "{path} is not a path on this device"
    hint = "give an absolute path, or a Physical path with this device's slug"
    exit_status = ExitStatus.USAGE


class LocationNotFound(SdError):
    """No location has that id."""

    message = "there is no location {location} in this library"
    hint = "'sd location list' shows them"
    exit_status = ExitStatus.NOT_FOUND


class LocationExists(SdError):
    """That folder is a location already."""

    message = "{path} is already a location of this library"
    hint = "'sd location rescan {location}' reads it again"
    exit_status = ExitStatus.CONFLICT


class LocationOffline(SdError):
    """The root of a location is not there. Its index is kept."""

    message = "the location {path} is not there"
    hint = "mount the disk it is on and rescan; nothing of its index was removed"
    exit_status = ExitStatus.UNAVAILABLE
    retryable = True


class ImportInvalid(SdError):
    """A file that 'locations.export' did not write, or that was changed since."""

    kind = "ValidationError"
    message = "{path} cannot be imported: {reason}"
    hint = "import a file that 'sd location export' wrote"
    exit_status = ExitStatus.USAGE


class JobNotFound(SdError):
    """No job has that id."""

    message = "there is no job {job}"
    hint = "'sd job list' shows them"
    exit_status = ExitStatus.NOT_FOUND


class JobStateConflict(SdError):
    """A job cannot do that from where it is."""

    message = "job {job} is {status} and cannot be {wanted}"
    exit_status = ExitStatus.CONFLICT


class JobFailed(SdError):
    """A job whose result was waited for did not succeed."""

    message = "{job_name} failed: {reason}"
    hint = "'sd job info {job}' and 'sd logs' have the details"
