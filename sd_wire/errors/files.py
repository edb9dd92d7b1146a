"""What is wrong with a path, a location or a file that is named."""

from __future__ import annotations

from sd_wire.errors.error import ExitStatus, SdError


class NotALibrary(SdError):
    """A folder that is not a library, or an unreadable one."""

    message = "{path} is not a library: {reason}"
    hint = "a library is a folder NAME.sdlibrary with a library.json in it"
    exit_status = ExitStatus.NOT_FOUND


class PathNotFound(SdError):
    """Nothing is there."""

    message = "{path} does not exist"
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


class PathNotWritable(SdError):
    """The daemon's user may not change what is there."""

    message = "the daemon may not change {path}: {reason}"
    hint = "check the permissions and whether the disk is read-only; the daemon runs as user {user}"
    exit_status = ExitStatus.DENIED


class PathUnusable(SdError):
    """Something else than permissions keeps a path from being worked with: its disk fails, links
    lead round in a circle, it was changed meanwhile."""

    message = "{path}: {reason}"


class SpecialFile(SdError):
    """A device, pipe or socket that is to be copied by its own name."""

    kind = "ValidationError"
    message = "{path} is {what}, and not copied: it holds no content of its own"
    hint = "copy the folder that it is in: such things are kept there as they are"
    exit_status = ExitStatus.USAGE


class KindConflict(SdError):
    """A folder has the name that something else would get, or the other way round. Neither
    overwrites the other."""

    message = "the {there} {path} cannot be overwritten by the {newcomer} {source}"
    hint = "move it away first, or say what else is to happen (on_conflict): Skip, AutoModifyName"
    exit_status = ExitStatus.CONFLICT


class DoubledTarget(SdError):
    """Two of the things that one operation names would get the same name."""

    message = "{source} would become {path}, and so would something else that is named"
    hint = "do one after the other, or say what is to happen (on_conflict): Skip, AutoModifyName"
    exit_status = ExitStatus.CONFLICT


class FileConflict(SdError):
    """Something has the name that a file operation would give."""

    message = "{path} already exists"
    hint = "say what is to happen (on_conflict): Overwrite, Skip, AutoModifyName; {count} in all"
    exit_status = ExitStatus.CONFLICT


class NotEnoughSpace(SdError):
    """A file operation needs more than the disk has. Nothing was begun."""

    message = "{path} has room for {available} bytes, and {needed} are needed"
    hint = "free some space and try again"
    exit_status = ExitStatus.UNAVAILABLE
    retryable = True


class NameInvalid(SdError):
    """A name that no file can have here."""

    kind = "ValidationError"
    message = "{name} cannot be the name of a file: {reason}"
    exit_status = ExitStatus.USAGE


class TargetInsideSource(SdError):
    """A folder cannot go into itself, nor anything take the place of what it is in."""

    kind = "ValidationError"
    message = "{source} cannot become {target}: {why}"
    exit_status = ExitStatus.USAGE


class FolderNotEmpty(SdError):
    """A folder with something in it was to be deleted for good, without saying so."""

    message = "{path} is not empty"
    hint = "say that everything in it goes, too (recursive)"
    exit_status = ExitStatus.CONFLICT


class PathProtected(SdError):
    """A path that file operations keep their hands off."""

    message = "{path} is left alone: {reason}"
    exit_status = ExitStatus.DENIED


class TrashUnavailable(SdError):
    """A filesystem without a trash that the daemon's user may use."""

    message = "{path} cannot go to the trash: {reason}"
    hint = "delete it for good (permanent), or move it elsewhere"
    exit_status = ExitStatus.DENIED


class TrashItemNotFound(SdError):
    """Nothing in the trash has that id."""

    message = "{item} is not in the trash"
    hint = "'sd trash list' shows what is"
    exit_status = ExitStatus.NOT_FOUND


class OperationNotFound(SdError):
    """No file operation has that id."""

    message = "there is no file operation {operation}"
    hint = "'sd history list' shows them"
    exit_status = ExitStatus.NOT_FOUND


class CannotUndo(SdError):
    """A file operation that cannot be taken back, or not any more."""

    message = "{title} cannot be undone: {reason}"
    hint = "'sd history list' shows what can be; 'sd undo ID' takes that back"
    exit_status = ExitStatus.CONFLICT
