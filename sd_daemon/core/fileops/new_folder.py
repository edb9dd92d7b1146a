"""Making a folder. It is there, and in the history, when the request is answered."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from uuid import uuid4

from sd_daemon.core.fileops.copying.request import check_folder, check_name
from sd_daemon.core.fileops.failures import refusal
from sd_daemon.core.fileops.journal import (
    Journal,
    OperationKind,
    OperationState,
    Proof,
    Step,
    StepKind,
    StepState,
)
from sd_daemon.core.fileops.rename import flush_folder
from sd_daemon.core.paths import shown
from sd_wire.errors import FileConflict

if TYPE_CHECKING:
    from sd_daemon.core.fileops.protected import Protected


def new_folder(
    parent: str,
    name: str,
    items: list[str],
    protected: Protected,
    library_dir: str,
    *,
    parents: bool,
    mode: int | None,
) -> str:
    """Make the folder `name` in `parent`; its path. Where `items` follow into it, it gets into the
    history with them, and else here. Blocks. Raises NameInvalid, FileConflict, and what is wrong
    with `parent`."""
    check_name(name, "name")
    missing = _missing(parent) if parents else []
    existing = os.path.dirname(missing[0]) if missing else parent
    folder = os.path.realpath(existing)
    check_folder(folder, protected, "/payload/parent")
    paths = [folder + one[len(existing) :] for one in missing]
    path = os.path.join(paths[-1] if paths else folder, name)
    if os.path.lexists(path):
        raise FileConflict(path=shown(path), count=1, pointer="/payload/name")
    wanted = [*paths, path]
    if items:
        _make(wanted, mode)
        return path
    with Journal(library_dir) as journal:
        title = f"New folder {shown(path)}"
        operation = journal.begin_or_continue(str(uuid4()), OperationKind.CREATE, title)
        steps = [Step(StepKind.CREATE, target=one) for one in wanted]
        operation.plan(steps)
        operation.intend(steps)
        try:
            _make(wanted, mode)
        except BaseException:
            operation.save(steps, StepState.FAILED)
            operation.finish(OperationState.FAILED)
            raise
        for step, one in zip(steps, wanted, strict=True):
            step.proof = Proof.of(os.lstat(one))
        operation.save(steps, StepState.DONE)
        operation.finish(OperationState.DONE)
    return path


def _missing(folder: str) -> list[str]:
    """The folders on the way to one that are not there, it included, outermost first."""
    missing: list[str] = []
    while not os.path.lexists(folder):
        missing.insert(0, folder)
        folder = os.path.dirname(folder)
    return missing


def _make(paths: list[str], mode: int | None) -> None:
    """Make folders, outermost first; the last one gets the mode."""
    for path in paths:
        try:
            if mode is None or path != paths[-1]:
                os.mkdir(path)
            else:
                os.mkdir(path, mode & 0o700)  # nobody else looks in before it is as it should be
                os.chmod(path, mode)
            flush_folder(os.path.dirname(path))
        except FileExistsError:
            raise FileConflict(path=shown(path), count=1, pointer="/payload/name") from None
        except OSError as error:
            raise refusal(path, error) from None
