"""D-Bus messages as bytes: as much of the format as a subscriber and a publisher of signals need.

Laid out as the D-Bus specification has it ("Message Format"), little-endian. By hand, because the
programs that send them are in C and take whole files.
"""

from __future__ import annotations

import os
import struct

BUS = "org.freedesktop.DBus"
INTERFACE = "org.example.Measured"
_METHOD_CALL, _SIGNAL = 1, 4
_PATH, _INTERFACE, _MEMBER, _DESTINATION, _SIGNATURE = 1, 2, 3, 6, 8


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 8)


def _text(value: str) -> bytes:
    return struct.pack("<I", len(value)) + value.encode() + b"\0"


def _field(code: int, kind: str, value: str) -> bytes:
    """One header field: its code, then a variant."""
    start = struct.pack("<BB", code, 1) + kind.encode() + b"\0"
    return start + (b"\1" + value.encode() + b"\0" if kind == "g" else _text(value))


def _message(kind: int, path: str, interface: str, member: str, text: str | None) -> bytes:
    fields = [(_PATH, "o", path), (_INTERFACE, "s", interface), (_MEMBER, "s", member)]
    if kind == _METHOD_CALL:
        fields.append((_DESTINATION, "s", BUS))
    if text is not None:
        fields.append((_SIGNATURE, "g", "s"))
    header = b""
    for field in fields:
        header = _padded(header) + _field(*field)
    body = b"" if text is None else _text(text)
    # Every serial is 1: a bus only wants it not to be 0.
    head = struct.pack("<cBBBIII", b"l", kind, 0, 1, len(body), 1, len(header))
    return _padded(head + header) + body


def call(member: str, text: str | None = None) -> bytes:
    """A call of the bus itself."""
    return _message(_METHOD_CALL, "/org/freedesktop/DBus", BUS, member, text)


def signal(text: str) -> bytes:
    """A signal with one string."""
    return _message(_SIGNAL, "/org/example/Measured", INTERFACE, "Event", text)


def greeting(*calls: bytes) -> bytes:
    """What a connection begins with, and then these calls. All of it may be sent at once."""
    user = str(os.getuid()).encode().hex()
    return b"\0AUTH EXTERNAL %b\r\nBEGIN\r\n" % user.encode() + call("Hello") + b"".join(calls)


SUBSCRIPTION = f"type='signal',interface='{INTERFACE}'"
LAST = call("Nothing")
"""A call that the bus answers with an error, so that what came before it is known to be done."""

LAST_ANSWER = "UnknownMethod"
