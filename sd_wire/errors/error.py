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
    CONFIGURATION = 78  # EX_CONFIG: what is configured is wrong, and to start again is useless
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
    exit_status: ExitStatus = ExitStatus.FAILED  # an instance may know a better one
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
