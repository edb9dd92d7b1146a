"""A log record as fields for journald, and back.

    MESSAGE=job failed: the disk is full
    PRIORITY=3
    JOB_ID=6f1d..., LIBRARY_ID=..., REASON=the disk is full, ...

The names of fields are ours in capitals, as `journalctl JOB_ID=...` wants them. MESSAGE is what a
person reads without asking for more: the sentence, and where there are such the reason and the
traceback. The rest says exactly what the record says, `record_from(entry_of(r)) == r`, as long as
fields are called by words: TIMESTAMP is when it was recorded, which for one that had to wait is not
when journald got it; LEVEL knows one more than PRIORITY; and FIELDS has the order, which journald
does not keep.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING

from sd_wire.log_line import LEVELS, record_with, stamp_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sd_wire.events import LogMessage

PRIORITIES = {"ERROR": "3", "WARN": "4", "INFO": "6", "DEBUG": "7", "TRACE": "7"}

LONGEST_NAME = 64
_ODD = re.compile("[^A-Z0-9_]")
_TAKEN = frozenset(
    (
        *("MESSAGE", "MESSAGE_ID", "PRIORITY", "CODE_FILE", "CODE_LINE", "CODE_FUNC"),
        *("SYSLOG_IDENTIFIER", "SYSLOG_FACILITY", "SYSLOG_PID", "SYSLOG_TIMESTAMP", "SYSLOG_RAW"),
        *("TIMESTAMP", "LEVEL", "TARGET", "FIELDS", "TRACEBACK", "JOB_ID"),
    )
)


def name_of(field: str) -> str:
    """What journald has for the name of a field: it drops one that is not of this form."""
    if field == "trace":
        return "TRACEBACK"
    name = _ODD.sub("_", field.upper())
    if name in _TAKEN or not "A" <= name[:1] <= "Z":
        name = f"FIELD_{name}"
    return name[:LONGEST_NAME]


def entry_of(record: LogMessage) -> dict[str, str]:
    """The fields of a record, for journald."""
    entry = {
        "MESSAGE": record.message + _added(record.fields),
        "PRIORITY": PRIORITIES[record.level],
        "LEVEL": record.level,
        "TARGET": record.target,
        "TIMESTAMP": stamp_of(record.timestamp),
    }
    if record.job_id is not None:
        entry["JOB_ID"] = record.job_id
    if record.library_id is not None:
        entry["LIBRARY_ID"] = str(record.library_id)
    for name, text in record.fields.items():
        entry[name_of(name)] = text
    if record.fields:
        entry["FIELDS"] = " ".join("_".join(name.split()) for name in record.fields)
    return entry


def record_from(entry: Mapping[str, str]) -> LogMessage | None:
    """The record that an entry of the journal stands for, if it stands for one."""
    try:
        names = entry.get("FIELDS", "").split()
        fields = {name: entry[name_of(name)] for name in names}
        message = entry["MESSAGE"].removesuffix(_added(fields))
        for own in ("JOB_ID", "LIBRARY_ID"):
            if own in entry:
                fields[own.lower()] = entry[own]
        time = datetime.fromisoformat(entry["TIMESTAMP"])
        if entry["LEVEL"] not in LEVELS or time.tzinfo is None:
            return None
        return record_with(fields, time, entry["LEVEL"], entry["TARGET"], message)
    except (KeyError, ValueError):
        return None  # somebody else's


def _added(fields: Mapping[str, str]) -> str:
    """What of the fields a person sees behind the sentence."""
    reason, trace = fields.get("reason"), fields.get("trace")
    return (f": {reason}" if reason else "") + (f"\n{trace}" if trace else "")
