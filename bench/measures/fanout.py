"""Events to many subscribers in C, beside a loop in C, Redis pub/sub and D-Bus signals."""

from __future__ import annotations

import subprocess
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from bench import sources
from bench.compiled import program
from bench.results import Goal, Rounds, Sample, Table, number, take_turns, times
from bench.sources import Pace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.sources import Source
    from bench.workbench import Workbench

OURS, WITH_ID = "ours", "ours, with an id"
REDIS = "Redis pub/sub"
LIMIT, DBUS = "C, 64 events per write", "D-Bus signals"
DURABLE = "ours, durable events"

FLOODS = {1: 1.3, 100: 1.4, 1000: 1.8}
"""Subscribers, and how many times Redis's deliveries there are to be."""

PACES = {1: 1000.0, 100: 100.0, 1000: 10.0}
"""Subscribers, and events per second."""

SLOW = Pace(subscribers=10, rate=8000.0, jobs=True)
SLOW_GROWTH_MIB = 1.5


def run(bench: Workbench, source: Source, pace: Pace) -> Sample:
    """Subscribe, publish, and count what came where. `lost` is of the subscriber that got the
    fewest events of those who read."""
    source.prepare(pace)
    with _subscribers(bench, source, pace) as process:
        before = source.memory()
        sample = source.publish(pace)
        grown = source.memory() - before
        said, _ = process.communicate(b"%d\n" % sample["published"], timeout=60)
    sample |= msgspec.json.decode(said, type=dict[str, float]) | {"grown": grown}
    return sample | {"lost": sample["published"] - sample["fewest"]}


@contextmanager
def _subscribers(bench: Workbench, source: Source, pace: Pace) -> Iterator[subprocess.Popen[bytes]]:
    """All of them, in one process, subscribed."""
    request = bench.request_file("subscribe", source.request)
    command = [program("subscribe"), "-c", str(pace.subscribers), "-q", str(pace.quiet)]
    command += ["-w", str(pace.seconds / 5), source.socket, request, source.answer]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        try:
            assert process.stdout is not None
            assert process.stderr is not None
            if process.stdout.readline() != b"ready\n":
                raise RuntimeError(f"not subscribed: {process.stderr.read().decode()}")
            yield process
        finally:
            process.kill()


def _sources(bench: Workbench, stack: ExitStack) -> dict[str, Source]:
    """Start every source there is."""
    place = bench.place("fanout")
    found: dict[str, Source] = {LIMIT: stack.enter_context(sources.limit(place))}
    found |= stack.enter_context(sources.ours(bench.place("daemon")))
    if command := bench.peer("redis-server"):
        found |= stack.enter_context(sources.redis(command, bench.place("redis")))
    if command := bench.peer("dbus-daemon"):
        found[DBUS] = stack.enter_context(sources.dbus(command, bench.place("dbus")))
    return found


def measure(bench: Workbench) -> Iterator[Table]:
    """Floods, paces, and a subscriber that never reads."""
    with ExitStack() as stack:
        found = _sources(bench, stack)
        for subscribers, bound in FLOODS.items():
            bench.say(f"flood, {subscribers:,} subscribers")
            yield _flood(bench, found, subscribers, bound)
        for subscribers, rate in PACES.items():
            bench.say(f"{rate:g} events a second, {subscribers:,} subscribers")
            yield _paced(bench, found, subscribers, rate)
    bench.say("a subscriber that never reads")
    yield _slow(bench)


# --- as fast as it goes -------------------------------------------------------------------------


def _flood(bench: Workbench, found: dict[str, Source], subscribers: int, bound: float) -> Table:
    pace = Pace(subscribers, seconds=bench.either(0.5, 1.0))
    turns = {name: partial(run, bench, source, pace) for name, source in found.items()}
    if subscribers == 100:
        turns[DURABLE] = partial(run, bench, found[OURS], pace._replace(durable=True))
    rounds = take_turns(turns, bench.rounds(3, 7))
    rows = [
        [
            name,
            number(rounds.median(name, "rate")),
            _spread(rounds, name, "rate"),
            number(rounds.median(name, "p50")),
            number(rounds.median(name, "p99")),
            number(max(rounds.values(name, "lost"))),
            times(rounds.ratio(OURS, name, "rate")),
        ]
        for name in rounds.samples
    ]
    columns = [
        "events from",
        "deliveries/s",
        "worst to best",
        "p50 us",
        "p99 us",
        "lost",
        "ours is",
    ]
    title = f"As fast as it goes, to {_people(subscribers)}"
    table = Table(f"fanout-flood-{subscribers}", title, columns, rows, samples=rounds.samples)
    where = f"flood, {_people(subscribers)}"
    table.goals = [
        Goal(f"{where}, {name}: deliveries against Redis", bound, rounds.ratio(name, REDIS, "rate"))
        for name in (OURS, WITH_ID)
    ]
    table.goals += _delay_goals(rounds, where) + _loss_goals(rounds, where, (OURS, WITH_ID))
    return table


