"""Tracebacks without what exceptions say."""

from __future__ import annotations

import pytest

from sd_daemon.host.traces import trace_of

SECRET = "never-log-me"


def test_a_trace_tells_where_and_not_what() -> None:
    def fail() -> None:
        try:
            {}[SECRET]
        except KeyError as found:
            raise ValueError(f"no {SECRET}") from found

    with pytest.raises(ValueError, match="no ") as caught:
        fail()
    told = trace_of(caught.value).replace("{SECRET}", "")
    assert SECRET not in told
    assert told.startswith("Traceback (most recent call last):\n")
    assert "in fail" in told
    assert "ValueError\n\nafter:\n\n" in told
    assert told.endswith("KeyError")


def test_a_trace_keeps_what_only_the_interpreter_says() -> None:
    with pytest.raises(AttributeError) as caught:
        _ = object().nothing  # type: ignore[attr-defined]
    assert "AttributeError: 'object' object has no attribute 'nothing'" in trace_of(caught.value)
    assert trace_of(FileNotFoundError(2, "x", SECRET)).endswith(
        "FileNotFoundError: No such file or directory"
    )
