"""A publisher for Redis in Python: what a job would do if Redis carried its events.

    python -m bench.pipeline SOCKET SECONDS RATE BATCH

It makes and encodes every event as the daemon does, and nothing else: commands are put together by
hand and answers only counted, so that no client library stands between. `BATCH` commands leave in
one write, or with a RATE as many as are due, and their answers are waited for. Writes how many
events were published.
"""

from __future__ import annotations

import socket
import sys
import time

import msgspec

from bench.publisher import update

CHANNEL = b"events"


def command(*words: bytes) -> bytes:
    """A command of Redis."""
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(w), w) for w in words)


_HEAD = b"*3\r\n$7\r\nPUBLISH\r\n$%d\r\n%b\r\n" % (len(CHANNEL), CHANNEL)
_encode = msgspec.json.Encoder().encode


def _one() -> bytes:
    event = _encode({"Event": {"JobUpdate": update(time.monotonic_ns())}})
    return b"%b$%d\r\n%b\r\n" % (_HEAD, len(event), event)


def _send(made: socket.socket, count: int) -> None:
    """Publish so many, and wait for the answers."""
    made.sendall(b"".join([_one() for _ in range(count)]))
    answered = 0
    while answered < count:
        received = made.recv(65536)
        if not received:
            raise ConnectionError("Redis hung up")
        answered += received.count(b"\n")


def main(path: str, seconds: float, rate: float, batch: int) -> None:
    """Publish for so long."""
    published = 0
    with socket.socket(socket.AF_UNIX) as made:
        made.settimeout(20)
        made.connect(path)
        began = now = time.monotonic()
        while now < began + seconds:
            due = int((now - began) * rate) + 1 - published if rate else batch
            if due > 0:
                _send(made, due)
                published += due
            else:
                time.sleep(began + published / rate - now)
            now = time.monotonic()
    print(published)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4]))
