"""What many requests at once, and many subscriptions, cost those who have few."""

from __future__ import annotations

from sd_wire.connection import AT_ONCE, ServerConnection
from sd_wire.reading import Rejected, Request


def test_many_requests_in_one_read_are_read_by_and_by() -> None:
    wire = ServerConnection()
    wire.receive(b'"Ping"\n')
    many = 3 * AT_ONCE + 5
    received = wire.receive(b'"Ping"\n' * many)
    assert len(received) == AT_ONCE
    taken = len(received)
    while wire.has_more:
        some = wire.more()
        assert 0 < len(some) <= AT_ONCE
        taken += len(some)
    assert taken == many
    assert len(wire.receive(b'"Ping"\n')) == 1


def test_what_comes_later_waits_behind_what_was_put_off() -> None:
    wire = ServerConnection()
    lines = [b'{"Ping":null,"id":%d}\n' % number for number in range(2 * AT_ONCE)]
    received = wire.receive(b"".join(lines[: AT_ONCE + 10]))
    received += wire.receive(b"".join(lines[AT_ONCE + 10 :]))
    while wire.has_more:
        received += wire.more()
    assert [one.id for one in received] == list(range(2 * AT_ONCE))


def test_a_last_request_without_its_end_comes_last() -> None:
    wire = ServerConnection()
    received = wire.receive(b"\n" * (AT_ONCE + 3) + b'"Ping"')
    assert wire.receive_end() == []
    while wire.has_more:
        received += wire.more()
    assert all(isinstance(one, Rejected) for one in received[:-1])
    assert isinstance(received[-1], Request)


def test_what_one_who_is_gone_was_about_to_say_is_not_guessed() -> None:
    wire = ServerConnection()
    assert wire.receive(b'"Shutdown"') == []
    assert wire.receive_end(gone=True) == []
