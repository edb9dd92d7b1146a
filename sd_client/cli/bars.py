"""Progress as a bar that moves, on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from sd_client.cli.text import number, shown, size, span

if TYPE_CHECKING:
    from types import TracebackType

    from sd_client.cli.output import Output
    from sd_client.cli.watch import View


class Bar:
    """One bar; it leaves when the job is over, and a sentence takes its place."""

    def __init__(self, output: Output) -> None:
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=30),
            TaskProgressColumn(),
            TextColumn("{task.fields[counts]}", markup=False),
            TimeElapsedColumn(),
            console=Console(stderr=True, no_color=not output.colour),
            transient=True,
        )
        self._task = self._progress.add_task("", total=1.0, counts="")

    def __enter__(self) -> Bar:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def show(self, view: View) -> None:
        """The job has moved."""
        counts = number(view.completed) if view.completed else ""
        if view.total > 1:
            counts += f" of {number(view.total)}"
        if view.speed >= 1:
            counts += f"  {size(view.size)}  {size(int(view.speed))}/s"
        elif view.rate >= 1:
            counts += f"  {number(int(view.rate))}/s"
        if view.left is not None and view.left >= 1:
            counts += f"  {span(round(view.left))} left"
        state = view.phase if view.status == "running" else str(view.status)
        self._progress.update(
            self._task, completed=view.progress, description=shown(state), counts=counts
        )
