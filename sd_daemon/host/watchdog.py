"""The watchdog: the service manager hears that the daemon is alive only if it does its work.

Four times in the manager's period everything that must work is asked a question: the socket by a
client of its own, the threads of every open database, the disk while anybody needs it. When all of
them have answered and the loop's own timer was on time, the manager is told, every half period.
What has not answered for half a period is named in the status, every thread's stack is printed, and
the manager is asked to start the daemon anew.

An answer is an answer: a disk that says that it is full, or a socket that says that there are too
many clients, works. So does a thread that is busy with one long query. And a late timer alone
condemns nobody: the loop may just have had too little of a busy machine. A loop that is blocked
cannot do any of this. Then the manager's time runs out, and the stacks are printed by SIGABRT.

Worker processes are no reason to end this one; `sd_daemon.host.workers` looks after them.
"""

from __future__ import annotations

import asyncio
import faulthandler
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from sd_daemon.core.log import get_log

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sd_daemon.host.notify import Supervisor

log = get_log(__name__)

PARTS = 4  # of the manager's period; once in each, everything is looked at
PATIENCE = 2  # parts that an answer may take


class Question(msgspec.Struct):
    """Something that must work."""

    name: str  # as it is told to a person: "NAME does not answer"
    ask: Callable[[], Awaitable[None]]
    moves: Callable[[], int] | None = None  # a number that is another one while it is just busy


class Asked(msgspec.Struct):
    """A question, and what has become of it."""

    question: Question
    answer: asyncio.Future[None]
    since: float
    moved: int | None = None

    def still_moves(self) -> bool:
        """Whether it has done something since this was last asked."""
        if self.question.moves is None:
            return False
        before, self.moved = self.moved, self.question.moves()
        return self.moved != before


class Watchdog:
    """Looks after one daemon, from `start` on."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        supervisor: Supervisor,
        questions: Callable[[], Iterable[Question]],
        look_after: Callable[[float], None] = lambda _: None,
    ) -> None:
        """`look_after(period)` is called each time, for what is not asked."""
        assert supervisor.watchdog is not None
        self.period = supervisor.watchdog
        self._loop = loop
        self._supervisor = supervisor
        self._questions = questions
        self._look_after = look_after
        self._asked: list[Asked] = []
        self._told_at = float("-inf")
        self._due = 0.0
        self._wrong: dict[str, str] = {}  # what the last answer complained of
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Look after it from now on."""
        self._told_at = self._loop.time()
        self._ask()
        self._look_again(self._told_at)

    def close(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()
        for asked in self._asked:
            asked.answer.cancel()

    def _look_again(self, now: float) -> None:
        self._due = now + self.period / PARTS
        self._timer = self._loop.call_at(self._due, self._look)

    def _look(self) -> None:
        now = self._loop.time()
        late = now - self._due
        on_time = late < self.period / PARTS
        if not on_time:
            log.warning("the loop was held up", seconds=round(late, 3))
        silent = self._silent(now, late)
        if silent:
            self._give_up(silent)
            return
        if all(asked.answer.done() for asked in self._asked):
            if on_time:
                self._tell(now)
            self._ask()
        self._look_after(self.period)
        self._look_again(now)

    def _silent(self, now: float, late: float) -> list[str]:
        """Those that have not answered for too long."""
        patience = self.period / PARTS * PATIENCE
        found = []
        for asked in self._asked:
            if asked.answer.done():
                continue
            # While the loop was held up, no answer could arrive.
            asked.since = now if asked.still_moves() else asked.since + late
            if now - asked.since > patience * 0.99:
                found.append(asked.question.name)
        return found

    def _tell(self, now: float) -> None:
        """Every half period: a timer is never early by more than a hair."""
        if now - self._told_at > self.period / 2 * 0.9:
            self._told_at = now
            self._supervisor.alive()

    def _ask(self) -> None:
        now = self._loop.time()
        self._asked = []
        for question in self._questions():
            answer = asyncio.ensure_future(question.ask(), loop=self._loop)
            answer.add_done_callback(partial(self._heed, question.name))
            asked = Asked(question, answer, now)
            asked.still_moves()
            self._asked.append(asked)

    def _give_up(self, names: list[str]) -> None:
        seconds = self.period / PARTS * PATIENCE
        status = f"{' and '.join(names)} did not answer for {seconds:g} s: to be started anew"
        self._supervisor.trigger(status)
        faulthandler.dump_traceback(all_threads=True)  # before anything that a hung disk holds up
        faulthandler.disable()  # or the manager's SIGABRT would print the same again
        log.error("the daemon does not do its work", silent=", ".join(names), seconds=seconds)

    def _heed(self, name: str, answer: asyncio.Future[None]) -> None:
        """Whatever came back is an answer. What is wrong with it is told once."""
        if answer.cancelled():
            return
        error = answer.exception()
        reason = "" if error is None else f"{type(error).__name__}: {error}"
        if reason and self._wrong.get(name) != reason:
            log.warning("not all is well", asked=name, reason=reason)
        self._wrong[name] = reason
