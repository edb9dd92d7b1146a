"""The parts of the GraphQL server that need no server: names, types, limits, forms, frames."""

from __future__ import annotations

import re
import struct
from enum import StrEnum
from pathlib import Path
from textwrap import dedent
from types import SimpleNamespace
from typing import Annotated, Any
from uuid import UUID

import msgspec
import pytest
from graphql import GraphQLObjectType, OperationDefinitionNode, parse, print_type, validate

from sd_client.graphql.admission import Admission, NotAdmitted
from sd_client.graphql.answers import EVENTS, GRAPHQL, JSON, accepted
from sd_client.graphql.enums import Enums
from sd_client.graphql.happenings import cursor_of, position_of
from sd_client.graphql.inputs import Inputs
from sd_client.graphql.limits import cost, excess
from sd_client.graphql.metrics import Metrics
from sd_client.graphql.naming import camel, pascal
from sd_client.graphql.outputs import Outputs
from sd_client.graphql.relations import finders
from sd_client.graphql.schema import contract_schema
from sd_client.graphql.shapes import fields_of
from sd_client.graphql.websocket import framed
from sd_client.occurrences import Position
from sd_wire.operation import doc

ROOT = Path(__file__).parents[3]


class Colour(StrEnum):
    """What it looks like."""

    DARK_RED = "DarkRed"


class Thing(msgspec.Struct):
    """Something."""

    id: UUID
    some_size: Annotated[int, doc("bytes")]
    few: Annotated[int, msgspec.Meta(ge=0, le=100)] = 3
    colour: Colour = Colour.DARK_RED
    name: bytes | None = None
    sort: int | Annotated[str, doc("or its name")] = "none"
    may_lack: str | msgspec.UnsetType = msgspec.UNSET
    more: Any = None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("core.status", "coreStatus"),
        ("files.by_id", "filesById"),
        ("files.createFolder", "filesCreateFolder"),
        ("config.app.get", "configAppGet"),
        ("Physical", "physical"),
    ],
)
def test_names(name: str, expected: str) -> None:
    assert camel(name) == expected
    assert pascal(name) == expected[0].upper() + expected[1:]


def test_a_struct_becomes_an_object() -> None:
    made = print_type(Outputs(Enums()).object(Thing))
    for line in (
        '"""Something."""',
        "id: UUID!",
        '"""bytes"""\n  someSize: Long!',
        "few: Int!",
        "colour: Colour!",
        "name: Base64",
        "sort: IntOrText!",
        "mayLack: String\n",
        "more: JSON\n",
    ):
        assert line in made, line


def test_a_struct_becomes_an_input_and_is_filled_again() -> None:
    inputs = Inputs(Enums())
    made = inputs.object(Thing)
    text = print_type(made)
    assert "few: Int! = 3" in text
    assert "colour: Colour! = DARK_RED" in text
    assert 'sort: IntOrTextInput! = { text: "none" }' in text
    assert "@oneOf" in print_type(made.fields["sort"].type.of_type)
    filled = made.out_type({"id": UUID(int=1), "some_size": 5, "name": None})
    assert filled == Thing(UUID(int=1), 5)


def test_a_field_may_be_null_where_it_may_be_left_out() -> None:
    nullable = {field.name for field in fields_of(Thing) if field.shape.nullable}
    assert nullable == {"name", "may_lack", "more"}


def test_what_is_found_by_an_id_follows_from_the_contract() -> None:
    assert {"job_id", "file_id"} <= set(finders())


def cost_of(text: str, **variables: Any) -> int:
    """What a query costs."""
    document = parse(text)
    (operation,) = (one for one in document.definitions if isinstance(one, OperationDefinitionNode))
    root = contract_schema().query_type
    assert isinstance(root, GraphQLObjectType)
    return cost(document, operation, root, frozenset({"job"}), variables)


def test_a_page_costs_what_it_can_hold() -> None:
    listing = '{ filesDirectoryListing(path: {text: "/"}%s) { nodes { id name } } }'
    assert cost_of(listing % "") == 1 + 100 * 3
    assert cost_of(listing % ", first: 7") == 1 + 7 * 3
    assert cost_of("query($n: Int!) " + listing % ", first: $n", n=9) == 1 + 9 * 3
    search = '{ searchFiles(query: "x"%s) { files { id } } }'
    assert cost_of(search % "") == 1 + 100 * 2
    assert cost_of(search % ", first: 1000") == 1 + 1000 * 2
    assert cost_of("{ jobsList { jobs { id job { id } } } }") == 1 + 1_000 * (1 + 1 + 10 + 1)


