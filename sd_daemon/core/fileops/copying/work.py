"""One step of a copy or move while it is taken, and what is stored with it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

from sd_daemon.core.fileops.copying.file import Base
from sd_daemon.core.fileops.copying.planning import look
from sd_daemon.core.fileops.erasing import hidden_name
from sd_daemon.core.fileops.journal import Step, StepKind, StepState

if TYPE_CHECKING:
    from sd_daemon.core.fileops.journal import Operation


class Detail(msgspec.Struct, omit_defaults=True):
    """What a step needs besides its columns, as JSON in `detail`."""

    bytes: int = 0  # of content, when it is done
    files: int = 0
    replaces: bool = False  # the next step gives its name to something else
    across: bool = False  # a move between two filesystems: a copy, and then the source goes
    removing: bool = False  # ... and this is where it is
    stays: bool = False  # ... but the source stayed, since not all of it could be copied
    partly: bool = False  # ... and what could be removed of it is gone
    kept: bool = False  # there was no trash: it is kept beside its place until all is done
    erase: bool = False  # whatever it is, with all that is in it
    folder: list[int] | None = None  # mode, owner, group and time (ns) of a folder that goes
    reason: str | None = None  # why it failed

    @classmethod
    def of(cls, step: Step) -> Detail:
        """What is stored with a step."""
        if step.detail is None or not step.detail.startswith("{"):
            return cls()
        return msgspec.json.decode(step.detail, type=cls)

    def text(self) -> str:
        """As it is stored."""
        return msgspec.json.encode(self).decode()


class Work:
    """A step that something arrives by: CREATE or MOVE, with the step that clears its name."""

    def __init__(self, operation: Operation, step: Step, replaced: Step | None) -> None:
        assert step.target is not None
        self.step = step
        self.replaced = replaced
        self.detail = Detail.of(step)
        self.source = step.source or ""
        self.target = step.target
        folder = os.path.dirname(self.target)
        self.hidden = f"{folder}/{hidden_name(operation.id, step.number)}"
        self.base = Base(self.hidden, 0)
        self.failed: str | None = None  # why it was not done
        self.again = False  # it begins again, in another way
        self.incomplete = False  # something in it could not be copied
        self.published = self._is_published()

    @property
    def steps(self) -> list[Step]:
        """The steps of it that are stored."""
        return [self.step] if self.replaced is None else [self.replaced, self.step]

    @property
    def is_copy(self) -> bool:
        """Whether it is built before it appears; else it is renamed."""
        return self.step.kind is StepKind.CREATE or self.detail.across

    @property
    def comes_from(self) -> str:
        """Where it is before it appears."""
        return self.hidden if self.is_copy else self.source

    def note(self) -> None:
        """Put the detail where it is stored."""
        self.step.detail = self.detail.text()

    def _is_published(self) -> bool:
        """Whether an earlier run has let it appear already."""
        proof = self.step.proof
        if self.step.state is not StepState.DOING or proof is None:
            return False
        there = look(self.target)
        return there is not None and (there.st_dev, there.st_ino) == (proof.device, proof.inode)
