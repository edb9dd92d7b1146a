"""What waits for a slow reader is bounded, and nothing is lost in silence."""

from __future__ import annotations

from sd_daemon.server.outbox import LIMIT, OVERHEAD, SLICE, Outbox


class Reader:
    """A client: takes what it is given, or is given up."""

    def __init__(self) -> None:
        self.got: list[bytes] = []
        self.given_up = False

    def give_up(self) -> None:
        self.given_up = True


class Told:
    """A subscription that can be told what it missed."""

    missed = 0

    def gap(self) -> bytes | None:
        return b"missed %d\n" % self.missed


class NotTold(Told):
    """An existing client's subscription."""

    def gap(self) -> bytes | None:
        return None


def outbox_of(reader: Reader) -> Outbox:
    return Outbox(reader.got.append, reader.give_up)


def test_what_a_turn_brings_leaves_in_one_write() -> None:
    reader = Reader()
    outbox = outbox_of(reader)
    for number in range(3):
        outbox.put(Told(), b"%d\n" % number)
    assert reader.got == []
    outbox.flush()
    assert reader.got == [b"0\n1\n2\n"]
    assert len(outbox) == 0


def test_nothing_is_written_to_who_does_not_read() -> None:
    reader = Reader()
    outbox = outbox_of(reader)
    outbox.held = True
    outbox.put(Told(), b"a\n")
    outbox.flush()
    assert reader.got == []
    outbox.held = False
    outbox.flush()
    assert reader.got == [b"a\n"]


def test_of_progress_only_the_latest_waits_and_in_its_place_in_the_order() -> None:
    reader = Reader()
    outbox = outbox_of(reader)
    outbox.held = True
    outbox.put(Told(), b"10%\n", ("job",))
    outbox.put(Told(), b"paused\n")
    outbox.put(Told(), b"20%\n", ("job",))
    outbox.put(Told(), b"5%\n", ("other",))
    outbox.held = False
    outbox.flush()
    assert b"".join(reader.got) == b"paused\n20%\n5%\n"


def test_who_reads_gets_every_step_of_the_progress() -> None:
    reader = Reader()
    outbox = outbox_of(reader)
    outbox.put(Told(), b"10%\n", ("job",))
    outbox.put(Told(), b"20%\n", ("job",))
    outbox.flush()
    assert reader.got == [b"10%\n20%\n"]


def test_memory_is_flat_and_the_gap_is_told_where_it_is() -> None:
    reader = Reader()
    outbox = outbox_of(reader)
    subscription = Told()
    outbox.held = True
    event = b"x" * 999 + b"\n"
    for _ in range(5000):
        outbox.put(subscription, event)
    assert len(outbox) <= LIMIT
    kept = len(outbox) // (len(event) + OVERHEAD)
    outbox.held = False
    outbox.flush()
    outbox.put(subscription, b"after\n")
    outbox.flush()
    lines = b"".join(reader.got).splitlines(keepends=True)
    assert lines[kept:] == [b"missed %d\n" % (5000 - kept), b"after\n"]
    assert not reader.given_up


def test_a_gap_that_cannot_be_told_ends_the_connection() -> None:
    reader = Reader()
    outbox = outbox_of(reader)
    outbox.held = True
    subscription = NotTold()
    for _ in range(3):
        outbox.put(subscription, b"x" * (LIMIT // 2))
    assert reader.given_up


def test_each_write_is_small_so_that_what_is_left_can_still_be_dropped() -> None:
    class Stops(Reader):
        """Reads one block and no more."""

        def take(self, block: bytes) -> None:
            self.got.append(block)
            outbox.held = True

    reader = Stops()
    outbox = Outbox(reader.take, reader.give_up)
    for _ in range(900):
        outbox.put(Told(), b"x" * 1000)
    outbox.flush()
    (block,) = reader.got
    assert len(block) <= SLICE + 1000
    assert len(outbox) == (900 - len(block) // 1000) * (1000 + OVERHEAD)


def test_a_subscription_that_ended_is_told_of_no_gap() -> None:
    reader = Reader()
    outbox = outbox_of(reader)
    subscription = Told()
    outbox.held = True
    outbox.put(subscription, b"x" * (LIMIT - OVERHEAD))
    outbox.put(subscription, b"y")
    outbox.forget(subscription)
    outbox.held = False
    outbox.flush()
    assert b"".join(reader.got) == b"x" * (LIMIT - OVERHEAD)
