"""A log record as one line of text, and back.

    2026-11-23T01:02:03.123456Z INFO  sd_daemon.core.jobs job ended job_id=6f1d path="/a b"

A line is made for people, and says exactly what the record says: `record_of(line_of(r)) == r`.
Text stands as it is where that leaves no doubt, and as JSON (with what does not print escaped)
everywhere else:

- the sentence, unless it has a '=' or a '"' in it: so the fields begin at the word with the first;
- a field's name, unless it has a space, a '=' or a '"' in it; the target likewise;
- a field's value, unless it has a space or a '"' in it.

A line that was not made like this, or was damaged, is no record.
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from uuid import UUID

from sd_wire.events import LogMessage

LEVELS = ("ERROR", "WARN", "INFO", "DEBUG", "TRACE")

_HEAD = re.compile(
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z) (?:(ERROR|DEBUG|TRACE)|(WARN|INFO) ) "
)
_QUOTED = r'"[^"\\]*(?:\\.[^"\\]*)*"'
_TARGET = re.compile(rf'({_QUOTED}|[^ "]+) ')
_WHOLE = re.compile(_QUOTED)
_DOUBTFUL = re.compile(r'[="]')
_FIELD = re.compile(rf' ({_QUOTED}|[^ ="]+)=({_QUOTED}|[^ "]+)')
_UNPRINTED = re.compile("[^\x20-\x7e]")
_HALF = re.compile("[\ud800-\udfff]")


def record_with(
    fields: dict[str, str], timestamp: datetime, level: str, target: str, message: str
) -> LogMessage:
    """A record with these fields; the job and the library among them have a place of their own."""
    job = fields.pop("job_id", None)
    library = _library_in(fields)
    return LogMessage(timestamp, level, target, message, job, library, fields)


def _library_in(fields: dict[str, str]) -> UUID | None:
    text = fields.get("library_id")
    try:
        found = UUID(text) if text is not None else None
    except ValueError:
        return None  # some other kind of id: it stays where it is
    fields.pop("library_id", None)
    return found


# --- to text -------------------------------------------------------------------------------------


def printable(text: str) -> str:
    """Text that every file and every encoding can hold: a byte that is not UTF-8, which Python
    carries as half a surrogate pair, is spelled `\\xff`."""
    return text if text.isascii() else _HALF.sub(_spelled, text)


def _spelled(found: re.Match[str]) -> str:
    code = ord(found.group())
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else f"\\u{code:04x}"


def stamp_of(time: datetime) -> str:
    """A time, which has to be in UTC, as it stands at the beginning of a line."""
    return f"{time.replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def line_of(record: LogMessage) -> str:
    """A record as a line without its end."""
    return f"{stamp_of(record.timestamp)} {record.level:<5} {rest_of(record)}"


def rest_of(record: LogMessage) -> str:
    """What follows the time and the level."""
    said = record.message
    if not said or not said.isprintable() or _DOUBTFUL.search(said):
        said = _quoted(said)
    fields = "".join(f" {_word(name, '=')}={_word(text)}" for name, text in _fields_of(record))
    return f"{_word(record.target)} {said}{fields}"


def _fields_of(record: LogMessage) -> list[tuple[str, str]]:
    named = [("job_id", record.job_id), ("library_id", record.library_id)]
    known = [(name, str(value)) for name, value in named if value is not None]
    return [*known, *record.fields.items()]


def _word(text: str, but: str = " ") -> str:
    plain = text and text.isprintable() and not (" " in text or '"' in text or but in text)
    return text if plain else _quoted(text)


def _quoted(text: str) -> str:
    encoded = json.dumps(text, ensure_ascii=False)
    return encoded if encoded.isprintable() else _UNPRINTED.sub(_escaped, encoded)


def _escaped(found: re.Match[str]) -> str:
    char = found.group()
    return char if char.isprintable() else json.dumps(char)[1:-1]


# --- from text -----------------------------------------------------------------------------------


def record_of(line: str) -> LogMessage | None:
    """The record that a line without its end stands for, if it stands for one."""
    head = _HEAD.match(line)
    target = _TARGET.match(line, head.end()) if head else None
    if head is None or target is None:
        return None
    try:
        message, place = _message_at(line, target.end())
        fields = _fields_at(line, place)
        time = datetime.fromisoformat(head[1])
        return record_with(fields, time, head[2] or head[3], _text(target[1]), message)
    except ValueError:  # from whichever part of it was damaged
        return None


def _message_at(line: str, start: int) -> tuple[str, int]:
    """The sentence, and where it ends."""
    quoted = _WHOLE.match(line, start)
    if quoted:
        return _text(quoted.group()), quoted.end()
    doubt = _DOUBTFUL.search(line, start)
    end = line.rfind(" ", start, doubt.start()) if doubt else len(line)
    if end <= start:
        raise ValueError("a line without a sentence")
    return line[start:end], end


def _fields_at(line: str, place: int) -> dict[str, str]:
    fields: dict[str, str] = {}
    while place < len(line):
        found = _FIELD.match(line, place)
        if found is None:
            raise ValueError("something that is no field")
        fields[_text(found[1])] = _text(found[2])
        place = found.end()
    return fields


def _text(word: str) -> str:
    text: str = json.loads(word) if word.startswith('"') else word
    return text