def _people(subscribers: int) -> str:
    return "1 subscriber" if subscribers == 1 else f"{subscribers:,} subscribers"


def _spread(rounds: Rounds, name: str, figure: str) -> str:
    values = rounds.values(name, figure)
    return f"{number(min(values))} to {number(max(values))}"


def _delay_goals(rounds: Rounds, where: str) -> list[Goal]:
    """No later than by Redis."""
    return [
        Goal(
            f"{where}, {name}: {rank} of the delay, of Redis's",
            1.0,
            rounds.ratio(name, REDIS, rank),
            at_least=False,
        )
        for name in (OURS, WITH_ID)
        for rank in ("p50", "p99")
    ]


def _loss_goals(rounds: Rounds, where: str, names: tuple[str, ...]) -> list[Goal]:
    """Whoever reads gets everything."""
    return [
        Goal(
            f"{where}, {name}: events lost", 0, max(rounds.values(name, "lost")), "", at_least=False
        )
        for name in names
    ]


# --- at a pace ----------------------------------------------------------------------------------


def _paced(bench: Workbench, found: dict[str, Source], subscribers: int, rate: float) -> Table:
    pace = Pace(subscribers, rate, seconds=bench.either(1.0, 3.0))
    turns = {name: partial(run, bench, source, pace) for name, source in found.items()}
    rounds = take_turns(turns, bench.rounds(3, 7))
    rows = [
        [
            name,
            *(number(rounds.median(name, rank)) for rank in ("p50", "p99")),
            *(_spread(rounds, name, rank) for rank in ("p50", "p99")),
            times(rounds.ratio(OURS, name, "p50")),
        ]
        for name in rounds.samples
    ]
    columns = ["events from", "p50 us", "p99 us", "p50 best to worst", "p99", "p50 of ours is"]
    title = f"{rate:g} events a second, to {_people(subscribers)}: delay"
    table = Table(f"fanout-paced-{subscribers}", title, columns, rows, samples=rounds.samples)
    table.goals = _delay_goals(rounds, f"{rate:g} events/s, {_people(subscribers)}")
    return table


# --- somebody who never reads -------------------------------------------------------------------


def _slow_round(bench: Workbench, name: str, rounds: Rounds) -> None:
    """Without and with it, in a process of its own, so that no memory is there from before."""
    pace = SLOW._replace(seconds=bench.either(1.0, 3.0))
    with ExitStack() as stack:
        if name == REDIS:
            command = bench.peer("redis-server")
            if command is None:
                return
            source: Source = stack.enter_context(sources.redis(command, bench.place("redis")))[name]
        else:
            source = stack.enter_context(sources.ours(bench.place("daemon")))[name]
        rounds.add(f"{name}: all read", run(bench, source, pace))
        rounds.add(f"{name}: one never", run(bench, source, pace._replace(quiet=1)))


def _slow(bench: Workbench) -> Table:
    rounds, names = Rounds(), (OURS, WITH_ID, REDIS)
    for turn in range(bench.rounds(2, 5)):
        for name in names if turn % 2 == 0 else reversed(names):
            _slow_round(bench, name, rounds)
    rows, goals = [], []
    for name in names:
        still, slow = f"{name}: all read", f"{name}: one never"
        grown = rounds.median(slow, "grown")
        mebibytes = None if grown is None else grown / 1024
        delays = [rounds.median(one, rank) for rank in ("p50", "p99") for one in (still, slow)]
        left = [rounds.median(slow, figure) for figure in ("published", "late", "missed", "cut")]
        rows.append([name, *(number(one) for one in (mebibytes, *delays, *left))])
        if name != REDIS:
            text = f"{name}: memory for a subscriber that never reads"
            goals.append(Goal(text, SLOW_GROWTH_MIB, mebibytes, "MiB", at_least=False))
    columns = ["events from", "memory grows MiB", "others p50 us", "with it", "others p99 us"]
    columns += ["with it", "published", "it could still read", "was told it missed", "was cut off"]
    title = "10 subscribers at 8,000 events a second, one of which never reads"
    table = Table("fanout-slow", title, columns, rows, goals=goals, samples=rounds.samples)
    reading = tuple(f"{name}: one never" for name in (OURS, WITH_ID))
    table.goals += _loss_goals(rounds, "a subscriber that never reads", reading)
    table.notes = ["Each event is of a job of its own, so that none can stand for another."]
    return table
