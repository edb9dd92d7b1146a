"""An event as JSON text, and back.

The text is the one form that all others are made from: what a live subscriber gets, what the
journal keeps, and what is sent again from it. So they cannot differ, whoever published the event
and whichever encoding its reader speaks.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from sd_wire.encoding import JSON, MESSAGEPACK
from sd_wire.events import (
    EVENTS,
    Event,
    Refresh,
    ResourceChanged,
    ResourceChangedBatch,
    VolumeAdded,
    body,
)
from sd_wire.framing import LENGTH_BYTES
from sd_wire.messages import EventFacts
from sd_wire.types.files import File
from sd_wire.types.libraries import Library
from sd_wire.types.locations import Location
from sd_wire.types.volumes import Volume

if TYPE_CHECKING:
    from uuid import UUID

    from sd_wire.encoding import Encoding
    from sd_wire.messages import Id

RESOURCES: dict[str, Any] = {
    "file": File,
    "library": Library,
    "location": Location,
    "volume": Volume,
}
"""What a resource of each type is."""


_encode = msgspec.json.Encoder().encode
_NAMES: dict[type[Event], str] = {
    cls: name
    for name, cls in EVENTS.items()
    if cls not in (VolumeAdded, Refresh) and cls.__struct_fields__
}
"""Of the events that are their fields, under their name."""


def text_of(happened: Event) -> bytes:
    """An event as it stands behind `"Event":`. Raises TypeError, ValueError for what cannot be
    encoded."""
    name = _NAMES.get(type(happened))
    if name is None:
        return JSON.body(body(happened))
    text = _encode({name: happened})  # what `body` says, without a question
    return text if text.isascii() else JSON.body(body(happened))


def name_in(text: bytes) -> str:
    """The name of the event in a text."""
    return text[1:-1].decode() if text[:1] == b'"' else text[2 : text.index(b'"', 2)].decode()


def event_in(text: bytes, library_id: UUID | None) -> Event:
    """The event that a text is of. Of the library some have none in it, but beside it.

    Raises KeyError for a name that no event has, msgspec.MsgspecError for what does not fit it.
    """
    name = name_in(text)
    kind = EVENTS[name]
    if kind is Refresh:
        return Refresh(library_id)
    if text[:1] == b'"':
        return kind()
    fields = msgspec.json.decode(text, type=dict[str, msgspec.Raw])[name]
    if kind is VolumeAdded:
        return VolumeAdded(msgspec.json.decode(fields, type=Volume))
    happened = msgspec.json.decode(fields, type=kind)
    if isinstance(happened, ResourceChanged):
        happened.resource = _resource(happened.resource_type, happened.resource)
    elif isinstance(happened, ResourceChangedBatch):
        kind_of_all = happened.resource_type
        happened.resources = [_resource(kind_of_all, one) for one in happened.resources]
    return happened


def _resource(kind: str, found: Any) -> Any:
    """A resource as what it is, so that its times and bytes are times and bytes."""
    try:
        return msgspec.convert(found, RESOURCES.get(kind, Any))
    except msgspec.ValidationError:  # of another version of the daemon
        return found


# --- as it stands on the wire --------------------------------------------------------------------


_SECOND = 1_000_000_000
_TO_THE_SECOND = ',"time":"%Y-%m-%dT%H:%M:%S.'
_NO_TIME = datetime.fromtimestamp(0, UTC)


def _rest_of(facts: EventFacts) -> bytes:
    """What stands behind number and time."""
    return b'Z",' + JSON.body(facts)[len(JSON.body({"sequence": 0, "time": _NO_TIME})) : -1]


_Rest = tuple["UUID | None", "UUID | None", "str | None", bytes]


class _Facts:
    """Writes what stands beside events. Of most of them only the number and the time differ from
    the one before, so the rest is kept as text."""

    def __init__(self) -> None:
        self._second = (-_SECOND, b"")
        self._rest: _Rest = (None, None, None, _rest_of(EventFacts(0, _NO_TIME, None, None, None)))

    def text(
        self,
        sequence: int,
        time: int,
        library_id: UUID | None,
        device_id: UUID | None,
        correlation_id: str | None,
    ) -> bytes:
        """The fields of EventFacts as JSON, without the braces. `time`: nanoseconds since 1970."""
        second, start = self._second
        since = time - second
        if not 0 <= since < _SECOND:
            since = time % _SECOND
            start = datetime.fromtimestamp(time // _SECOND, UTC).strftime(_TO_THE_SECOND).encode()
            self._second = (time - since, start)
        library, device, correlation, rest = self._rest
        # Equal ones need not be the same: that costs a text, and no more.
        if library is not library_id or device is not device_id or correlation != correlation_id:
            rest = _rest_of(EventFacts(0, _NO_TIME, library_id, device_id, correlation_id))
            self._rest = (library_id, device_id, correlation_id, rest)
        fraction = _encode(since // 1000)  # quicker than any formatting
        if len(fraction) < 6:
            fraction = fraction.rjust(6, b"0")
        return b"".join((b'"sequence":', _encode(sequence), start, fraction, rest))


facts_text = _Facts().text
"""What stands beside an event."""


class JsonForms:
    """Events as lines of JSON."""

    def key(self, request_id: Id) -> bytes:
        """A subscription's id as it stands in its events."""
        return JSON.body(request_id)

    def plain(self, text: bytes) -> bytes:
        """As existing clients know it."""
        return b'{"Event":' + text + b"}\n"

    def plain_block(self, texts: list[bytes]) -> bytes:
        """Many at once."""
        return b'{"Event":%b}\n' % b'}\n{"Event":'.join(texts)

    def full(self, text: bytes, facts: bytes, key: bytes) -> bytes:
        """With the subscription's id and the facts."""
        return b'{"Event":%b,"id":%b,%b}\n' % (text, key, facts)

    def full_block(self, events: list[tuple[bytes, bytes]], key: bytes) -> bytes:
        """Many at once, each as its text and its facts."""
        between = b',"id":%b,' % key
        return b"".join([b'{"Event":%b%b%b}\n' % (e, between, f) for e, f in events])


