"""How well a name fits what was typed.

What counts most is where the words are: the whole name, the name without its extension, its
beginning, beginnings of words in it, anywhere. Among names that are alike in that, what was changed
lately comes first, and then the name of which more was typed. The weights are such that a lesser
reason never outweighs a greater one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sd_wire.operations.search import ScoreBreakdown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sd_daemon.core.search.sources import Hit
    from sd_daemon.core.search.text import SearchText

Ranked = tuple[float, str, int, "Hit"]
"""A hit behind what it is sorted by: the score and the number are negated."""

EXACT, STEM, PREFIX, WORD_START, ANYWHERE, UNASKED = 1.0, 0.8, 0.6, 0.4, 0.2, 0.0

_DAY = 86_400 * 10**9  # nanoseconds
_WEEK, _MONTH = 7 * _DAY, 30 * _DAY
_BY_PLACE, _BY_TIME, _BY_SHARE = 0.85, 0.5, 0.02


def place(text: SearchText, folded: str) -> float:
    """Where in a folded name that fits the words are, from 0 to 1."""
    phrase = text.phrase
    if not phrase:
        return UNASKED
    if folded.startswith(phrase):
        rest = folded[len(phrase) :]
        if not rest:
            return EXACT
        return STEM if rest[0] == "." and "." not in rest[1:] else PREFIX
    for word in text.parts:
        if not _begins_a_word(word, folded):
            return ANYWHERE
    return WORD_START


def _begins_a_word(word: str, folded: str) -> bool:
    at = folded.find(word)
    while at > 0 and folded[at - 1].isalnum():
        at = folded.find(word, at + 1)
    return at >= 0


def recency(mtime: int, now: int) -> float:
    """A bonus for what was changed within a day, a week or a month. Times in nanoseconds."""
    age = now - mtime
    if age >= _MONTH:
        return 0.0
    return 0.05 if age >= _WEEK else 0.1 if age >= _DAY else 0.2


def share(text: SearchText, folded: str) -> float:
    """How much of a folded name was typed, from 0 to 1."""
    return min(1.0, len(text.phrase) / len(folded)) if folded else 0.0


def score(by_place: float, by_time: float, by_share: float) -> float:
    """How well a name fits, from 0 to 1."""
    return _BY_PLACE * by_place + _BY_TIME * by_time + _BY_SHARE * by_share


def ranked(text: SearchText, hits: Iterable[Hit], now: int) -> list[Ranked]:
    """The hits, best first. Of those that are alike, by name; of the same name, the newest."""
    keyed = []
    for hit in hits:
        folded = hit.folded
        value = score(place(text, folded), recency(hit.entry[5], now), share(text, folded))
        keyed.append((-value, folded, -hit.number, hit))
    keyed.sort()  # never compares two hits: their numbers differ
    return keyed


def breakdown(text: SearchText, hit: Hit, now: int) -> ScoreBreakdown:
    """What a score is made of. `temporal_score`, which is what existing clients call it, is for
    the place of the words, `metadata_score` for the share of the name that was typed."""
    by_place, by_share = place(text, hit.folded), share(text, hit.folded)
    by_time = recency(hit.entry[5], now)
    return ScoreBreakdown(
        temporal_score=by_place,
        semantic_score=None,
        metadata_score=by_share,
        recency_boost=by_time,
        user_preference_boost=0.0,
        final_score=score(by_place, by_time, by_share),
    )
