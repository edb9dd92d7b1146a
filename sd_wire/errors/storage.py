"""What is wrong with a library, or with the disk that it lies on."""

from __future__ import annotations

from sd_wire.errors.error import ExitStatus, SdError


class LibraryRequired(SdError):
    """The operation works in a library, none was named, and there is not exactly one open."""

    kind = "ValidationError"
    message = "Library ID required for {method}: {count} libraries are open"
    hint = "name one (library_id): {names}"
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
    hint = "free some space and try again; a job that it has stopped goes on with 'sd job resume'"
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


class FileDamaged(SdError):
    """A file of the daemon's own, as its configuration, is not what it should be."""

    kind = "CoreUnavailable"
    message = "{path} is damaged: {reason}"
    hint = "correct it, or move it away; what it says is not in force until then"
    exit_status = ExitStatus.CONFIGURATION


class DataFolderUnusable(SdError):
    """The data folder cannot be made or used."""

    kind = "CoreUnavailable"
    message = "the data folder {path} cannot be used: {reason}"
    hint = "check its permissions and its disk, or name another with --data-dir"
    exit_status = ExitStatus.DENIED
