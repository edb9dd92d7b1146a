"""Cut a release: `make release VERSION=1.2.3`.

The fragments of changelog.d become a section of CHANGELOG.md and an entry of debian/changelog, and
pyproject.toml, the one place that says the version, says the new one. Nothing is committed: look at
it, commit, tag it v1.2.3, and `make dist deb`.
"""

from __future__ import annotations

import datetime
import email.utils
import os
import re
import sys
import textwrap
import time
from typing import TYPE_CHECKING

from release.version import ROOT, version

if TYPE_CHECKING:
    from pathlib import Path

FRAGMENTS = "changelog.d"


def numbers(text: str) -> tuple[int, ...]:
    """A version as something that can be compared. SystemExit for what is none."""
    if not re.fullmatch(r"\d+\.\d+\.\d+", text):
        raise SystemExit(f"a version looks like 1.2.3, not like {text!r}")
    return tuple(map(int, text.split(".")))


def points(fragment: str) -> list[str]:
    """What a fragment says, each point as one line."""
    listed = fragment if fragment.startswith("- ") else f"- {fragment}"
    return [" ".join(one.split()) for one in re.split(r"^- ", listed, flags=re.MULTILINE)[1:]]


def wrapped(text: str, width: int, first: str, others: str) -> str:
    """One point in lines that break no word."""
    wrapper = textwrap.TextWrapper(width, initial_indent=first, subsequent_indent=others)
    wrapper.break_long_words = wrapper.break_on_hyphens = False
    return wrapper.fill(text)


def section(cut: str, day: str, said: list[str]) -> str:
    """The section of CHANGELOG.md."""
    listed = [wrapped(one, 118, "- ", "  ") for one in said]
    return "\n".join([f"## {cut} ({day})", "", *listed, ""])


def entry(cut: str, stamp: str, said: list[str], maintainer: str) -> str:
    """The entry of debian/changelog, in plain text."""
    plain = [re.sub(r"\[(.+?)\]\(.*?\)", r"\1", one).replace("`", "") for one in said]
    listed = [wrapped(one, 79, "  * ", "    ") for one in plain]
    head = f"spacedrive ({cut}-1) unstable; urgency=medium"
    return "\n".join([head, "", *listed, "", f" -- {maintainer}  {stamp}", ""])


def without_entry(changelog: str, cut: str) -> str:
    """debian/changelog without the entry that stands for a version until it is released."""
    head, separator, rest = changelog.partition("\n\nspacedrive (")
    if not head.startswith(f"spacedrive ({cut}-1)"):
        return f"\n{changelog}"
    return f"\nspacedrive ({rest}" if separator else ""


def cut_release(cut: str, root: Path = ROOT) -> None:
    """Do it, in a checkout. SystemExit where the version or the fragments do not allow it."""
    fragments = [one for one in sorted((root / FRAGMENTS).glob("*.md")) if one.stem != "README"]
    changes = (root / "CHANGELOG.md").read_text("utf-8")
    if numbers(cut) < numbers(version(root)) or f"\n## {cut} (" in changes:
        raise SystemExit(f"{cut} is not after {version(root)}")
    if not fragments:
        raise SystemExit(f"nothing has changed: {FRAGMENTS} has no fragments")
    said = [point for one in fragments for point in points(one.read_text("utf-8").strip())]
    now = int(os.environ.get("SOURCE_DATE_EPOCH", time.time()))
    day = datetime.datetime.fromtimestamp(now, datetime.UTC)
    head, separator, older = changes.partition("\n## ")
    new = section(cut, f"{day:%Y-%m-%d}", said)
    (root / "CHANGELOG.md").write_text(f"{head.rstrip()}\n\n{new}{separator}{older}", "utf-8")
    control = (root / "debian/control").read_text("utf-8")
    maintainer = control.partition("Maintainer: ")[2].partition("\n")[0]
    changelog = (root / "debian/changelog").read_text("utf-8")
    made = entry(cut, email.utils.format_datetime(day), said, maintainer)
    (root / "debian/changelog").write_text(made + without_entry(changelog, cut), "utf-8")
    project = (root / "pyproject.toml").read_text("utf-8")
    named = re.sub(r'^version = ".*"$', f'version = "{cut}"', project, count=1, flags=re.MULTILINE)
    (root / "pyproject.toml").write_text(named, "utf-8")
    for one in fragments:
        one.unlink()


if __name__ == "__main__":
    cut_release(sys.argv[1])
