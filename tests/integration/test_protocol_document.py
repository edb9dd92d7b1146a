"""Every example of docs/protocol.md, said to a real daemon.

What the document shows need not be repeated by the letter: identities, times, paths and measured
numbers differ from run to run. Everything else has to be as it stands there.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from running import Daemon, Wire

DOCUMENT = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text("utf-8")
BLOCKS = [
    (kind, text) for kind, text in re.findall(r"^```(\w*)\n(.*?)^```$", DOCUMENT, re.M | re.S)
]
HOME = "/home/u"  # whose home the examples are about
REST = "..."  # in an object, a list or a text: and more, which is not shown
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
FRAME = re.compile(r"[0-9a-f]{2}( [0-9a-f]{2})*")
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def shown(text: str) -> Any:
    """A message as the document writes it: JSON in which `...` stands for what is left out."""
    filled = re.sub(r",\.\.\.(?=})", f',"{REST}":null', text)
    filled = re.sub(r"(?<=[{])\.\.\.(?=})", f'"{REST}":null', filled)
    return json.loads(re.sub(r"(?<=[\[,])\.\.\.(?=\])", f'"{REST}"', filled))


def alike(expected: Any, found: Any, key: str = "") -> bool:
    """Whether what came is what the document shows."""
    if expected == REST:
        return True
    if isinstance(expected, dict) and isinstance(found, dict):
        names = expected.keys() - {REST}
        complete = names <= found.keys() if REST in expected else names == found.keys()
        return complete and all(alike(expected[name], found[name], name) for name in names)
    if isinstance(expected, list) and isinstance(found, list):
        if REST in expected:
            return all(any(alike(one, other) for other in found) for one in expected)
        return len(expected) == len(found) and all(map(alike, expected, found))
    if isinstance(expected, str) and isinstance(found, str):
        same_form = any(form.fullmatch(expected) and form.fullmatch(found) for form in (TIME, UUID))
        return same_form or expected == found or (expected[0:1] == found[0:1] == "/")
    if isinstance(expected, int) and not isinstance(expected, bool) and key != "id":
        return isinstance(found, int)
    return type(expected) is type(found) and bool(expected == found)


class Spoken:
    """A conversation of the document on one connection."""

    def __init__(self, wire: Wire, home: str) -> None:
        self._wire = wire
        self._home = home
        self._expected: list[str] = []

    def say(self, text: str) -> None:
        """A line that the client sends, once everything was answered before it."""
        self.hear()
        if FRAME.fullmatch(text):
            self._wire.send(bytes.fromhex(text))
        else:
            self._wire.send(text.replace(HOME, self._home).encode() + b"\n")

    def expect(self, text: str) -> None:
        """A line that has to come."""
        self._expected.append(text)

    def hear(self) -> None:
        """Read what is expected now: in its order, unless all of it has ids."""
        frames = [text for text in self._expected if FRAME.fullmatch(text)]
        for text in frames:
            wanted = bytes.fromhex(text)
            assert self._wire.read_bytes(len(wanted)) == wanted
        lines = [shown(text) for text in self._expected if text not in frames]
        self._expected.clear()
        with_ids = all(isinstance(line, dict) and "id" in line for line in lines)
        while lines:
            found = self._wire.read()
            fitting = [line for line in (lines if with_ids else lines[:1]) if alike(line, found)]
            assert fitting, f"{json.dumps(found)}\nis none of\n{lines}"
            lines.remove(fitting[0])


def test_the_document_has_examples_and_all_are_marked() -> None:
    kinds = [kind for kind, _ in BLOCKS]
    assert set(kinds) == {"wire", "console", "json"}
    assert kinds.count("wire") >= 8
    assert DOCUMENT.count("```") == 2 * len(BLOCKS)


def test_what_is_not_alike_is_told_apart() -> None:
    assert alike(shown('{"a":1,...}'), {"a": 2, "b": 3})
    assert not alike(shown('{"a":1}'), {"a": 2, "b": 3})
    assert not alike({"id": 1}, {"id": 2})
    assert not alike({"code": "x"}, {"code": "y"})
    assert not alike([], [1])
    assert not alike("Pong", {"Pong": None})
    assert not alike({"a": True}, {"a": 1})
    assert alike(shown('["a",...]'), ["b", "a"])
    assert not alike(shown('["a",...]'), ["b"])


def test_every_conversation_goes_as_it_is_written(daemon: Daemon, tmp_path: Path) -> None:
    for kind, text in BLOCKS:
        if kind != "wire":
            continue
        with daemon.connect() as wire:
            spoken = Spoken(wire, str(tmp_path))
            for line in text.splitlines():
                direction, _, message = line.partition(" ")
                assert direction in ("→", "←"), line
                if direction == "→":
                    spoken.say(message)
                else:
                    spoken.expect(message)
            spoken.hear()
            wire.done()
            with contextlib.suppress(ConnectionResetError):
                assert wire.read_rest() == [], "the document leaves something out"


def test_every_command_prints_what_is_written(daemon: Daemon) -> None:
    if shutil.which("nc") is None:
        pytest.skip("nc is not installed")
    daemon.call("action:libraries.create.input", {"name": "Home", "path": None})
    environment = {"SOCKET": str(daemon.socket_path), "PATH": "/usr/bin:/bin"}
    for kind, text in BLOCKS:
        if kind != "console":
            continue
        command, *expected = text.splitlines()
        assert command.startswith("$ ")
        ran = subprocess.run(
            ["sh", "-c", command[2:]], env=environment, capture_output=True, text=True, check=True
        )
        found = [json.loads(line) for line in ran.stdout.splitlines()]
        assert len(found) == len(expected)
        for line, other in zip(expected, found, strict=True):
            assert alike(shown(line), other), other


def test_every_configuration_is_one(make_daemon: Callable[..., Daemon]) -> None:
    """What stands there as plain JSON is a part of spacedrive.json."""
    for number, text in enumerate(text for kind, text in BLOCKS if kind == "json"):
        daemon = make_daemon(f"data{number}")
        daemon.data_dir.mkdir()
        (daemon.data_dir / "spacedrive.json").write_text(text)
        in_force = daemon.start().call("query:config.app.get")
        for section, fields in json.loads(text).items():
            assert fields.items() <= in_force[section].items()
