"""Errors of the contract as GraphQL has them: the sentence, and beside it what a program needs.

`extensions.code` is stable, `hint` says what to do, `pointer` which field of the input is meant.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graphql import GraphQLError

from sd_wire.errors import SdError, UnknownFailure

if TYPE_CHECKING:
    from collections.abc import Iterable

INTERNAL = "this server failed"


def extensions_of(error: SdError) -> dict[str, Any]:
    """What stands beside the sentence."""
    kind, _, details = error.to_wire()
    found: dict[str, Any] = {
        "code": details.code,
        "kind": error.wire_kind if isinstance(error, UnknownFailure) else kind,
        "retryable": details.retryable,
    }
    if details.hint:
        found["hint"] = details.hint
    if details.pointer:
        found["pointer"] = details.pointer
    return found


def refusal(code: str, text: str, hint: str | None = None) -> GraphQLError:
    """An error of this server itself."""
    extensions: dict[str, Any] = {"code": code}
    if hint:
        extensions["hint"] = hint
    return GraphQLError(text, extensions=extensions)


def formatted(errors: Iterable[GraphQLError]) -> list[Any]:
    """Errors as they are answered. What is a defect of this server says so and no more; its log
    has the rest."""
    return [_formatted(error) for error in errors]


def is_defect(error: GraphQLError) -> bool:
    """Whether an error has a cause that nobody has foreseen. What has no path was found while the
    document was validated: a literal that no number can be made of."""
    cause = error.original_error
    if cause is None or error.path is None:
        return False
    return not isinstance(cause, SdError | GraphQLError | TimeoutError)


def _formatted(error: GraphQLError) -> Any:
    cause = error.original_error
    shown: dict[str, Any] = dict(error.formatted)
    if isinstance(cause, SdError):
        shown["message"] = cause.text
        shown["extensions"] = extensions_of(cause)
    elif isinstance(cause, TimeoutError):
        shown["message"] = "the daemon did not answer in time"
        shown["extensions"] = {"code": "deadline-exceeded"}
    elif is_defect(error):
        shown["message"] = INTERNAL
        shown["extensions"] = {"code": "internal-failure"}
    return shown
