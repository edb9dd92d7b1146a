"""Everything in the contract can be had over GraphQL: the schema is walked, and each operation
called with a real daemon behind it."""

from __future__ import annotations

import base64
import json
import os
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from graphql import build_client_schema, get_introspection_query, print_schema
from graphql_feed import Feed
from graphql_server import serving

from sd_client.graphql.schema import contract_schema
from sd_wire.errors import SdError
from sd_wire.events import EVENTS
from sd_wire.operation import CATALOGUE, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphql_server import GraphQLServer

QUESTION = get_introspection_query(
    input_value_deprecation=True, schema_description=True, specified_by_url=True, one_of=True
)
OUTER = ("NON_NULL", "LIST")
DEEP = 5
NEVER = {"method-not-found", "internal-failure", "malformed-request", "unknown-request"}
"""What no well-formed call may be answered with."""


class Schema:
    """The schema as a client sees it."""

    def __init__(self, server: GraphQLServer) -> None:
        self.introspection = server.post(QUESTION).data
        self.types = {one["name"]: one for one in self.introspection["__schema"]["types"]}

    def fields(self, name: str) -> list[dict[str, Any]]:
        """The fields of a type."""
        return list(self.types[name]["fields"])

    def selection(self, named: dict[str, Any], depth: int = 0) -> str:
        """Everything that a type has, except what leads on by an id."""
        name = inner(named)["name"]
        if self.types[name]["kind"] == "INTERFACE":
            parts = [
                f"... on {one['name']} {self.selection(one, depth)}"
                for one in self.types[name]["possibleTypes"]
            ]
            return f"{{ __typename {' '.join(parts)} }}"
        if self.types[name]["kind"] != "OBJECT":
            return ""
        if depth == DEEP:
            return "{ __typename }"
        parts = [
            f"{name_of_alias(name, one['name'])} {self.selection(one['type'], depth + 1)}"
            for one in self.fields(name)
            if not (one["description"] or "").startswith("What has the id")
        ]
        return f"{{ __typename {' '.join(parts)} }}"

    def argument(self, named: dict[str, Any], values: dict[str, Any]) -> Any:
        """Something of a type, as JSON."""
        kind = named["kind"]
        if kind == "NON_NULL":
            return self.argument(named["ofType"], values)
        if kind == "LIST":
            return [self.argument(named["ofType"], values)]
        if kind == "ENUM":
            return self.types[named["name"]]["enumValues"][0]["name"]
        if kind == "INPUT_OBJECT":
            found = self.types[named["name"]]
            fields = {one["name"]: one["type"] for one in found["inputFields"]}
            if found["isOneOf"]:
                chosen = "text" if "text" in fields else next(iter(fields))
                return {chosen: self.argument(fields[chosen], values)}
            return {
                name: self.argument(one, values)
                for name, one in fields.items()
                if one["kind"] == "NON_NULL"
            }
        return values[named["name"]]


def inner(named: dict[str, Any]) -> dict[str, Any]:
    """A type without its lists and its bangs."""
    while named["kind"] in OUTER:
        named = named["ofType"]
    return named


def name_of_alias(type_name: str, field: str) -> str:
    """Fields of several events may have one name and different types."""
    return f"{type_name}_{field}: {field}" if type_name in EVENTS else field


def text_of(named: dict[str, Any]) -> str:
    """A type as it is written."""
    if named["kind"] == "NON_NULL":
        return f"{text_of(named['ofType'])}!"
    return f"[{text_of(named['ofType'])}]" if named["kind"] == "LIST" else str(named["name"])


@pytest.fixture(scope="module")
def graphql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GraphQLServer]:
    """A server whose library has a location that was graphql to its end."""
    with serving(tmp_path_factory.mktemp("graphql")) as server:
        yield server


def call(
    server: GraphQLServer, schema: Schema, root: str, field: dict[str, Any], *, plain: bool = True
) -> Any:
    """Call an operation with something in every argument that it needs; its whole answer. A
    question that is not plain is for the executor."""
    values = {
        "String": "/nowhere/to be found",
        "UUID": str(uuid4()),
        "Int": 1,
        "Long": 1,
        "Boolean": False,
        "Float": 1.0,
        "DateTime": "2024-01-01T00:00:00Z",
        "Base64": base64.b64encode(b"/nowhere").decode(),
        "JSON": {},
    }
    needed = [
        one
        for one in field["args"]
        if one["type"]["kind"] == "NON_NULL" and one["defaultValue"] is None
    ]
    declared = ", ".join(f"${one['name']}: {text_of(one['type'])}" for one in needed)
    given = ", ".join(f"{one['name']}: ${one['name']}" for one in needed)
    text = f"{root}{f'({declared})' if declared else ''} {{ {field['name']}"
    text += f"{f'({given})' if given else ''} {schema.selection(field['type'])} }}"
    if not plain:
        text = text.replace("{ ", "{ ... @include(if: true) { ", 1) + " }"
    return server.post(
        text, **{one["name"]: schema.argument(one["type"], values) for one in needed}
    ).json


