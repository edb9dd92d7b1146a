"""What stands beside an event, written without an encoder, is what the encoder would write."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st

from sd_wire.event_text import facts_text
from sd_wire.messages import EventFacts

ONE, OTHER = uuid4(), uuid4()
BEGIN = datetime(1970, 1, 1, tzinfo=UTC)
IDS = st.none() | st.sampled_from([ONE, OTHER, UUID(str(ONE))])
FACTS = st.tuples(
    st.integers(0, 2**63 - 1),
    st.integers(0, 2**62),
    IDS,
    IDS,
    st.none() | st.text(st.characters(codec="utf-8"), max_size=5),
)
NOON = 1_764_072_000_000_000_000  # of a day


@given(st.lists(FACTS, max_size=8))
@example([(1, NOON + ns, ONE, None, "é") for ns in (0, 999, 1_000, 99_999_999, 999_999_999)])
@example([(1, NOON + ns, ONE, OTHER, None) for ns in (0, 10**9, 0, -1, 86_400 * 10**9)])
def test_facts_are_those_of_the_event(asked: list[tuple[int, int, UUID, UUID, str]]) -> None:
    for sequence, time, library, device, cause in asked:
        text = facts_text(sequence, time, library, device, cause)
        assert text.isascii()
        at = BEGIN + timedelta(microseconds=time // 1000)
        read = msgspec.json.decode(b"{%b}" % text, type=EventFacts)
        assert read == EventFacts(sequence, at, library, device, cause)
