"""Where one message ends and the next begins: lines of JSON, or frames of MessagePack.

Both buffers are fed what was read and give the messages that are complete. Neither keeps more than
its limit: what is longer comes out as None, once, and is thrown away as it comes.
"""

from __future__ import annotations

from typing import Protocol

LENGTH_BYTES = 4  # of the big-endian number before each frame


class Buffer(Protocol):
    """Cuts a stream into messages."""

    limit: int
    underway: bool
    """Whether a message has begun and is not complete."""

    @property
    def rest(self) -> bytes | None:
        """What has arrived of it; None while it is too long, and thrown away as it comes."""

    @property
    def held(self) -> int:
        """Bytes of what has arrived of it and is kept."""

    def feed(self, data: bytes) -> list[bytes | None]:
        """The messages that are complete now; None for each that is too long."""

    def skip(self) -> None:
        """Throw away what has arrived of a message that is not complete, and what is to come."""

    def end(self) -> bytes | None:
        """A last message that the end of the stream completes, or None."""


class LineBuffer:
    """Cuts a stream into lines. Cheap when a read is exactly one line, which is the usual case.

    `limit` is in bytes, the LF not counted.
    """

    __slots__ = ("_rest", "_skipping", "limit", "underway")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.underway = False
        self._rest: bytearray | None = None
        self._skipping = False

    @property
    def rest(self) -> bytes | None:
        """What has arrived of it; None while it is too long, and thrown away as it comes."""
        return None if self._skipping else bytes(self._rest or b"")

    @property
    def held(self) -> int:
        """Bytes of what has arrived of it and is kept."""
        return len(self._rest) if self._rest else 0

    def skip(self) -> None:
        """Throw away what has arrived of a line that is not complete, and what is to come."""
        self._rest = None
        self._skipping = True

    def feed(self, data: bytes) -> list[bytes | None]:
        """The complete lines, without their LF."""
        if not self.underway and data.find(b"\n") == len(data) - 1:
            return [data[:-1] if len(data) - 1 <= self.limit else None] if data else []
        first, *others = data.split(b"\n")
        if not others:
            return self._keep(first)
        *complete, rest = others
        lines: list[bytes | None] = self._finish(first)
        lines.extend(line if len(line) <= self.limit else None for line in complete)
        lines.extend(self._keep(rest))
        return lines

    def end(self) -> bytes | None:
        """What is left after the last LF, or None where nothing is."""
        rest, self._rest = self._rest, None
        self.underway = False
        return bytes(rest) if rest else None

    def _finish(self, piece: bytes) -> list[bytes | None]:
        self.underway = False
        if self._skipping:
            self._skipping = False
            return []
        rest, self._rest = self._rest, None
        line = bytes(rest) + piece if rest else piece
        return [line if len(line) <= self.limit else None]

    def _keep(self, rest: bytes) -> list[bytes | None]:
        if not rest or self._skipping:
            return []
        self.underway = True
        # One growing buffer and not a list of pieces: a peer that sends byte by byte would
        # otherwise cost thirty times the length of its line.
        if self._rest is None:
            self._rest = bytearray(rest)
        else:
            self._rest += rest
        if len(self._rest) <= self.limit:
            return []
        self.skip()
        return [None]


class FrameBuffer:
    """Cuts a stream into frames: a big-endian length of four bytes, then so many bytes."""

    __slots__ = ("_rest", "_to_skip", "limit", "underway")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.underway = False
        self._rest = bytearray()
        self._to_skip = 0

    @property
    def rest(self) -> bytes | None:
        """What has arrived of it; None while it is too long, and thrown away as it comes."""
        return None if self._to_skip else bytes(self._rest)

    @property
    def held(self) -> int:
        """Bytes of what has arrived of it and is kept."""
        return len(self._rest)

    def skip(self) -> None:
        """Throw away what has arrived of a frame, its length at least, and what is to come."""
        length = int.from_bytes(self._rest[:LENGTH_BYTES], "big")
        self._to_skip = LENGTH_BYTES + length - len(self._rest)
        self._rest.clear()

    def feed(self, data: bytes) -> list[bytes | None]:
        """The complete frames, without their lengths."""
        if self._to_skip:
            skipped = min(self._to_skip, len(data))
            self._to_skip -= skipped
            data = data[skipped:]
        self._rest += data
        frames: list[bytes | None] = []
        start = 0
        while len(self._rest) - start >= LENGTH_BYTES:
            length = int.from_bytes(self._rest[start : start + LENGTH_BYTES], "big")
            after = start + LENGTH_BYTES + length
            if length > self.limit:
                frames.append(None)
                self._to_skip = max(0, after - len(self._rest))
                start = min(after, len(self._rest))
                continue
            if after > len(self._rest):
                break
            frames.append(bytes(self._rest[start + LENGTH_BYTES : after]))
            start = after
        del self._rest[:start]
        self.underway = bool(self._rest or self._to_skip)
        return frames

    def end(self) -> bytes | None:
        """A frame that was cut off is none: its length says that more was to come."""
        self._rest.clear()
        return None
