"""What the daemons of a test run heard and said, held against what is declared.

`tests/recorder/sitecustomize.py` writes it down, in every daemon that a test or a command starts
with this process's environment. Here it is read when the last test has ended: each answer is paired
with its request and has to be exactly of the type that the operation declares, each event of its
own, each error one that exists, with the text that its fields make. Where all tests ran, every
operation, event and error has to have been met.

Not recorded: daemons with an environment of their own (the campaigns of nonsense), servers inside
the test process, and what one connection says after its first megabyte.
"""

from __future__ import annotations

import re
import struct
from collections import defaultdict, deque
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import msgspec

from sd_wire.connection import ServerConnection
from sd_wire.describe import DIALECT, contract
from sd_wire.encoding import ENCODINGS, JSON, Encoding
from sd_wire.errors import ErrorDetails, NoRoomForRequest, SdError, from_wire
from sd_wire.events import EVENTS, LogMessage, body
from sd_wire.messages import Call, Reply
from sd_wire.operation import CATALOGUE, METHODS, Operation
from sd_wire.reading import Batch, Rejected, Request

if TYPE_CHECKING:
    from collections.abc import Iterator

TAP = Path(__file__).parents[1] / "recorder"
RECORD = struct.Struct(">cII")
NO_ID = msgspec.UNSET

UNREACHED: dict[str, str] = {
    # Errors that never stand in an answer.
    "already-running": "the daemon that meets it ends and says so on its standard error",
    "connection-lost": "raised by a client whose daemon is gone",
    "connection-refused": "raised by a client before there is a connection",
    "daemon-not-running": "raised by a client before there is a connection",
    "invalid-instance-name": "raised by whoever reads a command line",
    "job-failed": "raised by a client that waits for a job",
    "not-a-socket": "raised by a client before there is a connection",
    "socket-of-another": "raised by a client before there is a connection",
    "socket-path-too-long": "raised where a socket is made or looked for",
    "socket-permission-denied": "raised by a client before there is a connection",
    "unknown-failure": "stands for a code that this version does not know",
    # Errors that stand where the record does not reach.
    "reply-too-large": "comes behind more than a megabyte, which is not recorded",
    "internal-failure": "a defect: a test that could cause one would be its repair",
}
"""What no recorded answer can have, and why."""

_STREAMED = ("Event", "LogMessage", "Lagged", "CaughtUp")


class Findings:
    """What was met, and what was wrong with it."""

    def __init__(self) -> None:
        self.met: set[str] = set()
        self.wrong: dict[str, int] = defaultdict(int)
        self.messages = 0
        self._sampled: set[str] = set()

    def blame(self, text: str) -> None:
        """Something is not as declared."""
        self.wrong[text] += 1

    def missing(self) -> list[str]:
        """What is declared and was never met, nor is excepted."""
        # Those of the command line are in the catalogue, too, once its modules are read.
        errors = {
            code for code, cls in SdError.catalogue.items() if cls.__module__.startswith("sd_wire.")
        }
        declared = {*CATALOGUE, *EVENTS, *errors}
        return sorted(declared - self.met - set(UNREACHED))

    def sample(self, name: str, value: Any, schema: dict[str, Any]) -> None:
        """Hold one of each kind against the JSON Schema that clients get."""
        if name in self._sampled:
            return
        self._sampled.add(name)
        try:
            validator(msgspec.json.encode(schema)).validate(value)
        except jsonschema.ValidationError as error:
            self.blame(f"{name}: not by its schema: {error.message[:200]} at {error.json_path}")


@cache
def document() -> Any:
    """The contract as clients get it."""
    return msgspec.to_builtins(contract())


@cache
def validator(schema: bytes) -> Any:
    """What checks a value by a part of the contract."""
    whole = {
        **msgspec.json.decode(schema),
        "$schema": DIALECT,
        "$defs": document()["$defs"],
    }
    return jsonschema.Draft202012Validator(whole)


def described(name: str) -> dict[str, Any]:
    """The schema of an operation's result."""
    (found,) = (one for one in document()["operations"] if one["name"] == name)
    return dict(found["result"])


