"""One piece in each turn of the loop."""

from __future__ import annotations

import asyncio

from sd_daemon.server.turns import Turns


async def test_pieces_of_many_come_one_in_each_turn_and_in_order() -> None:
    loop = asyncio.get_running_loop()
    turns = Turns(loop)
    done: list[str] = []

    def work(name: str, pieces: int) -> None:
        done.append(name)
        if pieces > 1:
            turns.add(lambda: work(name, pieces - 1))

    for name in ("a", "b", "c"):
        turns.add(lambda name=name: work(name, 3))  # type: ignore[misc]
    assert done == []
    seen = []
    for _ in range(9):
        await asyncio.sleep(0)
        seen.append(len(done))
    assert seen == list(range(1, 10))
    assert done == ["a", "b", "c"] * 3


async def test_a_piece_that_fails_keeps_nobody_from_having_a_turn() -> None:
    loop = asyncio.get_running_loop()
    failed: list[object] = []
    loop.set_exception_handler(lambda _, context: failed.append(context["exception"]))
    turns = Turns(loop)
    done = asyncio.Event()
    turns.add(lambda: [][0])
    turns.add(done.set)
    await asyncio.wait_for(done.wait(), 20)
    assert isinstance(failed[0], IndexError)
