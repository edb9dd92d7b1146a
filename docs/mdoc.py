"""Manual pages in mdoc(7): text and macros, written so that mandoc and groff have no complaint."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# The day on which somebody last read the pages from end to end. Not the day of the build: two
# builds of the same source have to give the same pages.
DATE = "November 23, 2026"
LONGEST_NAME = 64
LONGEST_TERM = 64
NOTE = r".\" Derived from the declarations by docs/manual.py; do not edit."

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")
_MACRO = re.compile(r"%?[A-Z][a-z]|%[A-Z]")
_DELIMITERS = set(".,:;()[]?!|")


def literal(text: str) -> str:
    """Text that can be copied out of the page and typed: every character is what it is."""
    for character, name in (
        ("\\", r"\e"),
        ("-", r"\-"),
        ("'", r"\(aq"),
        ("`", r"\(ga"),
        ("^", r"\(ha"),
        ("~", r"\(ti"),
    ):
        text = text.replace(character, name)
    return r"\&" + text if text[:1] == "." else text


def prose(text: str) -> list[str]:
    """Sentences, one on a line; a word that begins with a dash can be copied."""
    lines = []
    for sentence in _SENTENCE_END.split(" ".join(text.split())):
        words = []
        for word in sentence.split(" "):
            typed = re.match(r"\W*-|\W*[~/]", word) is not None
            between = re.sub(r"(?<=\w)'(?=\w)", "\0", word)
            escaped = literal(between) if typed else literal(between.replace("-", "\1"))
            words.append(escaped.replace("\0", "'").replace("\1", "-"))
        lines.append(" ".join(words))
    return lines


def paragraphs(*texts: str) -> list[str]:
    """Prose with a blank line between each."""
    lines: list[str] = []
    for text in texts:
        lines += [*([".Pp"] if lines else []), *prose(text)]
    return lines


def first_sentence(text: str) -> str:
    """What stands behind the name of a page: the beginning of a text, as a phrase."""
    first = _SENTENCE_END.split(text)[0].partition(":")[0].rstrip(".")
    if len(first) > LONGEST_NAME:
        first = first.partition(",")[0]
    return first[:1].lower() + first[1:]


def sentence(text: str) -> str:
    """A phrase of the help as a sentence of a page."""
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text[-1:] in (".", "]") else ".")


def word(text: str) -> str:
    """One argument of a macro."""
    safe = literal(text).replace('"', r"\(dq")
    if _MACRO.fullmatch(text) or text in _DELIMITERS:
        return r"\&" + safe
    return f'"{safe}"' if " " in safe else safe


def macro(name: str, *arguments: str) -> str:
    """A line that begins with a macro; the arguments are taken as they are."""
    return " ".join([f".{name}", *map(word, arguments)])


def flag(name: str, metavar: str = "") -> str:
    """An option inside of a macro's line; Fl writes the first of its dashes."""
    value = f" Ar {word(metavar)}" if metavar else ""
    return f"Fl {literal(name[1:])}{value}"


def long_flags(names: Sequence[str], metavar: str = "") -> list[str]:
    """The terms of an option: one, or one for each spelling where they would not fit on a line."""
    if sum(len(name) + len(metavar) + 3 for name in names) <= LONGEST_TERM:
        return [flags(names, metavar)]
    return [flag(name, metavar) for name in names]


def flags(names: Sequence[str], metavar: str = "") -> str:
    """The spellings of an option."""
    return " , ".join(flag(name, metavar) for name in names)


def tagged(rows: Iterable[tuple[str, Sequence[str]]], *, compact: bool = False) -> list[str]:
    """A list of terms, which are macro lines without their dot, and what each means."""
    lines = [".Bl -tag -width Ds" + (" -compact" if compact else "")]
    for term, about in rows:
        lines += [f".It {term}", *about]
    return [*lines, ".El"]


def table(rows: Iterable[tuple[str, str]], width: str) -> list[str]:
    """A list whose terms have a column as wide as `width`."""
    lines = [f".Bl -tag -width {word(width)} -compact"]
    for term, about in rows:
        lines += [f".It {term}", *prose(about)]
    return [*lines, ".El"]


def display(lines: Iterable[str]) -> list[str]:
    """Lines as they would be typed."""
    return [".Bd -literal -offset indent", *map(literal, lines), ".Ed"]


def see_also(pages: Iterable[tuple[str, str]]) -> list[str]:
    """References to other pages, by section and name."""
    ordered = sorted(set(pages), key=lambda page: (page[1], page[0]))
    commas = [" ,"] * (len(ordered) - 1) + [""]
    return [
        ".Sh SEE ALSO",
        *(
            f".Xr {name} {section}{comma}"
            for (name, section), comma in zip(ordered, commas, strict=True)
        ),
    ]


def page(
    title: str, section: str, names: Sequence[str], about: str, body: Iterable[Sequence[str]]
) -> str:
    """A whole page."""
    named = [macro("Nm", one) + (" ," if one is not names[-1] else "") for one in names]
    head = [NOTE, f".Dd {DATE}", f".Dt {title.upper()} {section}", ".Os Spacedrive", ".Sh NAME"]
    lines = [*head, *named, f".Nd {about}"]
    for part in body:
        lines += part
    text = "\n".join(lines) + "\n"
    assert text.isascii(), title
    return text