def test_the_schema_is_the_one_of_the_document(graphql: GraphQLServer) -> None:
    seen = build_client_schema(Schema(graphql).introspection)
    assert print_schema(seen) == print_schema(contract_schema())


def test_every_event_can_be_told(graphql: GraphQLServer) -> None:
    schema = Schema(graphql)
    event = schema.types["Event"]
    assert set(EVENTS) <= {one["name"] for one in event["possibleTypes"]}
    assert {one["name"] for one in schema.types["EventType"]["enumValues"]} == set(EVENTS)


def test_what_is_named_by_ids_is_asked_in_one_message(graphql: GraphQLServer) -> None:
    found = graphql.post('{ searchFiles(query: "picture txt") { files { id name } } }').data
    files = found["searchFiles"]["files"]
    assert len(files) == 5
    asked = {f"f{number}": files[number % 5] for number in range(50)}
    query = " ".join(
        f'{key}: filesById(fileId: "{file["id"]}") {{ id name }}' for key, file in asked.items()
    )
    for text in (f"{{ {query} }}", f"{{ ... @include(if: true) {{ {query} }} }}"):
        before = graphql.gauge("daemon_messages")
        assert graphql.post(text).data == asked
        assert graphql.gauge("daemon_messages") == before + 1


def test_what_names_a_job_leads_to_it(graphql: GraphQLServer) -> None:
    locations = graphql.post("{ locationsList { locations { id } } }").data["locationsList"]
    started = graphql.post(
        "mutation($id: UUID!) { locationsRescan(locationId: $id) { jobId job { id name } } }",
        id=locations["locations"][0]["id"],
    ).data["locationsRescan"]
    assert started["job"] == {"id": started["jobId"], "name": started["job"]["name"]}


def test_a_receipt_leads_to_its_job(graphql: GraphQLServer) -> None:
    before = graphql.gauge("daemon_messages")
    started = graphql.post(
        """mutation($path: String!) {
          validationStart(paths: [{text: $path}]) {
            id jobName job { id name status } again: job { id } }
        }""",
        path=str(graphql.pictures),
    ).data["validationStart"]
    assert graphql.gauge("daemon_messages") == before + 2
    assert started["job"] == {
        "id": started["id"],
        "name": started["jobName"],
        "status": started["job"]["status"],
    }
    assert started["again"] == {"id": started["id"]}


LISTINGS = {
    "filesDirectoryListing": "path: {text: $path}",
    "filesMediaListing": "path: {text: $path}, mediaTypes: [TEXT, IMAGE], includeDescendants: true",
    "searchFiles": 'query: "", filters: {fileTypes: ["txt", "png"]}',
}


@pytest.mark.parametrize("listing", LISTINGS)
def test_a_listing_is_a_connection_with_the_daemons_cursors(
    graphql: GraphQLServer, listing: str
) -> None:
    node = "file { id }" if listing == "searchFiles" else "id"
    query = f"""query($path: String!, $first: Int!, $after: String) {{
      {listing}({LISTINGS[listing]}, first: $first, after: $after) {{
        edges {{ cursor node {{ {node} }} }}
        pageInfo {{ hasNextPage hasPreviousPage endCursor startCursor }}
        __typename
      }}
      filesByPath(path: $path) {{ id }}
    }}"""

    def page(first: int, after: str | None) -> dict[str, Any]:
        found = graphql.post(query, path=str(graphql.pictures), first=first, after=after)
        return dict(found.data[listing])

    whole = page(100, None)
    count = len(whole["edges"])
    assert count >= 3
    assert whole["pageInfo"] == {
        "hasNextPage": False,
        "hasPreviousPage": False,
        "startCursor": whole["edges"][0]["cursor"],
        "endCursor": whole["edges"][-1]["cursor"],
    }
    assert len({edge["cursor"] for edge in whole["edges"]}) == count
    for number, edge in enumerate(whole["edges"]):
        rest = page(2, edge["cursor"])
        expected = [one["node"] for one in whole["edges"][number + 1 : number + 3]]
        assert [one["node"] for one in rest["edges"]] == expected
        assert rest["pageInfo"]["hasPreviousPage"] is True
        assert rest["pageInfo"]["hasNextPage"] is (number + 3 < count)
        ends = [one["cursor"] for one in rest["edges"]] or [None]
        assert (rest["pageInfo"]["startCursor"], rest["pageInfo"]["endCursor"]) == (
            ends[0],
            ends[-1],
        )


