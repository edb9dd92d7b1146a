"""What a job that copies, moves or renames is given."""

from __future__ import annotations

import os
from typing import Any

import msgspec

from sd_daemon.core.fileops.journal import OperationKind
from sd_daemon.core.fileops.names import COPY, MOVE
from sd_daemon.core.jobs.params import encoded_path, path_of
from sd_daemon.core.paths import shown
from sd_wire.operations.files import ConflictResolution, CopyMethod


class Pair(msgspec.Struct):
    """What goes where. Real paths: only their last part may be a symbolic link."""

    source: str
    target: str


class CopyOrder(msgspec.Struct):
    """Everything that decides what happens."""

    kind: OperationKind  # what it is for a person
    pairs: list[Pair]
    move: bool = False
    verify: bool = False
    keep_times: bool = True
    method: CopyMethod = CopyMethod.AUTO
    resolution: ConflictResolution = ConflictResolution.ABORT
    decisions: dict[str, ConflictResolution] = {}
    made: str | None = None  # a folder that was made for it

    def params(self) -> dict[str, Any]:
        """As the parameters of a job, in JSON."""
        return {
            "kind": str(self.kind),
            "pairs": [[encoded_path(one.source), encoded_path(one.target)] for one in self.pairs],
            "move": self.move,
            "verify": self.verify,
            "keep_times": self.keep_times,
            "method": str(self.method),
            "resolution": str(self.resolution),
            "decisions": [[encoded_path(path), str(one)] for path, one in self.decisions.items()],
            "made": None if self.made is None else encoded_path(self.made),
        }

    @classmethod
    def of(cls, params: dict[str, Any]) -> CopyOrder:
        """From the parameters of a job."""
        return cls(
            kind=OperationKind(params["kind"]),
            pairs=[Pair(path_of(one), path_of(other)) for one, other in params["pairs"]],
            move=params["move"],
            verify=params["verify"],
            keep_times=params["keep_times"],
            method=CopyMethod(params["method"]),
            resolution=ConflictResolution(params["resolution"]),
            decisions={path_of(path): ConflictResolution(one) for path, one in params["decisions"]},
            made=None if params["made"] is None else path_of(params["made"]),
        )

    @property
    def name(self) -> str:
        """The kind of job that does it."""
        return MOVE if self.move else COPY

    def title(self) -> str:
        """What it is called in the history."""
        if self.kind is OperationKind.RENAME:
            old, new = (os.path.basename(path) for path in (self.pairs[0].source, self.target))
            return f"Renaming of {shown(old)} to {shown(new)}"
        what = "Move" if self.move else "Copy"
        if self.kind is OperationKind.CREATE and self.made is not None:
            return f"New folder {shown(self.made)}"
        if len(self.pairs) == 1:
            old, new = (os.path.basename(path) for path in (self.pairs[0].source, self.target))
            where = self._where() if old == new else shown(self.target)
            return f"{what} of {shown(old)} to {where}"
        return f"{what} of {len(self.pairs)} things to {self._where()}"

    @property
    def target(self) -> str:
        """Where the first of them goes."""
        return self.pairs[0].target

    def _where(self) -> str:
        return shown(os.path.dirname(self.target))
