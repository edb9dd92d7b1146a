"""Requests that went wrong on their way: real ones and vectors, bent in every way that bytes can.

Nothing that comes from here can do damage: what would be an action or the end of the daemon, in
whatever spelling, is left out.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

import sd_wire.catalogue  # noqa: F401 - without it no method would be known as an action
from sd_wire.encoding import JSON, MESSAGEPACK, Encoding
from sd_wire.messages import Call
from sd_wire.operation import METHODS, Kind
from sd_wire.reading import Batch, Request, parse

if TYPE_CHECKING:
    import random

sys.path.append(str(Path(__file__).parents[1] / "unit" / "wire"))
from vectors import VECTORS, encoding_of, message

HARMLESS = {"jobs.cancel", "jobs.pause", "jobs.resume", "volumes.refresh"}
"""The only actions that a mutant may be."""

LONG = 4096  # bytes of a seed; longer ones have tests of their own

LIBRARY = "6f1d3c5e-0000-4000-8000-00000000000a"
NUMBERS = (
    *(b"0", b"-0", b"-1", b"1e400", b"1e-400", b"9" * 400, b"0.1", b"1E5", b"NaN"),
    *(b"2147483648", b"9223372036854775807", b"9223372036854775808", b"18446744073709551616"),
)
PIECES = (
    *(b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b"\n", b"\r", b"\0", b" ", b"\xff", b"\xc1"),
    *(b"null", b"true", b"[" * 200, b'{"":' * 200, b"\\ud800", b"\\u0000", b"\xed\xa0\x80", b"/*"),
    *(
        b'"id":1,',
        b'"id":"x",',
        b'"timeout_ms":1,',
        b'"payload":',
        b"\xdd\xff\xff\xff\xff",
        b"\xc7",
    ),
)

QUERIES: dict[str, Any] = {
    "core.status": None,
    "core.events.list": None,
    "config.app.get": {},
    "network.status": [],
    "test.ping": {"message": "hello", "count": 3},
    "libraries.list": {"include_stats": False},
    "locations.list": None,
    "jobs.list": {"status": "running"},
    "jobs.info": {"job_id": LIBRARY},
    "files.by_path": {"path": "/nowhere/at/all"},
    "files.directory_listing": {
        "path": {"Physical": {"device_slug": "x", "path": "/"}},
        "limit": 5,
    },
    "search.files": {"query": "sunset", "filters": {}, "pagination": {"limit": 10, "offset": 0}},
    "nope": {"a": [1, 2.5, "x", None, True]},
}


def real_requests() -> list[Any]:
    """What clients send."""
    found: list[Any] = ["Ping", {"Ping": None, "id": 1}, {"Cancel": {"id": 1}, "id": 2}]
    for number, (name, payload) in enumerate(QUERIES.items()):
        call = {"method": f"query:{name}", "library_id": None, "payload": payload}
        found += [{"Query": call}, {"Query": {**call, "library_id": LIBRARY}, "id": number}]
        found += [{"Query": call, "id": f"t{number}", "timeout_ms": 50}]
    found += [{"Batch": found[3:9:3], "id": "b"}, {"Batch": [], "id": "b"}]
    for name in sorted(HARMLESS):
        call = {"method": f"action:{name}.input", "payload": {"job_id": LIBRARY}}
        found += [{"Action": call, "id": "a"}, {"JsonAction": call}]
    return found


WATCHING: list[Any] = [
    {"Subscribe": {"event_types": [], "filter": None}},
    {"Subscribe": {"event_types": ["JobProgress"], "filter": {"job_id": LIBRARY}}, "id": "w"},
    {"Subscribe": {"event_types": ["CoreStarted"], "after": 0, "initial": True}, "id": 3},
    {"SubscribeLogs": {"filter": {"level": "error"}, "last": 3}, "id": "l"},
    {"Unsubscribe": None, "id": "w"},
    "UnsubscribeLogs",
    {"Hello": {"version": 1, "encoding": "json", "client": "fuzz"}, "id": 0},
]


def json_seeds(*, watching: bool) -> list[bytes]:
    """Lines without their LF; those whose answers can be counted, or all."""
    lines = [json.dumps(one).encode() for one in real_requests() + (WATCHING if watching else [])]
    for case in VECTORS.values():
        if "request" in case and encoding_of(case) is JSON:
            line = message(case, "request")
            if watching or not re.search(rb"Subscribe|Hello", line):
                lines.append(line)
    return [line for line in lines if len(line) < LONG and is_harmless(line, JSON)]


def frame_seeds() -> list[bytes]:
    """Frames with their lengths."""
    frames = []
    for one in real_requests() + WATCHING:
        frames.append(MESSAGEPACK.frame(_packed(one)))
    for case in VECTORS.values():
        if "request" in case and encoding_of(case) is MESSAGEPACK:
            frames.append(message(case, "request"))
    return [one for one in frames if len(one) < LONG and is_harmless(one[4:], MESSAGEPACK)]


def _packed(request: Any) -> Any:
    """A request whose payloads are bytes, as they are in frames."""
    if isinstance(request, list):
        return [_packed(one) for one in request]
    if not isinstance(request, dict):
        return request
    packed = {key: _packed(value) for key, value in request.items() if key != "payload"}
    if "payload" in request:
        packed["payload"] = msgspec.msgpack.encode(request["payload"])
    return packed


# --- what may not be ------------------------------------------------------------------------------

_ALLOWED = [f"action:{name}.input".encode() for name in HARMLESS]


def _is_suspicious(data: bytes) -> bool:
    return b"ction:" in data or b"hutdown" in data or b"\\u00" in data


def is_harmless(data: bytes, encoding: Encoding) -> bool:
    """Whether this, taken as a request, changes nothing that matters."""
    if not _is_suspicious(data):
        return True
    if encoding is not JSON:  # lengths may be wrong: a request may begin anywhere
        bare = data
        for one in _ALLOWED:
            bare = bare.replace(one, b"")
        return not re.search(rb"ction:|hutdown", bare)
    return all(_changes_nothing(parse(line)) for line in data.split(b"\n"))


def _changes_nothing(received: object) -> bool:
    if not isinstance(received, Request):
        return True
    body = received.body
    if isinstance(body, Batch):
        return all(_changes_nothing(one) for one in body.requests)
    if not isinstance(body, Call):
        return body != "Shutdown"
    assert METHODS
    operation = METHODS.get(body.method)
    return operation is None or operation.kind is Kind.QUERY or operation.name in HARMLESS


# --- what goes wrong ------------------------------------------------------------------------------

_DIGITS = re.compile(rb"[0-9]+")


class Mutator:
    """Bends seeds."""

    def __init__(self, rng: random.Random, seeds: list[bytes], encoding: Encoding) -> None:
        self._random = rng.random
        self._choices = rng.choices
        self._seeds = seeds
        self._encoding = encoding
        ways = [self._flip, self._splice, self._cut, self._repeat, self._number, self._piece]
        ways += [self._leave_out, bytes]
        self._ways = ways if encoding is JSON else [*ways, self._length, self._length]

    def block(self, count: int) -> bytes:
        """So many messages, one after the other."""
        seeds = self._choices(self._seeds, k=count)
        ways = self._choices(self._ways, k=count)
        end = b"\n" if self._encoding is JSON else b""
        found = []
        for seed, way in zip(seeds, ways, strict=True):
            data = way(seed)
            if self._random() < 0.1:
                data = self._choices(self._ways)[0](data)
            if not _is_suspicious(data) or is_harmless(data, self._encoding):
                found.append(data + end)
        block = b"".join(found)
        # Neighbours may become one request where a length is wrong.
        return block if self._encoding is JSON or is_harmless(block, self._encoding) else b""

    def _at(self, data: bytes) -> int:
        return int(self._random() * len(data))

    def _flip(self, data: bytes) -> bytes:
        if not data:
            return data
        place = self._at(data)
        flipped = data[place] ^ (1 << int(self._random() * 8))
        return b"%b%c%b" % (data[:place], flipped, data[place + 1 :])

    def _splice(self, data: bytes) -> bytes:
        other = self._choices(self._seeds)[0]
        return data[: self._at(data)] + other[self._at(other) :]

    def _cut(self, data: bytes) -> bytes:
        return data[: self._at(data)]

    def _repeat(self, data: bytes) -> bytes:
        first = self._at(data)
        last = first + 1 + int(self._random() * 20)
        return data[:first] + data[first:last] * (1 + int(self._random() ** 4 * 50)) + data[last:]

    def _number(self, data: bytes) -> bytes:
        return _DIGITS.sub(self._choices(NUMBERS)[0], data, count=1 + int(self._random() * 2))

    def _piece(self, data: bytes) -> bytes:
        place = self._at(data)
        return data[:place] + self._choices(PIECES)[0] + data[place:]

    def _leave_out(self, data: bytes) -> bytes:
        first = self._at(data)
        return data[:first] + data[first + 1 + int(self._random() * 8) :]

    def _length(self, data: bytes) -> bytes:
        changed = (int.from_bytes(data[:4], "big") + int(self._random() * 9) - 4) % 2**32
        if self._random() < 0.02:
            changed = int(self._random() * 2**32)
        return changed.to_bytes(4, "big") + data[4:]
