"""What the GraphQL engine remembers of documents, and what it refuses before it looks closely."""

from __future__ import annotations

import hashlib

import pytest

from sd_client.client import CoreClient
from sd_client.graphql.engine import KEPT, Asked, Engine, Extensions, Kept, Persisted, Refused
from sd_client.graphql.limits import Limits
from sd_client.graphql.upstream import Upstream
from sd_wire.operation import Permission

STATUS = "{ coreStatus { version } }"
LARGE = 100_000


def engine(**limits: int) -> Engine:
    """One that never gets to asking a daemon."""
    upstream = Upstream(CoreClient("/nowhere", name="test"), Permission.READ)
    return Engine(upstream, Limits(**limits))


def long(number: int) -> str:
    """A document that is long and says little."""
    return STATUS + " " * LARGE + f"# {number}"


def by_hash(text: str, query: str | None = None) -> Asked:
    """A request for a stored document; with `query`, one that stores it."""
    named = Persisted(hashlib.sha256(text.encode()).hexdigest())
    return Asked(query=query, extensions=Extensions(persisted_query=named))


def test_what_is_kept_is_what_was_used_last() -> None:
    kept: Kept[str] = Kept(30)
    for name in "abc":
        kept.put(name, name.upper(), 10)
    assert kept.get("a") == "A"
    kept.put("d", "D", 10)
    assert [kept.get(name) for name in "abcd"] == ["A", None, "C", "D"]
    kept.put("d", "larger", 20)
    assert [kept.get(name) for name in "acd"] == [None, "C", "larger"]
    kept.put("e", "too large", 31)
    assert [kept.get(name) for name in "ecd"] == [None, "C", "larger"]


def test_no_more_than_so_many_are_kept() -> None:
    kept: Kept[int] = Kept(KEPT * 10)
    for number in range(KEPT + 1):
        kept.put(str(number), number, 1)
    assert [kept.get("0"), kept.get("1"), kept.get(str(KEPT))] == [None, 1, KEPT]


def test_long_documents_are_forgotten_by_their_length() -> None:
    made = engine(kept_bytes=5 * LARGE)
    first = made.prepare(Asked(query=long(0)))
    assert made.prepare(Asked(query=long(0))) is first
    for number in range(1, 6):
        last = made.prepare(Asked(query=long(number)))
    assert made.prepare(Asked(query=long(5))) is last
    assert made.prepare(Asked(query=long(0))) is not first


def test_documents_are_forgotten_by_what_they_take_when_parsed() -> None:
    made = engine(kept_bytes=10 * LARGE)
    text = "{ coreStatus { " + "version " * 100 + "} } # "
    first = made.prepare(Asked(query=text))
    for number in range(10):
        made.prepare(Asked(query=text + str(number)))
    assert made.prepare(Asked(query=text)) is not first


def test_stored_documents_are_forgotten_by_their_length() -> None:
    made = engine(kept_bytes=5 * LARGE)
    for number in range(6):
        made.prepare(by_hash(long(number), long(number)))
    assert made.prepare(by_hash(long(5))).text == long(5)
    with pytest.raises(Refused, match="PersistedQueryNotFound"):
        made.prepare(by_hash(long(0)))


JOBS = "jobs { running } "
HEAVY = {
    "one field": "{ coreStatus { " + JOBS * 640 + "} }",
    "below each other": "{ coreStatus { " + ("jobs { " + "running " * 30 + "} ") * 30 + "} }",
    "inline": "{ coreStatus { " + f"... {{ {JOBS} }} " * 400 + "} }",
    "unused": STATUS + " fragment f on CoreStatus { " + JOBS * 640 + "}",
    "operations": " ".join(f"query q{n} {{ coreStatus {{ {JOBS * 90} }} }}" for n in range(4)),
    "fragments": "{ coreStatus { "
    + " ".join(f"...f{n}" for n in range(250))
    + " } } "
    + " ".join(f"fragment f{n} on CoreStatus {{ version }}" for n in range(250)),
    "places": "{ ...f0 } "
    + " ".join(
        f"fragment f{n} on T {{ a {{ ...f{n + 1} }} b {{ ...f{n + 1} }} }}" for n in range(15)
    )
    + " fragment f15 on T { a }",
}


@pytest.mark.parametrize("name", HEAVY)
def test_what_is_costly_to_validate_is_not_validated(name: str) -> None:
    with pytest.raises(Refused) as caught:
        engine().prepare(Asked(query=HEAVY[name]))
    (error,) = caught.value.errors
    assert error.extensions is not None
    assert error.extensions["code"] == "query-too-large"
    assert "same fields" in error.message


def test_fields_may_be_asked_for_more_than_once() -> None:
    """As clients do that put the fragments of many views together."""
    views = " ".join(f"... on CoreStatus {{ __typename version {JOBS} }}" for _ in range(50))
    assert engine().prepare(Asked(query=f"{{ coreStatus {{ {views} }} }}")).operations


def test_where_validation_is_given_up_it_says_what_to_do() -> None:
    wrong = " ".join(f"wrong{n}" for n in range(30))
    with pytest.raises(Refused) as caught:
        engine().prepare(Asked(query=f"{{ coreStatus {{ {wrong} }} }}"))
    extensions = caught.value.errors[-1].extensions
    assert extensions is not None
    assert extensions["code"] == "validation-aborted"
    assert extensions["hint"]
