"""A member of a batch that nobody waits for any more."""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING, Any

import pytest

from sd_daemon.server.dispatch import in_time
from sd_wire.errors import DeadlineExceeded
from sd_wire.messages import Call
from sd_wire.reading import Request

if TYPE_CHECKING:
    from collections.abc import Iterator

MEMBER = Request(Call("query:libraries.list"), timeout_ms=1)
LONG = Request(Call("query:libraries.list"), timeout_ms=60_000)


@pytest.fixture
def failures() -> Iterator[list[dict[str, Any]]]:
    """What the loop is told of that nobody has handled."""
    found: list[dict[str, Any]] = []
    yield found
    assert found == []


async def fails_when_it_is_given_up(begun: asyncio.Event, ended: asyncio.Event) -> None:
    begun.set()
    try:
        await asyncio.Event().wait()
    finally:
        ended.set()
        raise OSError("the disk is full")


async def test_how_it_ends_then_is_no_failure_of_the_loop(failures: list[dict[str, Any]]) -> None:
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
    begun, ended = asyncio.Event(), asyncio.Event()
    with pytest.raises(DeadlineExceeded):
        await in_time(fails_when_it_is_given_up(begun, ended), MEMBER)
    await asyncio.wait_for(ended.wait(), 20)
    await asyncio.sleep(0)
    gc.collect()  # a task whose exception nobody has seen complains when it is collected


async def test_nor_is_an_error_in_the_turn_in_which_the_batch_is_given_up(
    failures: list[dict[str, Any]],
) -> None:
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
    begun, ended = asyncio.Event(), asyncio.Event()
    batch = asyncio.create_task(in_time(fails_when_it_is_given_up(begun, ended), LONG))
    await asyncio.wait_for(begun.wait(), 20)
    batch.cancel()
    with pytest.raises(asyncio.CancelledError):
        await batch
    await asyncio.wait_for(ended.wait(), 20)
    await asyncio.sleep(0)
    gc.collect()
