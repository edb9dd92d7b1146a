"""How single things look: names, sizes, counts, times.

Imports nothing that a fresh interpreter has not loaded anyway: the launcher's quick path uses it,
and so does the rest of the command.

Names on a disk are bytes, and a terminal obeys some of them. What goes to a terminal is therefore
spelled out where it cannot be shown; what goes into a pipe or a file keeps its bytes, so that
`sd search x | xargs -d '\\n' ls` works on any name.
"""

from __future__ import annotations

from time import localtime, strftime

# Joiners are invisible, harmless, and part of many emoji and of Persian and Indic spelling.
_JOINERS = "\u200c\u200d"
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\x1b": "\\e"}
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


def _spelled(char: str) -> str:
    if char.isprintable() or char in _JOINERS or (char.isspace() and ord(char) > 0x9F):
        return char
    code = ord(char)
    if char in _SHORT:
        return _SHORT[char]
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is not UTF-8, as Python carries it
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def shown(text: str) -> str:
    """A name as it may be sent to a terminal."""
    return text if text.isprintable() else "".join(map(_spelled, text))


def encoded(text: str) -> bytes:
    """Text as bytes for a file descriptor; names get their own bytes back."""
    return text.encode("utf-8", "surrogateescape")


def size(count: int) -> str:
    """1536 as '1.5 KiB'."""
    amount = float(count)
    for unit in _UNITS:
        if amount < 999.5 or unit == _UNITS[-1]:
            break
        amount /= 1024
    if unit == "B":
        return f"{count} B"
    return f"{amount:.1f} {unit}" if amount < 9.95 else f"{amount:.0f} {unit}"


_PLAIN = "-_./=:@%+,"


def word(text: str) -> str:
    """A word as a shell takes it."""
    if text and all(char.isalnum() or char in _PLAIN for char in text):
        return text
    return '"' + "".join(f"\\{char}" if char in '"$`\\' else char for char in text) + '"'


def repeating(given: str, text: str) -> str:
    """A sentence whose suggestions, such as 'sd start', repeat what was given: the options that
    say which daemon is meant."""
    return text.replace("'sd ", f"'sd {given} ") if given else text


def number(count: int, noun: str = "", plural: str = "") -> str:
    """12345 as '12,345', and with a noun as '12,345 files'."""
    text = f"{count:,}"
    if not noun:
        return text
    return f"{text} {noun if count == 1 else plural or noun + 's'}"


def span(seconds: float) -> str:
    """A length of time in its two largest units: '3 h 12 min'."""
    whole = int(seconds)
    if seconds < 10 and whole != seconds:
        return f"{seconds:.1f} s"
    parts = [(whole // 86400, "d"), (whole // 3600 % 24, "h"), (whole // 60 % 60, "min")]
    parts.append((whole % 60, "s"))
    while len(parts) > 1 and parts[0][0] == 0:
        parts.pop(0)
    return " ".join(f"{value} {unit}" for value, unit in parts[:2] if value or len(parts) == 1)


def epoch(time: str) -> int:
    """The seconds since 1970 of '2025-11-23T01:44:07.123456Z'. Always UTC on the wire."""
    year, month, day = int(time[:4]), int(time[5:7]), int(time[8:10])
    # Years begin in March here, so that the day that may be missing comes last.
    year, month = (year, month - 3) if month > 2 else (year - 1, month + 9)
    days = (
        year * 365 + year // 4 - year // 100 + year // 400 + (month * 153 + 2) // 5 + day - 719469
    )
    return days * 86400 + int(time[11:13]) * 3600 + int(time[14:16]) * 60 + int(time[17:19])


def moment(time: str) -> str:
    """A time of the wire as the local '2025-11-23 01:44'."""
    return strftime("%Y-%m-%d %H:%M", localtime(epoch(time)))


def clock(time: str) -> str:
    """A time of the wire as the local '01:44:07.123'."""
    fraction = (time[20:23] if time[19:20] == "." else "").rstrip("Z")
    return strftime("%H:%M:%S", localtime(epoch(time))) + "." + fraction.ljust(3, "0")


def path_of(sd_path: dict[str, dict[str, str]]) -> str:
    """The path in an SdPath as it came off the wire, with the exact bytes where they are there."""
    for form, fields in sd_path.items():
        if form == "Physical":
            exact = fields.get("path_bytes")
            return fields["path"] if exact is None else name_from(exact)
        if form == "Cloud":
            return f"{fields['service']}://{fields['identifier']}/{fields['path']}"
        if form == "Content":
            return f"content://{fields['content_id']}"
        return f"sidecar://{fields['content_id']}/{fields['kind']}/{fields['variant']}"
    return ""


_BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


def name_from(base64: str) -> str:
    """The name whose bytes came in base64. (binascii is a file to load on some Pythons.)"""
    digits = base64.rstrip("=")
    value = 0
    for digit in digits:
        value = value * 64 + _BASE64.index(digit)
    bits = len(digits) * 6
    return (value >> bits % 8).to_bytes(bits // 8, "big").decode("utf-8", "surrogateescape")
