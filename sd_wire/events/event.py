"""How an event is declared; the catalogue of all."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, TypeVar

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable


class Event(msgspec.Struct):
    """What happened. Subclasses are declared with @event."""

    noisy: ClassVar[bool] = False  # may come many times a second
    asked_for: ClassVar[bool] = False  # only for subscriptions that name it


E = TypeVar("E", bound=type[Event])

EVENTS: dict[str, type[Event]] = {}


def event(*, noisy: bool = False, asked_for: bool = False) -> Callable[[E], E]:
    """Put an event class into the catalogue."""

    def register(cls: E) -> E:
        if cls.__name__ in EVENTS:
            raise TypeError(f"two events are called {cls.__name__}")
        cls.noisy = noisy
        cls.asked_for = asked_for
        EVENTS[cls.__name__] = cls
        return cls

    return register
