"""How large a thing may get before it has to become two."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path
from statistics import median, quantiles

from source import functions, modules

TESTS = Path(__file__).parents[1]
FILE_LINES = 500
NINE_IN_TEN_LINES = 35
MEDIAN_LINES = 10
# Methods that somebody else's interface names and documents.
CALLBACKS = {
    *("connection_made", "data_received", "connection_lost", "eof_received"),
    *("pause_writing", "resume_writing", "emit", "format", "filter"),
    *("st_dev", "st_ino", "st_mtime_ns"),
}
FORBIDDEN_NAMES = {"utils", "util", "misc", "common", "helpers", "helper", "base"}


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """The lines of a function, its docstring included."""
    return (function.end_lineno or function.lineno) - function.lineno + 1


def test_no_file_is_too_long() -> None:
    assert [f"{one.name}: {one.lines}" for one in modules() if one.lines > FILE_LINES] == []
    tests = {one.name: one.read_text().count("\n") for one in TESTS.rglob("*.py")}
    assert {name: lines for name, lines in tests.items() if lines > FILE_LINES} == {}


def test_functions_are_short() -> None:
    lengths = [length(function) for module in modules() for function in functions(module)]
    assert median(lengths) <= MEDIAN_LINES
    assert quantiles(lengths, n=10)[-1] < NINE_IN_TEN_LINES


def test_nothing_is_called_after_nothing() -> None:
    wrong = [one.name for one in modules() if set(one.name.split(".")) & FORBIDDEN_NAMES]
    assert not wrong


def test_each_test_module_has_its_own_name() -> None:
    """They are imported without a package: two of one name, and none of the tests can run."""
    names = Counter(one.name for one in TESTS.rglob("*.py") if one.name != "conftest.py")
    assert [name for name, times in names.items() if times > 1] == []


def test_there_is_one_manager() -> None:
    managers = [
        node.name
        for module in modules()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ClassDef) and node.name.endswith("Manager")
    ]
    assert managers == ["CoreInstanceManager"]


def public_definitions(
    scope: ast.Module | ast.ClassDef,
) -> list[ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]:
    """Public classes and functions of a module, and the public methods of those classes."""
    found: list[ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef] = []
    for node in scope.body:
        definition = isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        if not definition or node.name.startswith("_") or node.name in CALLBACKS:
            continue
        found.append(node)
        if isinstance(node, ast.ClassDef):
            found += public_definitions(node)
    return found


def test_everything_public_says_what_it_promises() -> None:
    """Modules and public classes, functions and methods have docstrings."""
    wrong = []
    for module in modules():
        if not ast.get_docstring(module.tree):
            wrong.append(module.name)
        for node in public_definitions(module.tree):
            if not ast.get_docstring(node):
                wrong.append(f"{module.name}: {node.name}")
    assert not wrong