@pytest.mark.parametrize(
    ("listing", "largest"),
    [('searchFiles(query: "txt"', 1000), ("historyList(library: null", 10000)],
)
def test_a_page_has_its_bounds(graphql: GraphQLServer, listing: str, largest: int) -> None:
    text = f"query($n: Int!) {{ found: {listing}, first: $n) {{ __typename }} }}"
    assert graphql.post(text, n=largest).data["found"]
    for many in (0, -1, largest + 1):
        (error,) = graphql.post(text, n=many).json["errors"]
        assert error["message"] == f"first: it must be from 1 to {largest}"
        assert (error["extensions"]["code"], error["path"]) == ("invalid-value", ["found"])
    for other in ("last: 1", 'before: "x"'):
        (error,) = graphql.post(f"{{ {listing}, {other}) {{ __typename }} }}").json["errors"]
        assert "Unknown argument" in error["message"]


def test_a_cursor_of_another_listing_is_refused(graphql: GraphQLServer) -> None:
    first = graphql.post('{ searchFiles(query: "txt", first: 1) { edges { cursor } } }').data
    cursor = first["searchFiles"]["edges"][0]["cursor"]
    for other in (
        'searchFiles(query: "png", after: $after)',
        'searchFiles(query: "txt", sort: {field: SIZE}, after: $after)',
        "historyList(after: $after)",
        "trashList(after: $after)",
        "duplicatesList(after: $after)",
        "indexingOmissions(after: $after)",
    ):
        text = f"query($after: String) {{ found: {other} {{ __typename }} }}"
        (error,) = graphql.post(text, after=cursor).json["errors"]
        assert error["extensions"]["code"] == "invalid-value"
        assert "another listing" in error["message"]


def test_a_name_that_is_not_utf8_goes_out_and_comes_back(graphql: GraphQLServer) -> None:
    found = graphql.post(
        '{ searchFiles(query: "caf") { files { id sdPath { physical { path pathBytes } } } } }'
    ).data["searchFiles"]["files"]
    (file,) = found
    physical = file["sdPath"]["physical"]
    exact = os.fsencode(graphql.pictures) + b"/caf\xe9.txt"
    assert base64.b64decode(physical["pathBytes"]) == exact
    back = graphql.post(
        "query($path: String!, $bytes: Base64) { filesByPath(path: $path, pathBytes: $bytes)"
        " { id } }",
        path=physical["path"],
        bytes=physical["pathBytes"],
    ).data["filesByPath"]
    assert back["id"] == file["id"]


def test_an_error_has_its_code_its_hint_and_its_place(graphql: GraphQLServer) -> None:
    answer = graphql.post(
        "query($id: UUID!) { a: filesUniqueToLocation(locationId: $id) { totalCount }"
        ' b: testPing(message: "still here") { echo } }',
        id=str(uuid4()),
    ).json
    assert answer["data"] == {"a": None, "b": {"echo": "still here"}}
    (error,) = answer["errors"]
    assert error["path"] == ["a"]
    assert error["extensions"]["code"] == "location-not-found"
    assert error["extensions"]["hint"]
    assert "there is no location" in error["message"]


def test_a_library_is_named_by_its_id_or_its_name(graphql: GraphQLServer) -> None:
    (library,) = graphql.daemon.call("query:libraries.list")
    query = "query($library: String) { librariesInfo(library: $library) { id } }"
    for named in (library["id"], "Home", None):
        assert graphql.post(query, library=named).data["librariesInfo"]["id"] == library["id"]
    answer = graphql.post(query, library="Elsewhere")
    assert answer.code == "library-not-found"


def rescan(server: GraphQLServer) -> None:
    """Have the folder read again."""
    locations = server.post("{ locationsList { locations { id } } }").data["locationsList"]
    change = "mutation($id: UUID!) { locationsRescan(locationId: $id) { jobId } }"
    assert server.post(change, id=locations["locations"][0]["id"]).data


