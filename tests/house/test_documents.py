"""What is written down is what the code does."""

from __future__ import annotations

import subprocess
import sys

import pytest
from source import ROOT


@pytest.mark.parametrize("script", ["derive.py", "manual.py", "completion.py"])
def test_derived_documents_follow_from_the_declarations(script: str) -> None:
    ran = subprocess.run(
        [sys.executable, f"docs/{script}", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
