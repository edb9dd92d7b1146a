"""What needs no waiting is done at once; what waits goes on as a task."""

from __future__ import annotations

import asyncio

import pytest

from sd_daemon.server.step import step


async def test_a_coroutine_that_does_not_wait_is_done_in_place() -> None:
    async def answer() -> str:
        return "now"

    assert step(asyncio.get_running_loop(), answer()) == "now"


async def test_one_that_waits_becomes_a_task() -> None:
    loop = asyncio.get_running_loop()
    opened = loop.create_future()

    async def answer() -> str:
        first = await opened
        await asyncio.sleep(0)
        async with asyncio.timeout(5):  # there is a task by now
            await asyncio.sleep(0)
        return f"{first} later"

    task = step(loop, answer())
    assert isinstance(task, asyncio.Task)
    opened.set_result("much")
    assert await task == "much later"


async def test_what_it_waits_for_may_fail() -> None:
    loop = asyncio.get_running_loop()
    broken = loop.create_future()

    async def answer() -> str:
        try:
            await broken
        except ValueError:
            return "told"
        return "never"

    task = step(loop, answer())
    assert isinstance(task, asyncio.Task)
    broken.set_exception(ValueError())
    assert await task == "told"


async def test_it_can_be_cancelled_and_tidies_up() -> None:
    loop = asyncio.get_running_loop()
    tidied = False

    async def answer() -> str:
        nonlocal tidied
        try:
            await loop.create_future()
        finally:
            tidied = True
        return "never"

    task = step(loop, answer())
    assert isinstance(task, asyncio.Task)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert tidied
