"""What the results of operations look like to a person.

A list has its columns here, an action its sentence. An operation that has neither is shown field
by field, so a new one is readable before anybody has thought about its looks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sd_client.cli.tables import Column, facts, table
from sd_client.cli.text import moment, number, path_of, size, span

if TYPE_CHECKING:
    from collections.abc import Callable

    from sd_client.cli.output import Output

Json = Any


def short(identity: str | None) -> str:
    """The beginning of an id; every command takes it in place of the whole."""
    return (identity or "")[:8]


def _time(value: str | None) -> str:
    return moment(value) if value else ""


def state_of(state: Json) -> str:
    """Where a scan stands."""
    if isinstance(state, dict):
        return f"scanning {state['Scanning']['progress']} %"
    return str(state).lower()


def _job_state(job: Json) -> str:
    status = str(job["status"])
    return f"{status} {job['progress']:.0%}" if status in ("running", "paused") else status


def file_path(file: Json) -> str:
    """The path of a file, folders with a slash."""
    return path_of(file["sd_path"]) + ("/" if file["kind"] == "Directory" else "")


def file_name(file: Json) -> str:
    """The last part of a file's path, folders with a slash."""
    name = path_of(file["sd_path"]).rpartition("/")[2]
    return name + {"Directory": "/", "Symlink": "@"}.get(file["kind"], "")


def _file_size(file: Json) -> str:
    return size(file["size"]) if file["kind"] == "File" else ""


ID = Column("ID", lambda row: short(row["id"]))
NAME = Column("NAME", lambda row: row["name"])

LIBRARIES = [ID, NAME, Column("PATH", lambda row: row["path"], gives_way=True)]
LOCATIONS = [
    ID,
    NAME,
    Column("FILES", lambda row: number(row["file_count"]), right=True),
    Column("FOLDERS", lambda row: number(row["directory_count"]), right=True),
    Column("SIZE", lambda row: size(row["total_size"]), right=True),
    Column(
        "STATE",
        lambda row: state_of(row["scan_state"]) if row["is_available"] else "not there",
    ),
    Column("PATH", lambda row: path_of(row["sd_path"]), gives_way=True),
]
JOBS = [
    ID,
    NAME,
    Column("STATE", _job_state),
    Column("SINCE", lambda row: _time(row.get("created_at"))),
    Column("MESSAGE", lambda row: row.get("message") or "", gives_way=True),
]
FILES = [
    Column("SIZE", _file_size, right=True),
    Column("MODIFIED", lambda row: moment(row["modified_at"])),
    Column("PATH", file_path, gives_way=True),
]
CHILDREN = [*FILES[:2], Column("NAME", file_name, gives_way=True)]
VOLUMES = [
    NAME,
    Column("TYPE", lambda row: str(row["volume_type"])),
    Column(
        "SYSTEM",
        lambda row: (
            row["file_system"]
            if isinstance(row["file_system"], str)
            else row["file_system"]["Other"]
        ),
    ),
    Column("SIZE", lambda row: size(row["total_capacity"]), right=True),
    Column("FREE", lambda row: size(row["available_space"]), right=True),
    Column("MOUNTED AT", lambda row: row["mount_point"], gives_way=True),
]
DEVICES = [
    ID,
    NAME,
    Column("SYSTEM", lambda row: f"{row['os']} {row['os_version'] or ''}".strip()),
    Column("MODEL", lambda row: row["hardware_model"] or "", gives_way=True),
    Column("ONLINE", lambda row: "yes" if row["is_online"] else "no"),
]
RULES = [
    Column("RULE", lambda row: row["name"]),
    Column("ON", lambda row: "on" if row["enabled"] else "off"),
    Column("LEFT OUT", lambda row: number(row["omitted"]), right=True),
    Column("SETTING", lambda row: row["setting"]),
    Column("WHAT IT LEAVES OUT", lambda row: row["description"], gives_way=True),
]
OMISSIONS = [
    Column("REASON", lambda row: row["reason"]),
    Column("DETAIL", lambda row: row["detail"]),
    Column("PATH", lambda row: path_of(row["sd_path"]), gives_way=True),
]
KINDS = [
    Column("KIND", lambda row: row["name"]),
    Column("FILES", lambda row: number(row["file_count"]), right=True),
]
EVENTS = [
    Column("EVENT", lambda row: row["variant"]),
    Column("WHAT IT SAYS", lambda row: row["description"], gives_way=True),
]
PLACES = [NAME, Column("PATH", lambda row: row["path"])]


def _rows(key: str) -> Callable[[Json], list[Json]]:
    return lambda result: result[key]


