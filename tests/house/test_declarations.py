"""Everything that is declared is handled, documented, and used."""

from __future__ import annotations

import ast
from typing import Any, get_type_hints

import msgspec
import pytest
from source import ROOT, modules

import sd_wire.catalogue
from sd_daemon.handlers import NOUNS
from sd_daemon.handlers.handler import HANDLERS
from sd_daemon.server.routes import route_of
from sd_wire.errors import SdError
from sd_wire.events import EVENTS
from sd_wire.operation import CATALOGUE, Operation
from sd_wire.paging import OF_REQUESTS, OF_RESULTS

OPERATIONS = sorted(CATALOGUE.values(), key=lambda operation: operation.name)


def test_the_packages_are_lists_of_their_files() -> None:
    """Each noun has one file of declarations and one of handlers, of the same name."""
    declared = {path.stem for path in (ROOT / "sd_wire/operations").glob("*.py")}
    handled = {path.stem for path in (ROOT / "sd_daemon/handlers").glob("*.py")}
    assert declared - {"__init__"} == set(sd_wire.catalogue.__all__)
    assert handled - {"__init__", "handler"} == NOUNS
    assert set(sd_wire.catalogue.__all__) == NOUNS


def test_every_operation_has_a_handler_and_every_handler_an_operation() -> None:
    assert all(route_of(spelling) for operation in OPERATIONS for spelling in operation.aliases)
    assert set(HANDLERS) == set(CATALOGUE)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_an_operation_and_its_handler_are_in_the_files_of_their_noun(operation: Operation) -> None:
    noun = operation.name.partition(".")[0]
    route = route_of(operation.method)
    assert route is not None
    assert operation.request.__module__ == f"sd_wire.operations.{noun}"
    assert route.handler.__module__ == f"sd_daemon.handlers.{noun}"


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_an_operation_is_documented_field_by_field(operation: Operation) -> None:
    assert operation.documentation
    hints: dict[str, Any] = get_type_hints(operation.request, include_extras=True)
    undocumented = [
        name
        for name in operation.request.__struct_fields__
        if not any(
            isinstance(note, msgspec.Meta) and note.description
            for note in getattr(hints[name], "__metadata__", ())
        )
    ]
    assert not undocumented


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_what_comes_in_pages_says_so(operation: Operation) -> None:
    """With all that pages need, or none of it: no listing is paged by offsets alone."""
    result = set(getattr(operation.result, "__struct_fields__", ()))
    request = set(operation.request.__struct_fields__)
    if operation.pages is None:
        assert not request & {"cursor", "cursors", "pagination", "offset"}
        assert not result & set(OF_RESULTS)
    else:
        assert {operation.pages, "next_cursor", "cursors"} <= result
        assert {"cursor", "cursors"} <= request
        assert len(request & set(OF_REQUESTS)) == 3


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_an_operation_can_be_described(operation: Operation) -> None:
    msgspec.json.schema(operation.request)
    msgspec.json.schema(operation.result)


def used_names() -> set[str]:
    """Every name that the source mentions outside the file that declares it."""
    return {
        node.id if isinstance(node, ast.Name) else node.attr
        for module in modules()
        if not module.name.startswith(("sd_wire.errors", "sd_wire.events"))
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Name | ast.Attribute)
    }


def test_every_error_is_raised_somewhere_and_helps() -> None:
    errors = {cls.__name__: cls for cls in SdError.catalogue.values()}
    assert set(errors) - used_names() <= {"UnknownFailure"}
    assert all(cls.__doc__ and cls.message for cls in errors.values())


def test_every_event_is_documented_and_published() -> None:
    assert all(cls.__doc__ for cls in EVENTS.values())
    assert set(EVENTS) <= used_names()