class Conversation:
    """One connection, read again."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._server = ServerConnection()
        self._encoding: Encoding = JSON
        self._buffer = JSON.buffer()
        self._in_order: deque[Request | Rejected] = deque()
        self._by_id: dict[Any, deque[Request | Rejected]] = defaultdict(deque)

    def hear(self, kind: bytes, data: bytes) -> None:
        """The next record. What a connection says last may be cut."""
        if kind == b"<":
            self._asked(self._server.receive(data))
            while self._server.has_more:
                self._asked(self._server.more())
        elif kind == b".":
            self._asked(self._server.receive_end())
        elif kind == b">":
            self._answer(data)

    def _asked(self, received: list[Request | Rejected]) -> None:
        for one in received:
            (self._in_order if one.id is NO_ID else self._by_id[one.id]).append(one)

    def _answer(self, data: bytes) -> None:
        while data:
            # A line at a time where it may be the answer to a Hello that changes the encoding.
            end = data.find(b"\n") + 1 if self._encoding is JSON else 0
            first, data = (data[:end], data[end:]) if end else (data, b"")
            for message in self._buffer.feed(first):
                self._findings.messages += 1
                try:
                    self._reply(message or b"")
                except msgspec.MsgspecError as error:
                    self._findings.blame(f"what is no reply: {error}: {message!r:.100}")

    def _reply(self, message: bytes) -> None:
        encoding = self._encoding
        raw = codec_of(encoding).decode(message)
        reply = encoding.read_reply(message)
        if isinstance(reply, str):
            named, reply = [reply], Reply()
        else:
            named = [name for name in raw if name[0].isupper()]
            if unknown := set(raw) - set(Reply.__struct_fields__):
                self._findings.blame(f"a reply with unknown keys: {sorted(unknown)}")
        if len(named) != 1:
            self._findings.blame(f"a reply that is {named or 'nothing'}")
            return
        (name,) = named
        if encoding is JSON:
            self._findings.sample(name, raw, {"$ref": "#/$defs/Reply"})
        if name in _STREAMED:
            self._streamed(name, reply, message)
        elif reply.Hello is not NO_ID:
            self._pair(reply.id)
            self._encoding = ENCODINGS[reply.Hello.encoding]
            if self._encoding is not encoding:
                self._buffer = self._encoding.buffer()
        else:
            self._refuse(reply)
            self._result(self._pair(reply.id), reply)

    def _refuse(self, reply: Reply) -> None:
        """What is arriving was refused: the rest of it is skipped by the daemon, and so here."""
        if reply.Error is NO_ID or not self._server.arriving:
            return
        ((kind, text),) = reply.Error.items()
        if any(
            code == NoRoomForRequest.code and form.fullmatch(text)
            for code, form in plain_errors(kind)
        ):
            self._asked(self._server.refuse(NoRoomForRequest(limit=0)))

    def _pair(self, request_id: Any) -> Request | Rejected | None:
        waiting = self._in_order if request_id is NO_ID else self._by_id[request_id]
        if waiting:
            return waiting.popleft()
        # Being turned away is answered before anything is asked.
        if request_id is not NO_ID:
            self._findings.blame(f"an answer to {request_id!r} that nobody asked for")
        return None

    def _streamed(self, name: str, reply: Reply, message: bytes) -> None:
        codec = codec_of(self._encoding)
        if name == "LogMessage":
            self._exact("LogMessage", reply.LogMessage, LogMessage, codec)
        elif name == "Event":
            assert isinstance(reply.Event, msgspec.Raw)
            found = codec.decode(reply.Event)
            event = found if isinstance(found, str) else next(iter(found))
            cls = EVENTS.get(event)
            if cls is None:
                self._findings.blame(f"an event that is not declared: {event}")
            elif isinstance(found, str):
                self._findings.met.add(event)
                if body(cls()) != event:
                    self._findings.blame(f"{event} came without its fields")
            else:
                inner = codec.decode(reply.Event, type=dict[str, msgspec.Raw])[event]
                bare = event == "VolumeAdded"
                wanted = (
                    cls.__annotations__ and msgspec.structs.fields(cls)[0].type if bare else cls
                )
                self._exact(event, inner, wanted, codec)

    def _result(self, request: Request | Rejected | None, reply: Reply) -> None:
        if reply.Batch is not NO_ID:
            members = request.body.requests if is_batch(request) else []
            for member, answer in zip(members, reply.Batch, strict=True):
                self._result(member, answer)
        elif reply.Error is not NO_ID:
            self._error(reply.Error, reply.details)
        elif isinstance(request, Request) and isinstance(request.body, Call):
            operation = METHODS.get(request.body.method)
            if operation is None:
                self._findings.blame(f"a result of {request.body.method}, which is not declared")
            else:
                self._value(operation, reply)

    def _value(self, operation: Operation, reply: Reply) -> None:
        held = reply.JsonOk if self._encoding is JSON else reply.Ok
        codec = codec_of(self._encoding)
        if not isinstance(held, msgspec.Raw | bytes):
            self._findings.blame(f"{operation.name} was answered with an acknowledgement")
            return
        self._exact(operation.name, held, operation.result, codec)
        if self._encoding is JSON:
            self._findings.sample(operation.name, codec.decode(held), described(operation.name))

    def _exact(self, name: str, held: Any, wanted: Any, codec: Any) -> None:
        """A value is of a type, and has nothing that the type has not."""
        self._findings.met.add(name)
        try:
            value = codec.decode(held, type=wanted)
        except msgspec.ValidationError as error:
            self._findings.blame(f"{name}: {error}")
            return
        given, again = codec.decode(held), codec.decode(codec.encode(value))
        if given != again:
            self._findings.blame(f"{name}: not as declared {differences(given, again)}")

    def _error(self, given: dict[str, str], details: Any) -> None:
        ((kind, text),) = given.items()
        if kind not in {cls.kind for cls in SdError.catalogue.values()}:
            self._findings.blame(f"an error of the kind {kind}, which is not declared")
        if not isinstance(details, ErrorDetails):
            self._findings.met |= {
                code for code, form in plain_errors(kind) if form.fullmatch(text)
            }
            return
        self._findings.met.add(details.code)
        error = from_wire(kind, text, details)
        if error.code != details.code or error.kind != kind or error.text != text:
            self._findings.blame(f"{details.code}: {kind}: {text!r} is not what its fields make")


@cache
def plain_errors(kind: str) -> list[tuple[str, re.Pattern[str]]]:
    """The errors of a kind by what they say, for clients that are told no more."""
    forms = []
    for code, cls in SdError.catalogue.items():
        if cls.kind == kind and cls.message != "{text}":
            parts = [re.escape(part) for part in re.split(r"\{.*?\}", cls.message)]
            forms.append((code, re.compile(".*".join(parts), re.DOTALL)))
    return forms


def is_batch(request: Any) -> bool:
    """Whether a request is a batch."""
    return isinstance(request, Request) and isinstance(request.body, Batch)


def codec_of(encoding: Encoding) -> Any:
    """What reads and writes the values of an encoding."""
    return msgspec.json if encoding is JSON else msgspec.msgpack


def differences(given: Any, again: Any, place: str = "") -> list[str]:
    """Where two values differ."""
    if isinstance(given, dict) and isinstance(again, dict):
        keys = given.keys() ^ again.keys()
        found = [f"{place}.{key} {'unknown' if key in given else 'left out'}" for key in keys]
        for key in given.keys() & again.keys():
            found += differences(given[key], again[key], f"{place}.{key}")
        return found
    if isinstance(given, list) and isinstance(again, list) and len(given) == len(again):
        pairs = zip(given, again, strict=True)
        return [one for a, b in pairs for one in differences(a, b, f"{place}[]")]
    return [] if given == again else [f"{place}: {given!r:.60} is {again!r:.60}"]


def records(path: Path) -> Iterator[tuple[bytes, int, bytes]]:
    """What one daemon wrote down. The last record of one that was killed may be cut."""
    data = path.read_bytes()
    place = 0
    while place + RECORD.size <= len(data):
        kind, connection, length = RECORD.unpack_from(data, place)
        place += RECORD.size
        yield kind, connection, data[place : place + length]
        place += length


def read_all(folder: Path) -> Findings:
    """Everything that was written down in a folder."""
    findings = Findings()
    for path in sorted(folder.iterdir()):
        conversations: dict[int, Conversation | None] = {}
        for kind, connection, data in records(path):
            if connection not in conversations:
                conversations[connection] = Conversation(findings)
            conversation = conversations[connection]
            if kind == b"x":
                conversations[connection] = None
            elif conversation is not None:
                conversation.hear(kind, data)
    return findings


def report(findings: Findings, *, complete: bool) -> list[str]:
    """What has to be told, line by line; nothing where all is as it should be."""
    lines = [f"{count} x {text}" for text, count in sorted(findings.wrong.items())]
    if complete:
        lines += [f"never met by any test: {name}" for name in findings.missing()]
        met = sorted(findings.met & set(UNREACHED))
        lines += [f"is excepted as unreachable, and was met: {name}" for name in met]
    return lines
