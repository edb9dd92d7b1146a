"""Who hears of what, in which order."""

from __future__ import annotations

from uuid import uuid4

from sd_daemon.core.bus import Bus, Published
from sd_wire.events import ConfigChanged, CoreStarted, JobUpdate, LibraryClosed, LibraryOpened
from sd_wire.types.jobs import JobStatus

ID = uuid4()


def update() -> JobUpdate:
    return JobUpdate(ID, "indexer", JobStatus.RUNNING, 0.5, None, None, ID)


def names(heard: list[Published]) -> list[str]:
    return [type(one.event).__name__ for one in heard]


def test_everybody_hears_in_the_one_order() -> None:
    bus = Bus()
    one: list[Published] = []
    other: list[Published] = []
    bus.subscribe([], one.append)
    bus.subscribe(["ConfigChanged", "CoreStarted"], other.append)
    bus.publish(CoreStarted())
    bus.publish(LibraryOpened(ID, "Home", "/x"))
    bus.publish(ConfigChanged("theme"), "request 7")
    assert names(one) == ["CoreStarted", "LibraryOpened", "ConfigChanged"]
    assert names(other) == ["CoreStarted", "ConfigChanged"]
    assert [published.sequence for published in one] == [1, 2, 3]
    assert [published.sequence for published in other] == [1, 3]
    assert other[-1].correlation_id == "request 7"


def test_events_that_have_to_be_asked_for_come_only_to_who_names_them() -> None:
    bus = Bus()
    usual: list[Published] = []
    asking: list[Published] = []
    bus.subscribe([], usual.append)
    assert not bus.wanted(JobUpdate)
    bus.subscribe(["JobUpdate"], asking.append)
    assert bus.wanted(JobUpdate)
    bus.publish(update())
    assert names(usual) == []
    assert names(asking) == ["JobUpdate"]


def test_a_subscription_ends_once() -> None:
    bus = Bus()
    heard: list[Published] = []
    left: list[Published] = []
    subscription = bus.subscribe([], heard.append)
    bus.subscribe([], left.append)
    subscription.close()
    subscription.close()
    bus.publish(CoreStarted())
    assert not heard
    assert names(left) == ["CoreStarted"]


def test_a_name_that_no_event_has_is_no_mistake() -> None:
    bus = Bus()
    heard: list[Published] = []
    bus.subscribe(["EventOfTheFuture"], heard.append)
    bus.publish(CoreStarted())
    assert not heard


def test_an_event_knows_its_library() -> None:
    bus = Bus()
    heard: list[Published] = []
    bus.subscribe(["LibraryClosed"], heard.append)
    bus.publish(LibraryClosed(ID, "Home"))
    assert heard[0].scope.library_id == ID


def test_one_that_cannot_hear_keeps_nobody_from_hearing() -> None:
    bus = Bus()
    heard: list[Published] = []

    def broken(_: Published) -> None:
        raise RuntimeError("out of order")

    bus.subscribe([], broken)
    bus.subscribe([], heard.append)
    bus.publish(CoreStarted())
    assert names(heard) == ["CoreStarted"]


def test_who_subscribes_while_an_event_is_on_its_way_hears_the_next() -> None:
    bus = Bus()
    late: list[Published] = []
    bus.subscribe(["CoreStarted"], lambda _: bus.subscribe(["CoreStarted"], late.append) and None)
    bus.publish(CoreStarted())
    assert not late
    bus.publish(CoreStarted())
    assert names(late) == ["CoreStarted"]
