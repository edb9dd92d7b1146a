"""What others say of the GraphQL server: the auditor of the HTTP specification, the usual clients
of both subscription protocols, and a comparison of its schema with the document."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from graphql_server import GraphQLServer, serving
from npm import node, node_json

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCUMENT = Path(__file__).parents[2] / "docs" / "schema.graphql"


@pytest.fixture(scope="module")
def graphql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GraphQLServer]:
    """A server with an indexed folder."""
    with serving(tmp_path_factory.mktemp("independent")) as server:
        yield server


def test_the_auditor_of_graphql_over_http_has_nothing_to_say(graphql: GraphQLServer) -> None:
    audits = node_json("audit.mjs", graphql.url, graphql.token)
    assert len(audits) > 50
    wrong = [one for one in audits if one["status"] != "ok" and not one["name"].startswith("MAY")]
    assert not wrong, "\n".join(f"{one['id']} {one['name']}: {one['reason']}" for one in wrong)


@pytest.mark.parametrize("kind", ["ws", "sse"])
def test_the_usual_clients_follow_a_job_to_its_end(graphql: GraphQLServer, kind: str) -> None:
    location = graphql.post("{ locationsList { locations { id } } }").data["locationsList"]
    started = graphql.post(
        "mutation($id: UUID!) { locationsRescan(locationId: $id, fullRescan: true) { jobId } }",
        id=location["locations"][0]["id"],
    ).data["locationsRescan"]
    query = "subscription($id: UUID!) { jobUpdates(jobId: $id) { id status progress } }"
    told = subscribe(graphql, kind, query, id=started["jobId"])
    assert {one["data"]["jobUpdates"]["id"] for one in told} == {started["jobId"]}
    assert told[-1]["data"]["jobUpdates"]["status"] == "COMPLETED"


@pytest.mark.parametrize("kind", ["ws", "sse"])
def test_the_usual_clients_ask_simple_questions(graphql: GraphQLServer, kind: str) -> None:
    told = subscribe(graphql, kind, '{ testPing(message: "hello") { echo } }')
    assert told == [{"data": {"testPing": {"echo": "hello"}}}]


@pytest.mark.parametrize("kind", ["ws", "sse"])
def test_the_usual_clients_are_told_what_is_wrong(graphql: GraphQLServer, kind: str) -> None:
    told = subscribe(graphql, kind, "subscription { nonsense }")
    assert "nonsense" in json.dumps(told) or "400" in json.dumps(told)
    assert not any("data" in one for one in told)


def test_the_served_schema_is_the_one_of_the_document(graphql: GraphQLServer) -> None:
    assert node("compare.mjs", str(DOCUMENT), graphql.url, graphql.token) == []


def subscribe(server: GraphQLServer, kind: str, query: str, /, **variables: Any) -> list[Any]:
    """What a client is told."""
    arguments = (kind, server.url, server.token, query, json.dumps(variables))
    return node_json("subscribe.mjs", *arguments)