class PackedForms:
    """Events as frames of MessagePack. Made from the text, since not whoever publishes an event
    has its times as times."""

    def key(self, request_id: Id) -> bytes:
        """A subscription's id as it stands in its events."""
        return MESSAGEPACK.body(request_id)

    def plain(self, text: bytes) -> bytes:
        """The same message as the line of JSON."""
        return MESSAGEPACK.frame({"Event": _typed(text)})

    def plain_block(self, texts: list[bytes]) -> bytes:
        """Many at once."""
        return b"".join(map(self.plain, texts))

    def full(self, text: bytes, facts: bytes, key: bytes) -> bytes:
        """With the subscription's id and the facts."""
        known = msgspec.json.decode(b"{%b}" % facts, type=EventFacts)
        beside = MESSAGEPACK.body(known)
        event = MESSAGEPACK.body({"Event": _typed(text)})
        # Both are maps of less than 16 keys, of which the first byte tells only how many.
        count = 0x80 | (1 + 1 + (beside[0] & 0x0F))
        frame = b"%c%b\xa2id%b%b" % (count, event[1:], key, beside[1:])
        return len(frame).to_bytes(LENGTH_BYTES, "big") + frame

    def full_block(self, events: list[tuple[bytes, bytes]], key: bytes) -> bytes:
        """Many at once, each as its text and its facts."""
        return b"".join([self.full(text, facts, key) for text, facts in events])


def _typed(text: bytes) -> Any:
    """What stands behind `"Event":`, with times as times."""
    try:
        return body(event_in(text, None))
    except (KeyError, msgspec.MsgspecError):  # not what was declared, and not to be lost for that
        return msgspec.json.decode(text)


FORMS: dict[str, JsonForms | PackedForms] = {"json": JsonForms(), "messagepack": PackedForms()}
"""By the name of the encoding."""


def forms_for(encoding: Encoding) -> JsonForms | PackedForms:
    """How events are written in an encoding."""
    return FORMS[encoding.name]