LISTS: dict[str, tuple[list[Column], Callable[[Json], list[Json]], str]] = {
    "libraries.list": (LIBRARIES, lambda result: result, "no library is open"),
    "locations.list": (LOCATIONS, _rows("locations"), "this library has no locations"),
    "locations.suggested": (PLACES, _rows("locations"), "nothing to suggest"),
    "jobs.list": (JOBS, _rows("jobs"), "no jobs"),
    "jobs.active": (JOBS, _rows("jobs"), "no job is under way"),
    "files.directory_listing": (CHILDREN, _rows("files"), "an empty folder"),
    "files.media_listing": (FILES, _rows("files"), "no pictures or videos"),
    "files.alternate_instances": (FILES, _rows("instances"), "no file has this content"),
    "files.unique_to_location": (FILES, _rows("unique_files"), "nothing is here only"),
    "files.content_kind_stats": (KINDS, _rows("stats"), "no file is identified yet"),
    "volumes.list": (VOLUMES, _rows("volumes"), "no volumes"),
    "devices.list": (DEVICES, lambda result: result, "no devices"),
    "indexing.rules": (RULES, _rows("rules"), "no rules"),
    "indexing.omissions": (OMISSIONS, _rows("omissions"), "nothing is left out"),
    "core.events.list": (EVENTS, _rows("event_info"), "no events"),
}

SENTENCES: dict[str, str] = {
    "libraries.create": "created the library {name} ({library_id}) in {path}",
    "libraries.open": "opened the library {name} ({library_id})",
    "libraries.close": "closed the library {name}",
    "libraries.rename": "the library {old_name} is called {new_name} now",
    "libraries.delete": "deleted the library {name}",
    "libraries.export": "wrote the library {library_name} to {export_path}",
    "locations.add": "added the location {name} ({location_id}); job {job_id} reads it",
    "locations.rescan": "job {job_id} reads {location_path} again",
    "locations.enable_indexing": "job {job_id} indexes the location {location_id}",
    "locations.export": "wrote the index of {location_name} to {export_path}",
    "locations.import": "read the location {location_name} ({location_uuid}) from {import_path}",
    "indexing.start": "job {id} reads the folders again",
    "jobs.pause": "job {job_id} pauses at its next safe point",
    "jobs.resume": "job {job_id} goes on",
    "jobs.cancel": "job {job_id} is cancelled; what it has done stays done",
    "volumes.refresh": "{volumes_refreshed} volumes were read, {volumes_failed} could not be",
    "locations.remove": "removed the location {location_id}; its files were not touched",
    "locations.update": "changed the location {id}",
    "config.app.update": "{message}",
    "config.library.update": "{message}",
    "test.ping": "{echo}",
}


def show(output: Output, name: str, result: Json) -> None:
    """A result as lines of text."""
    if name in LISTS:
        columns, rows, nothing = LISTS[name]
        found = rows(result)
        table(output, columns, found)
        if not found:
            output.remark(nothing)
        elif isinstance(result, dict) and result.get("has_more"):
            output.remark(_more(result, len(found)))
    elif name in SENTENCES and result.get("success", True):
        output.line(output.safe(SENTENCES[name].format_map(result)))
    elif isinstance(result, dict):
        facts(output, list(flat(result)))
    else:
        output.pretty(result)


def _more(result: Json, count: int) -> str:
    cursor = result.get("next_cursor")
    rest = f"; --cursor {cursor} goes on" if cursor else ""
    return f"{number(count)} of {number(result['total_count'])}{rest}"


def flat(value: Json, prefix: str = "") -> list[tuple[str, str]]:
    """Nested fields as pairs of a dotted name and a text."""
    pairs: list[tuple[str, str]] = []
    for name, content in value.items():
        label = prefix + name
        if content is None or content in ([], {}):
            continue
        if isinstance(content, dict) and len(content) == 1 and "Physical" in content:
            pairs.append((label, path_of(content)))
        elif isinstance(content, dict):
            pairs.extend(flat(content, label + "."))
        elif isinstance(content, list):
            pairs.append((label, ", ".join(_item(item) for item in content)))
        else:
            pairs.append((label, _scalar(name, content)))
    return pairs


def _item(content: Json) -> str:
    if isinstance(content, dict):
        return "; ".join(f"{name}: {text}" for name, text in flat(content))
    return str(content)


def _scalar(name: str, content: Json) -> str:
    if isinstance(content, bool):
        return "yes" if content else "no"
    if isinstance(content, int) and name.endswith(("_bytes", "size", "capacity")):
        return size(content)
    if (
        isinstance(content, str)
        and name.endswith(("_at", "last_indexed"))
        and content[10:11] == "T"
    ):
        return moment(content)
    if name in ("uptime", "duration_secs"):
        return span(float(content))
    return str(content)
