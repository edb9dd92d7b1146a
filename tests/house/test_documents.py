"""What is written down is what the code does."""

from __future__ import annotations

import subprocess
import sys

from source import ROOT


def test_derived_documents_follow_from_the_declarations() -> None:
    ran = subprocess.run(
        [sys.executable, "docs/derive.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
