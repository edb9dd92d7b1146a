"""What a worker prints on standard error is logged once, with its job."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from sd_daemon.core.jobs.process import WorkerProcess
from sd_daemon.core.jobs.reports import Broken, Order

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The Python that workers are started with, to be written."""
    path = tmp_path / "python"
    monkeypatch.setattr("sys.executable", str(path))
    return path


@pytest.mark.parametrize(
    ("then", "code"), [(f'exec {sys.executable} "$@"', "unknown-job"), ("exit 3", "worker-lost")]
)
async def test_what_a_worker_prints_is_logged_once(
    python: Path, caplog: pytest.LogCaptureFixture, then: str, code: str
) -> None:
    python.write_text(f"#!/bin/sh\nprintf 'what\\nis this\\n' >&2\n{then}\n")
    python.chmod(0o755)
    worker = await WorkerProcess.start(Order("job 7", "nothing", "/", {}))
    (last,) = [report async for report in worker.reports()]
    assert isinstance(last, Broken)
    assert last.code == code
    logged = [record.fields for record in caplog.records if "complained" in record.message]
    if code == "worker-lost":  # the runner logs it with the job's failure
        assert last.trace == "what\nis this"
        assert logged == []
    else:
        assert logged == [{"job_id": "job 7", "trace": "what\nis this"}]
