"""Which room may know which."""

from __future__ import annotations

import ast

import pytest
from source import Module, functions, imports, modules

# Lowest first. A room knows itself and the rooms before it.
DAEMON = ("sd_wire", "sd_daemon.core", "sd_daemon.handlers", "sd_daemon.server", "sd_daemon.host")
CLIENT = ("sd_wire", "sd_client")

# The one place of each wing where modules are read when they are asked for, and the one that keeps
# out what a module would bring.
LAZY = {"sd_client.cli.lazy", "sd_daemon.core.late", "sd_daemon.host.without"}
# The program files, which are the operating system's side.
HOST = ("sd_daemon.host", "sd_daemon.__main__", "sd_client.cli", "release")


def room_of(name: str, rooms: tuple[str, ...]) -> int | None:
    """The floor of a module among these rooms."""
    for number, room in reversed(list(enumerate(rooms))):
        if name == room or name.startswith(room + "."):
            return number
    return None


@pytest.mark.parametrize("rooms", [DAEMON, CLIENT], ids=["daemon", "client"])
def test_a_room_imports_only_rooms_below_it(rooms: tuple[str, ...]) -> None:
    wrong = []
    for module in modules():
        floor = room_of(module.name, rooms)
        if floor is None:
            continue
        for name in imports(module, loaded=False):
            other = room_of(name, rooms)
            seen_by_type_checker_only = name not in imports(module, loaded=True)
            if other is not None and other > floor and not seen_by_type_checker_only:
                wrong.append(f"{module.name} imports {name}")
    assert not wrong


def test_the_wings_do_not_know_each_other() -> None:
    wrong = [
        f"{module.name} imports {name}"
        for module in modules()
        for name in imports(module, loaded=False)
        if {module.name.split(".")[0], name.split(".")[0]} == {"sd_daemon", "sd_client"}
    ]
    assert not wrong


def test_the_contract_is_pure() -> None:
    """No socket, no file, no clock, no loop in sd_wire."""
    forbidden = {"socket", "os", "io", "time", "asyncio", "sqlite3", "pathlib", "subprocess"}
    wrong = []
    for module in modules():
        if not module.name.startswith("sd_wire"):
            continue
        for node in ast.walk(module.tree):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            wrong += [f"{module.name}: {name}" for name in names if name in forbidden]
    assert not wrong


def cycle_from(start: str, graph: dict[str, set[str]]) -> list[str]:
    """A way from a module back to itself."""
    stack = [[start]]
    seen: set[str] = set()
    while stack:
        path = stack.pop()
        for name in graph.get(path[-1], ()):
            if name == start:
                return [*path, name]
            if name not in seen:
                seen.add(name)
                stack.append([*path, name])
    return []


def test_no_module_imports_itself_by_a_detour() -> None:
    graph = {module.name: imports(module, loaded=True) for module in modules()}
    cycles = [cycle for name in graph if (cycle := cycle_from(name, graph))]
    assert not cycles


def late_imports(module: Module) -> list[int]:
    """Lines of imports inside functions."""
    return [
        node.lineno
        for function in functions(module)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]


def test_imports_stand_at_the_top() -> None:
    wrong = [f"{one.name}:{line}" for one in modules() for line in late_imports(one)]
    assert not wrong


def calls(module: Module) -> set[str]:
    """What a module calls or reads by a dotted name."""
    return {ast.unparse(node) for node in ast.walk(module.tree) if isinstance(node, ast.Attribute)}


def test_only_the_host_reads_the_environment_exits_or_takes_signals() -> None:
    forbidden = {"os.environ", "os.getenv", "sys.exit", "os._exit", "signal.signal"}
    wrong = [
        f"{module.name}: {name}"
        for module in modules()
        if not module.name.startswith(HOST)
        for name in sorted(calls(module) & forbidden)
    ]
    assert not wrong


def imports_by_name(module: Module) -> bool:
    """Whether a module imports others by a name; ctypes, which few moments need, is for all."""
    return any(
        isinstance(node, ast.Call)
        and ast.unparse(node.func).endswith("import_module")
        and [ast.unparse(argument) for argument in node.args] != ["'ctypes'"]
        for node in ast.walk(module.tree)
    )


def test_modules_are_imported_by_name_in_these_places_only() -> None:
    assert {module.name for module in modules() if imports_by_name(module)} == LAZY
