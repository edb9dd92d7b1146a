"""The project's source as syntax trees, for the tests of this folder."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PACKAGES = ("sd_wire", "sd_daemon", "sd_client", "release")


class Module(NamedTuple):
    """One source file."""

    name: str
    path: Path
    tree: ast.Module
    lines: int


@cache
def modules() -> tuple[Module, ...]:
    """Every module of the three packages."""
    found = []
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            text = path.read_text("utf-8")
            found.append(Module(name, path, ast.parse(text), text.count("\n")))
    return tuple(found)


def is_type_checking(node: ast.AST) -> bool:
    """Whether this is `if TYPE_CHECKING:`."""
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def imports(module: Module, *, loaded: bool) -> set[str]:
    """The modules of ours that a module names in imports; `loaded` leaves out those that only the
    type checker sees."""
    names = {one.name for one in modules()}
    found: set[str] = set()

    def visit(node: ast.AST) -> None:
        if loaded and is_type_checking(node):
            return
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add(inner if inner in names else node.module)
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(module.tree)
    return {name for name in found if name in names}


def functions(module: Module) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function of a module, methods and inner ones included."""
    return [
        node
        for node in ast.walk(module.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
