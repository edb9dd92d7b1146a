"""How messages become bytes: lines of JSON, or frames of MessagePack where both ends agreed on it.

JSON is what every connection begins with. Everything that leaves is one line of ASCII: clients
decode chunk by chunk, and a character that is cut in two would be lost on them.

MessagePack frames carry the same messages. Two things differ: a payload, and the result `Ok`, are
bytes that hold a MessagePack document of their own, so that whoever passes them on need not read
them; and what JSON has no type for (bytes, times) has its own.
"""

from __future__ import annotations

from functools import cached_property
from json.encoder import encode_basestring_ascii
from typing import TYPE_CHECKING, Any

import msgspec

from sd_wire.framing import LENGTH_BYTES, FrameBuffer, LineBuffer
from sd_wire.messages import (
    MAX_LINE,
    CallEnvelope,
    Done,
    EncodingName,
    Envelope,
    Failed,
    Id,
    OnlyId,
    Packed,
    Reply,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sd_wire.errors import SdError
    from sd_wire.framing import Buffer


def _escaped(text: str) -> str:
    """JSON with everything that is not ASCII as escapes, in UTF-16 code units as RFC 8259 has it.

    The standard library's escaping of one string is by far the fastest there is. It takes the text
    for the inside of a string, so that quotation marks and backslashes have to be set free again;
    NUL, which no JSON has, holds the place of a backslash meanwhile.
    """
    inside = encode_basestring_ascii(text)[1:-1]
    return inside.replace("\\\\", "\0").replace('\\"', '"').replace("\0", "\\")


class Encoding:
    """One way to write messages, and to read them."""

    name: EncodingName

    # What reads a message that was received, made when it is first wanted: no process needs all of
    # them. Each raises msgspec.ValidationError for what has not this shape, and other errors for
    # what cannot be read at all.

    @cached_property
    def read_call(self) -> Callable[[bytes], CallEnvelope | str]:
        """Reads a call as such."""
        return self.reader(CallEnvelope | str)

    @cached_property
    def read_request(self) -> Callable[[bytes], Envelope | str]:
        """Reads any request."""
        return self.reader(Envelope | str)

    @cached_property
    def read_id(self) -> Callable[[bytes], OnlyId]:
        """Reads the id of a request, whatever else is wrong with it."""
        return self.reader(OnlyId)

    @cached_property
    def read_batch(self) -> Callable[[msgspec.Raw], list[Envelope]]:
        """Reads the requests in a batch."""
        return self.reader(list[Envelope])

    @cached_property
    def read_reply(self) -> Callable[[bytes], Reply | str]:
        """Reads any reply."""
        return self.reader(Reply | str)

    def reader(self, wanted: Any) -> Callable[[Any], Any]:
        """What reads bytes of a message as `wanted`."""
        raise NotImplementedError

    def buffer(self, limit: int = MAX_LINE) -> Buffer:
        """What cuts a stream of this encoding into messages."""
        raise NotImplementedError

    def body(self, message: Any) -> bytes:
        """A message without what stands between it and its neighbours."""
        raise NotImplementedError

    def frame(self, message: Any) -> bytes:
        """A message as it goes onto the wire."""
        raise NotImplementedError

    def done(self, value: Any, request_id: Id) -> Done | Packed:
        """The result of a call as a message."""
        raise NotImplementedError

    def payload(self, fields: Mapping[str, Any] | msgspec.Struct | None) -> msgspec.Raw:
        """A payload for `Call`."""
        raise NotImplementedError

    def document(self, value: Any) -> bytes:
        """A value as the document that a payload or a result is."""
        raise NotImplementedError

    def document_reader(self, wanted: Any) -> Callable[[bytes | msgspec.Raw], Any]:
        """What reads a document as `wanted`. A payload comes as the Raw that `Call` has."""
        raise NotImplementedError

    def word(self, name: str, request_id: Id, value: Any = None) -> bytes:
        """An acknowledgement: `"Pong"`, or `{"Pong":null,"id":7}` where the request had an id."""
        if request_id is msgspec.UNSET:
            return self.frame(name if value is None else {name: value})
        return self.frame({name: value, "id": request_id})

    def failure(self, error: SdError, request_id: Id) -> bytes:
        """An error as a reply."""
        return self.frame(failed(error, request_id, detailed=request_id is not msgspec.UNSET))


def failed(error: SdError, request_id: Id, *, detailed: bool) -> Failed:
    """An error as a message."""
    kind, text, details = error.to_wire()
    return Failed({kind: text}, request_id, details if detailed else msgspec.UNSET)


class JsonLines(Encoding):
    """One line of ASCII JSON each."""

    name = "json"

    def __init__(self) -> None:
        self._encode = msgspec.json.Encoder().encode

    def reader(self, wanted: Any) -> Callable[[Any], Any]:
        """A decoder."""
        return msgspec.json.Decoder(wanted).decode

    def buffer(self, limit: int = MAX_LINE) -> Buffer:
        """Lines."""
        return LineBuffer(limit)

    def body(self, message: Any) -> bytes:
        """A message as a line without its LF."""
        return self.frame(message)[:-1]

    def frame(self, message: Any) -> bytes:
        """A message as one line with its LF."""
        text = self._encode(message)
        if not text.isascii():
            text = _escaped(text.decode()).encode()
        return text + b"\n"

    def done(self, value: Any, request_id: Id) -> Done | Packed:
        """`{"JsonOk":...}`."""
        return Done(value, request_id)

    def payload(self, fields: Mapping[str, Any] | msgspec.Struct | None) -> msgspec.Raw:
        """The JSON itself."""
        return msgspec.Raw(self._encode(fields))

    def document(self, value: Any) -> bytes:
        """JSON."""
        return self._encode(value)

    def document_reader(self, wanted: Any) -> Callable[[bytes | msgspec.Raw], Any]:
        """The same as of a message."""
        return self.reader(wanted)


class MessagePackFrames(Encoding):
    """One frame each: a length and a MessagePack document."""

    name = "messagepack"

    def __init__(self) -> None:
        self._encode = msgspec.msgpack.Encoder().encode
        self._bytes = msgspec.msgpack.Decoder(bytes | None).decode

    def reader(self, wanted: Any) -> Callable[[Any], Any]:
        """A decoder."""
        return msgspec.msgpack.Decoder(wanted).decode

    def buffer(self, limit: int = MAX_LINE) -> Buffer:
        """Frames."""
        return FrameBuffer(limit)

    def body(self, message: Any) -> bytes:
        """A message without its length."""
        return self._encode(message)

    def frame(self, message: Any) -> bytes:
        """A message with its length before it."""
        body = self._encode(message)
        return len(body).to_bytes(LENGTH_BYTES, "big") + body

    def done(self, value: Any, request_id: Id) -> Done | Packed:
        """`{"Ok": bytes}`."""
        return Packed(self._encode(value), request_id)

    def payload(self, fields: Mapping[str, Any] | msgspec.Struct | None) -> msgspec.Raw:
        """Bytes that hold the document."""
        return msgspec.Raw(self._encode(self._encode(fields)))

    def document(self, value: Any) -> bytes:
        """MessagePack."""
        return self._encode(value)

    def document_reader(self, wanted: Any) -> Callable[[bytes | msgspec.Raw], Any]:
        """A decoder of what the bytes hold."""
        decode = self.reader(wanted)

        def read(given: bytes | msgspec.Raw) -> Any:
            return decode(self.held(given) if isinstance(given, msgspec.Raw) else given)

        return read

    def held(self, payload: msgspec.Raw) -> bytes:
        """The document that the bytes of a payload hold. Nil instead of bytes is the document nil;
        anything else raises msgspec.ValidationError."""
        held = self._bytes(payload)
        return b"\xc0" if held is None else held


JSON = JsonLines()
MESSAGEPACK = MessagePackFrames()
ENCODINGS: dict[str, Encoding] = {one.name: one for one in (JSON, MESSAGEPACK)}