def test_the_log_is_a_subscription_too(graphql: GraphQLServer) -> None:
    query = "subscription { logs(last: 2) { level target message timestamp fields } }"
    with Feed(graphql, query) as feed:
        past = [one.data["data"]["logs"] for one in feed.take(2)]
        assert all(one["message"] and one["level"] for one in past)
        rescan(graphql)
        while not feed.next().data["data"]["logs"]["message"].startswith("job"):
            pass


def test_what_happens_is_told_with_everything_that_is_known_of_it(graphql: GraphQLServer) -> None:
    """All fields of all events in one subscription, while something happens."""
    schema = Schema(graphql)
    (occurrence,) = (one for one in schema.fields("Subscription") if one["name"] == "events")
    query = f"subscription {{ events(initial: true) {schema.selection(occurrence['type'])} }}"
    with Feed(graphql, query) as feed:
        told = [feed.next().data["data"]["events"]]
        while told[-1]["event"]["__typename"] != "CaughtUp":
            told.append(feed.next().data["data"]["events"])
        assert {one["event"]["__typename"] for one in told} >= {"ResourceChanged", "CaughtUp"}
        assert all(one["initial"] for one in told[:-1])
        (graphql.pictures / "new.txt").write_text("new")
        rescan(graphql)
        names: list[str] = []
        while "new" not in names:
            told.append(feed.next().data["data"]["events"])
            resources = told[-1]["event"].get("ResourceChangedBatch_resources", ())
            names += [one["name"] for one in resources]
    assert told[-1]["libraryId"] == told[-1]["event"]["ResourceChangedBatch_libraryId"]


def test_what_a_request_causes_is_known_by_its_name(graphql: GraphQLServer) -> None:
    query = "subscription { events(types: [ConfigChanged]) { correlationId event { type } } }"
    change = 'mutation { configAppUpdate(language: "eo") { success } }'
    with Feed(graphql, query) as feed:
        headers = {**graphql.bearer, "Content-Type": "application/json", "X-Request-ID": "mine"}
        body = json.dumps({"query": change}).encode()
        assert graphql.ask("POST", "/graphql", body, headers).data["configAppUpdate"]["success"]
        assert feed.next().data["data"]["events"]["correlationId"] == "mine"


def form_of(value: Any) -> Any:
    """What a value is, without what changes from one moment to the next."""
    if isinstance(value, dict):
        return {key: form_of(one) for key, one in value.items()}
    return [form_of(one) for one in value] if isinstance(value, list) else type(value).__name__


def test_a_plain_question_is_answered_as_the_executor_would(graphql: GraphQLServer) -> None:
    schema = Schema(graphql)
    for field in schema.fields("Query"):
        quick, slow = (
            call(graphql, schema, "query", field, plain=plain) for plain in (True, False)
        )
        assert form_of(quick["data"]) == form_of(slow["data"]), field["name"]
        assert list(quick["data"]) == list(slow["data"])
        told = [
            [(one["message"], one["path"], one["extensions"]) for one in found.get("errors", ())]
            for found in (quick, slow)
        ]
        assert told[0] == told[1] or field["args"], field["name"]
    constant = (
        '{ a: testPing(message: "x") { ...f } } fragment f on Echo { b: echo count __typename }'
    )
    for text in (constant, constant.replace("count", "count @skip(if: false)")):
        answer = graphql.post(text).data
        assert answer == {"a": {"b": "x", "count": 1, "__typename": "Echo"}}


# Last, because it makes a library, and does whatever else operations do.
def test_every_operation_is_a_field_and_every_field_answers(graphql: GraphQLServer) -> None:
    schema = Schema(graphql)
    answered = 0
    for kind, root in ((Kind.QUERY, "Query"), (Kind.ACTION, "Mutation")):
        fields = schema.fields(root)
        assert len(fields) == sum(one.kind is kind for one in CATALOGUE.values())
        for field in fields:
            answer = call(graphql, schema, "query" if root == "Query" else "mutation", field)
            assert "data" in answer, (field["name"], answer)
            for error in answer.get("errors", ()):
                code = error["extensions"]["code"]
                assert code in SdError.catalogue, (field["name"], error)
                assert code not in NEVER, (field["name"], error)
                assert error["path"] == [field["name"]]
            answered += not answer.get("errors")
    assert answered > len(CATALOGUE) / 3  # the others were asked about what does not exist
