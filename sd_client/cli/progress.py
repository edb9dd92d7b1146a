"""Progress as plain lines: one when something begins, and a few on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sd_client.cli.text import shown

if TYPE_CHECKING:
    from types import TracebackType

    from sd_client.cli.output import Output
    from sd_client.cli.watch import View

STEP = 0.1


class Lines:
    """What a log file or a script sees; with --json a line of JSON for every step."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._phase = ""
        self._next = 0.0

    def __enter__(self) -> Lines:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None

    def show(self, view: View) -> None:
        """The job has moved."""
        if self._output.json:
            self._output.document(view)
            return
        if view.phase == self._phase and view.progress < self._next:
            return
        self._phase = view.phase
        self._next = view.progress + STEP
        self._output.remark(shown(f"{view.name}: {view.line}"))