@pytest.mark.parametrize("many", ["9", "9.0"])
def test_a_page_costs_the_same_however_it_is_said(many: str) -> None:
    """By a default of a variable, and by a number with a fraction of nothing."""
    listing = '(path: {text: "/"}, first: $n) { nodes { id name } } }'
    default = f"query($n: Int! = {many}) {{ filesDirectoryListing{listing}"
    assert cost_of(default) == 1 + 9 * 3
    assert cost_of(default, n=4) == 1 + 4 * 3
    assert cost_of(f"query($n: Int!) {{ filesDirectoryListing{listing}", n=float(many)) == 28
    limit = f"query($n: Int = {many}) {{ filesUniqueToLocation(limit: $n) {{ totalCount }} }}"
    assert cost_of(limit) == 1 + 9
    assert cost_of(limit, n=None) == 1 + 1_000


def test_fragments_hide_nothing() -> None:
    deep = "{ a " * 20 + "}" * 20
    nested = "{ ...f } fragment f on Query " + deep
    for text in (deep, nested):
        error = excess(parse(text), frozenset())
        assert error is not None
        assert "16 fields deep" in error.message
    assert excess(parse("{ ...f } fragment f on Query { a { ...f } }"), frozenset()) is None


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, JSON),
        ("*/*", JSON),
        (GRAPHQL, GRAPHQL),
        (f"{GRAPHQL}, {JSON};q=0.9", GRAPHQL),
        (f"{GRAPHQL};q=0.1, {JSON};q=0.9", JSON),
        ("text/html, */*;q=0.1", JSON),
        (EVENTS, EVENTS),
        ("text/html", None),
        (f"{JSON};q=0", None),
        (f"{JSON};q=many", None),
    ],
)
def test_the_form_that_a_client_likes_best(header: str | None, expected: str | None) -> None:
    assert accepted(header) == expected


def request(host: str, **headers: str) -> Any:
    """A request over TCP, as far as admission looks at it."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return SimpleNamespace(headers={"Host": host, **named}, query={}, transport=None)


def test_whose_requests_are_looked_at() -> None:
    admission = Admission("t", frozenset({"nas.example"}), frozenset({"https://friend.example"}))
    for good in (
        request("localhost:8080"),
        request("[::1]:8080"),
        request("nas.example"),
        request("localhost:8080", Origin="http://localhost:8080"),
        request("localhost:8080", Origin="https://friend.example", Sec_Fetch_Site="cross-site"),
    ):
        admission.check_source(good)
    for bad, status in (
        (request("evil.example"), 421),
        (request("localhost:8080", Origin="http://localhost:9090"), 403),
        (request("localhost:8080", Origin="file://localhost:8080"), 403),
        (request("localhost:8080", Sec_Fetch_Site="same-site"), 403),
    ):
        with pytest.raises(NotAdmitted) as refused:
            admission.check_source(bad)
        assert refused.value.status == status


def test_a_cursor_is_a_position_again() -> None:
    position = Position(42, UUID(int=7))
    cursor = cursor_of(position)
    assert cursor is not None
    assert position_of(cursor) == position
    assert cursor_of(Position(42)) is None, "of a daemon that does not number what it sends"


@pytest.mark.parametrize(("length", "head"), [(125, 2), (126, 4), (65_535, 4), (65_536, 10)])
def test_a_frame_says_how_long_it_is(length: int, head: int) -> None:
    frame = framed(b"x" * length)
    assert len(frame) == head + length
    told = {2: frame[1], 4: struct.unpack(">H", frame[2:4])[0]}
    assert told.get(head, struct.unpack(">Q", frame[2:10])[0]) == length


def test_metrics_are_prometheus_text() -> None:
    metrics = Metrics()
    metrics.answered(200, 0.0007)
    metrics.answered(404, 30.0)
    lines = metrics.text({"websockets": ("Open.", 2)}).splitlines()
    assert 'spacedrive_graphql_http_requests_total{status="404"} 1' in lines
    assert 'spacedrive_graphql_http_request_seconds_bucket{le="0.0005"} 0' in lines
    assert 'spacedrive_graphql_http_request_seconds_bucket{le="0.001"} 1' in lines
    assert 'spacedrive_graphql_http_request_seconds_bucket{le="+Inf"} 2' in lines
    assert "spacedrive_graphql_websockets 2" in lines


def test_the_examples_of_the_documents_are_valid() -> None:
    text = (ROOT / "docs/graphql.md").read_text()
    blocks = re.findall(r"(?:^    .*\n)+", text, re.MULTILINE)
    kinds = ("query", "mutation", "subscription")
    examples = [dedent(one).strip() for one in blocks]
    documents = [parse(one) for one in examples if one.startswith(kinds)]
    assert len(documents) >= 4
    for document in documents:
        assert validate(contract_schema(), document) == []
