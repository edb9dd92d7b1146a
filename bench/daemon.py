"""The daemon of this checkout, started for a measurement and told what to do."""

from __future__ import annotations

import os
import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from bench.processes import Server
from sd_client.blocking import BlockingClient
from sd_wire.places import socket_path

if TYPE_CHECKING:
    from types import TracebackType

CHECKOUT = Path(__file__).parents[1]
JOB_PATIENCE_S = 900.0
_OVER = ("completed", "failed", "cancelled")


class JobReport(msgspec.Struct):
    """How a job went, as seen from outside and as it says itself."""

    wall: float  # seconds from the request to the first answer that says it is over
    data: dict[str, Any]  # its own report

    def phase(self, name: str) -> float:
        """Seconds that it says it spent in a phase."""
        return float(self.data["seconds"].get(name, 0.0))


def clean_environment() -> dict[str, str]:
    """Ours, without what would lead a program of ours to another daemon."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("SD_")}
    return {**env, "PYTHONPATH": str(CHECKOUT)}


class MeasuredDaemon:
    """A daemon for the length of a block, with a client that is connected to it."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.socket = socket_path(str(data_dir))
        command = [sys.executable, "-m", "sd_daemon", "--data-dir", str(data_dir)]
        self._server = Server(
            command,
            data_dir / "output.log",
            ready=self._answers,
            env={**clean_environment(), "MALLOC_ARENA_MAX": "1"},  # as `sd start` and the units
        )
        self.client = BlockingClient(self.socket, timeout=120.0)

    def __enter__(self) -> MeasuredDaemon:
        self._server.__enter__()
        self.client.connect()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.client.close()
        self._server.stop()

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as made:
            made.settimeout(5)
            try:
                made.connect(self.socket)
                made.sendall(b'"Ping"\n')
                return made.recv(64) == b'"Pong"\n'
            except OSError:
                return False

    @property
    def pid(self) -> int:
        """The process id."""
        return self._server.pid

    def ask(self, method: str, **fields: object) -> Any:
        """Call by the name on the wire."""
        return msgspec.json.decode(self.client.call_raw(method, fields or None))

    def create_library(self, name: str = "Bench") -> str:
        """A new library; returns its id."""
        made = self.ask("action:libraries.create.input", name=name)
        return str(made["library_id"])

    def add_location(self, path: Path, mode: str = "Shallow") -> tuple[str, str]:
        """Start to index a folder; returns the ids of the location and of its job."""
        made = self.ask("action:locations.add.input", path=str(path), mode=mode)
        return made["location_id"], made["job_id"]

    def rescan(self, location: str, *, full: bool) -> str:
        """Read a location again; returns the id of the job."""
        made = self.ask("action:locations.rescan.input", location_id=location, full_rescan=full)
        return str(made["job_id"])

    def wait_for(self, job: str, began: float, step: float = 0.01) -> JobReport:
        """Wait until a job is over. Raises RuntimeError if it did not end well."""
        while True:
            info = self.ask("query:jobs.info", job_id=job)
            wall = time.perf_counter() - began
            if info["status"] in _OVER:
                break
            if wall > JOB_PATIENCE_S:
                raise TimeoutError(f"a job did not end within {JOB_PATIENCE_S:.0f} s")
            time.sleep(step)
        if info["status"] != "completed":
            raise RuntimeError(f"a job ended as {info['status']}: {info['error_message']}")
        return JobReport(wall, info["output"]["data"])

    def index(self, path: Path, mode: str = "Shallow") -> tuple[str, JobReport]:
        """Index a folder from nothing; returns the location and how it went."""
        began = time.perf_counter()
        location, job = self.add_location(path, mode)
        return location, self.wait_for(job, began)

    def index_fully(self, path: Path, files: int) -> tuple[str, JobReport]:
        """The same, and make sure that every file is in."""
        location, report = self.index(path)
        found = report.data["location"]["files"]
        if found != files:
            raise RuntimeError(f"{files} files were to be indexed, {found} were")
        return location, report


def call_line(method: str, payload: object = None) -> bytes:
    """A request as existing clients write it, without an id."""
    word = "Query" if method.startswith("query:") else "Action"
    body = {word: {"method": method, "library_id": None, "payload": payload}}
    return msgspec.json.encode(body) + b"\n"
