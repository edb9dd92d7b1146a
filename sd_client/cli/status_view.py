"""What `sd status` shows, and the quick way to it."""

from __future__ import annotations

from sd_client.cli.answer import finish, is_terminal
from sd_client.cli.text import encoded, number, repeating, shown, size, span, word

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from sd_client.cli.quick import Asked


def _libraries(libraries: list[dict[str, Any]], given: str) -> list[str]:
    if not libraries:
        return [repeating(given, "none yet: 'sd library create NAME' makes one")]
    lines = []
    for library in libraries:
        stats = library.get("stats")
        line = library["name"]
        if stats:
            line += f": {number(stats['total_files'], 'file')}, {size(stats['total_size'])}"
            line += f", {number(stats['location_count'], 'location')}"
        lines.append(line)
    return lines


def _jobs(counts: dict[str, int]) -> str:
    parts = [f"{count} {state}" for state, count in counts.items() if count]
    return ", ".join(parts) or "none"


def _service(service: dict[str, Any]) -> str:
    details = service.get("details")
    return ("on" if service["running"] else "off") + (f" ({details})" if details else "")


def status_lines(status: dict[str, Any], *, terminal: bool, given: str = "") -> list[str]:
    """A CoreStatus as lines of text; `given` are the options that say which daemon it is."""
    system = status["system"]
    instance = f", instance {system['instance_name']}" if system["instance_name"] else ""
    lines = [
        f"spacedrive {status['version']} runs for {span(system['uptime'])}"
        f" (pid {system['pid']}, {size(system['memory_resident'])}{instance})"
    ]
    rows = [("libraries", line) for line in _libraries(status["libraries"], given)]
    rows.append(("jobs", _jobs(status["jobs"])))
    rows.append(("watcher", _service(status["services"]["location_watcher"])))
    rows.append(("network", _service(status["services"]["networking"])))
    rows.append(("clients", number(status["clients"]["connections"], "connection")))
    rows.append(("data", system["data_directory"]))
    rows.append(("socket", system["socket"]))
    rows.append(("log", system["log_file"]))
    before = ""
    for label, text in rows:
        lines.append(f"  {label if label != before else '':10} {text}".rstrip())
        before = label
    lines.extend(f"  attention  {problem}" for problem in status["problems"])
    return [shown(line) for line in lines] if terminal else lines


def _show(asked: Asked, status: dict[str, Any]) -> tuple[bytes, bytes]:
    given = " ".join(f"{option} {word(value)}" for option, value in asked.line.values.items())
    lines = status_lines(status, terminal=is_terminal(1), given=given)
    return encoded("\n".join(lines) + "\n"), b""


def quick(asked: Asked) -> None:
    """Print the answer and end the process, or return for the full command."""
    finish(asked, _show)
