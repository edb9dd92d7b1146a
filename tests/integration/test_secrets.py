"""What clients send is never logged: not in the file, not to those who watch the log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from running import Daemon

SECRET = "kEy-7Hq2-never-log-me"
ROOM = "x" * 9_000_000

SENT: list[Any] = [
    {"Query": {"method": "query:test.ping", "payload": {"message": SECRET}}},
    {"Query": {"method": "query:test.ping", "payload": {"message": [SECRET]}}},
    {"Query": {"method": "query:test.ping", "payload": SECRET}},
    {"Query": {"method": SECRET}},
    {"Query": {"method": SECRET}, "id": 7, "correlation_id": "followed"},
    {"Query": {"method": "query:libraries.list", "library_id": SECRET}},
    {"Action": {"method": "action:config.app.update.input", "payload": {"language": SECRET}}},
    {"Action": {"method": "action:config.app.update.input", "payload": {"log_level": SECRET}}},
    {"Action": {"method": "action:config.app.update.input", "payload": {"access_read": [SECRET]}}},
    {"Action": {"method": "action:config.app.update.input", "payload": {"access_others": SECRET}}},
    {"Action": {"method": "action:locations.add.input", "payload": {"path": {SECRET: SECRET}}}},
    {"Batch": [{"Query": {"method": SECRET}, "id": SECRET}], "id": SECRET},
    {"Hello": {"version": 1, "client": SECRET}, "id": 1},
    {"Subscribe": {"event_types": [SECRET], "filter": {"resource_type": SECRET}}},
    {"Subscribe": {"event_types": [SECRET], "filter": {"library_id": SECRET}}},
    {"Cancel": {"id": SECRET}, "id": 2},
    {SECRET: SECRET},
    SECRET,
    f'{{"Query": {{"method": "query:test.ping", {SECRET}\n'.encode(),
    f"{SECRET}\n".encode(),
    f'"{SECRET}{ROOM}"\n'.encode(),
    b'"\xff' + SECRET.encode() + b'"\n',
]


@pytest.mark.parametrize("followed", [False, True])
def test_what_clients_send_is_in_no_log(
    make_daemon: Callable[..., Daemon], monkeypatch: pytest.MonkeyPatch, *, followed: bool
) -> None:
    monkeypatch.setenv("SD_LOG", "trace")
    daemon = make_daemon().start()
    with daemon.connect() as watcher, daemon.connect() as wire:
        watcher.ask({"SubscribeLogs": {"filter": None}})
        for number, message in enumerate(SENT):
            if followed and isinstance(message, dict) and "id" not in message:
                message = {**message, "id": number, "correlation_id": f"c{number}"}
            wire.ask(message)
        daemon.stop()
        watched = watcher.read_rest()
    assert watched
    assert SECRET not in str(watched)
    assert SECRET not in daemon.log_text()
    assert "daemon stopped" in daemon.log_text()
