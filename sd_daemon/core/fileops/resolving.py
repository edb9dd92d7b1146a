"""The job that leaves one of several files with the same content.

params: those of `sd_wire.operations.duplicates.ResolveDuplicates`, paths as encoded_path, and
  title  what it is called in the history
  own    folders that the daemon lives in

What the index says is only where to look: each file is compared byte for byte with the one that
stays, right before anything is done to it, and that one is looked at once more after that. To link
is to make the new name beside the old one, hidden, and to rename it over that.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from sd_daemon.core.db.connection import failures, open_reader
from sd_daemon.core.fileops import trash
from sd_daemon.core.fileops.comparing import compare
from sd_daemon.core.fileops.failures import LISTED, Failures
from sd_daemon.core.fileops.journal import (
    Journal,
    Operation,
    OperationKind,
    OperationState,
    Proof,
    Step,
    StepKind,
    StepState,
)
from sd_daemon.core.fileops.linking import Linking
from sd_daemon.core.fileops.protected import Protected
from sd_daemon.core.fileops.taking import is_the_same, prepare, source_of, target_of
from sd_daemon.core.fileops.trashing import Trashing
from sd_daemon.core.files import duplicates
from sd_daemon.core.index.walk import Subtree
from sd_daemon.core.jobs.params import encoded_path, path_of
from sd_daemon.core.paths import content_uuid
from sd_wire.errors import PathProtected
from sd_wire.operations.duplicates import Keep, Resolution

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from sd_daemon.core.files.duplicates import Copy
    from sd_daemon.core.jobs.context import JobContext


_SHOWN = 1000  # items of a dry run
_LINKED = "one file took the place of another with the same content"


class Pair(NamedTuple):
    """A file that is too many, and the one with the same content that stays."""

    keeper: str
    other: str
    size: int


class Plan:
    """What is to be done, by the index."""

    def __init__(self, db: sqlite3.Connection, params: dict[str, Any]) -> None:
        self._db = db
        self._keep = Keep(params["keep"])
        self._folder = path_of(params["keep_folder"])
        self._named = {path_of(one) for one in params["keep_files"]}
        self._within = path_of(params["within"]) or None
        self._contents = set(params["contents"])
        self._min_size = int(params["min_size"])
        self._protected = Protected([path_of(one) for one in params["own"]], [])
        self.groups = 0

    def pairs(self) -> Iterator[Pair]:
        """Every file that is too many, group by group."""
        found = duplicates.groups(self._db, min_size=self._min_size, within=self._within).found
        for group in found:
            if self._contents and str(content_uuid(group.content)) not in self._contents:
                continue
            copies = list(duplicates.copies(self._db, group.content, self._within))
            keepers = self._keepers(copies)
            if not keepers:
                continue
            self.groups += 1
            for one in copies:
                if one not in keepers and not self._is_protected(one.path):
                    yield Pair(keepers[0].path, one.path, one.size)

    def _keepers(self, copies: list[Copy]) -> list[Copy]:
        if self._keep is Keep.IN_FOLDER:
            below = Subtree(self._folder)
            return [one for one in copies if below.contains(one.path)]
        if self._keep is Keep.NAMED:
            return [one for one in copies if one.path in self._named]
        if self._keep is Keep.SHORTEST_PATH:
            return [min(copies, key=lambda one: (len(os.fsencode(one.path)), one.path))]
        return [copies[-1] if self._keep is Keep.NEWEST else copies[0]]

    def _is_protected(self, path: str) -> bool:
        try:
            self._protected.check(path)
        except PathProtected:
            return True
        return False


def run_resolve(params: dict[str, Any], context: JobContext) -> dict[str, Any]:
    """Resolve. Raises JobInterrupted, DatabaseFailure, and where nothing at all could be done what
    was in the way of the first."""
    if params["dry_run"]:
        return _dry_run(params, context)
    action = Resolution(params["action"])
    kind = StepKind.TRASH if action is Resolution.TRASH else StepKind.CREATE
    lasting = None if action is Resolution.TRASH else _LINKED
    with Journal(context.library_dir) as journal:
        operation = journal.begin_or_continue(
            context.job_id, OperationKind.RESOLVE, str(params["title"]), lasting=lasting
        )
        if next(operation.steps(), None) is None:
            prepare(operation, [_step(kind, pair) for pair in _planned(params, context)])
        failed, spared = Failures(), Spared()
        if kind is StepKind.TRASH:
            Resolving(operation, context, failed, spared).run()
        else:
            shares = action is Resolution.REFLINK
            Linking(operation, context, failed, spared.add, shares=shares).run()
        return _concluded(operation, failed, spared)


def _planned(params: dict[str, Any], context: JobContext) -> list[Pair]:
    file = f"{context.library_dir}/library.db"
    with failures(file):
        db = open_reader(file)
        try:
            return list(Plan(db, params).pairs())
        finally:
            db.close()


def _step(kind: StepKind, pair: Pair) -> Step:
    if kind is StepKind.CREATE:
        return Step(kind, source=pair.keeper, target=pair.other)
    kept = msgspec.json.encode({"keep": encoded_path(pair.keeper)}).decode()
    return Step(kind, source=pair.other, detail=kept)


class Spared:
    """Files that were left as they are, and why."""

    def __init__(self) -> None:
        self.count = 0
        self.listed: list[dict[str, Any]] = []

    def add(self, path: str, reason: str) -> None:
        """One more."""
        self.count += 1
        if len(self.listed) < LISTED:
            self.listed.append({**encoded_path(path), "reason": reason})


class Resolving(Trashing):
    """Puts files into the trash that are the same as one that stays."""

    batch = 1
    phase = "Comparing"
    word = "looked at"

    def __init__(
        self, operation: Operation, context: JobContext, failed: Failures, spared: Spared
    ) -> None:
        super().__init__(operation, context, failed)
        self._spared = spared
        self._kept: Proof | None = None

    def _spares(self, step: Step) -> bool:
        keeper = keeper_of(step)
        try:
            found = compare(keeper, source_of(step), lambda _: self._context.safe_point())
        except OSError as error:
            self._fail(step, error)
            return True
        if found.reason is None:
            self._kept = Proof.of(found.one)
            step.proof = Proof.of(found.other)
            return False
        self._spared.add(source_of(step), found.reason)
        step.detail = found.reason
        self._operation.save([step], StepState.SKIPPED)
        return True

    def _fill(self, step: Step) -> bool:
        keeper = Step(StepKind.CREATE, proof=self._kept)
        if is_the_same(keeper, keeper_of(step)) and is_the_same(step, source_of(step)):
            return super()._fill(step)
        trash.release(target_of(step))
        self._spared.add(source_of(step), "it was changed meanwhile")
        self._operation.save([step], StepState.SKIPPED)
        return False


def keeper_of(step: Step) -> str:
    """The file that stays, of a step that puts another into the trash."""
    return path_of(msgspec.json.decode(step.detail or "{}").get("keep"))


def _concluded(operation: Operation, failed: Failures, spared: Spared) -> dict[str, Any]:
    steps = list(operation.steps())
    done = [step for step in steps if step.state is StepState.DONE]
    state = OperationState.FAILED if failed.count and not done else OperationState.DONE
    operation.finish(state)
    failed.raise_if_nothing_else(len(done) + spared.count)
    return {
        "duplicate_groups": len({step.source for step in steps if step.kind is StepKind.CREATE}),
        "total_duplicates": len(steps),
        "potential_savings": sum(step.proof.size if step.proof else 0 for step in done),
        "resolved_count": len(done),
        "skipped_count": spared.count,
        "skipped": spared.listed,
        **failed.as_output(),
        "warnings": failed.warnings(),
        "dry_run": False,
        "items": [],
    }


def _dry_run(params: dict[str, Any], context: JobContext) -> dict[str, Any]:
    """Compare, and say what would be done."""
    failed, spared = Failures(), Spared()
    pairs = _planned(params, context)
    items: list[dict[str, Any]] = []
    count = saved = 0
    for number, pair in enumerate(pairs):
        context.progress("Comparing", number, len(pairs), path=os.fsencode(pair.other))
        try:
            found = compare(pair.keeper, pair.other, lambda _: context.safe_point())
        except OSError as error:
            spared.add(pair.other, error.strerror or "it cannot be read")
            continue
        if found.reason is not None:
            spared.add(pair.other, found.reason)
            continue
        count += 1
        saved += pair.size
        if len(items) < _SHOWN:
            items.append({"path": encoded_path(pair.other), "keep": encoded_path(pair.keeper)})
    return {
        "duplicate_groups": len({pair.keeper for pair in pairs}),
        "total_duplicates": len(pairs),
        "potential_savings": saved,
        "resolved_count": count,
        "skipped_count": spared.count,
        "skipped": spared.listed,
        **failed.as_output(),
        "warnings": [],
        "dry_run": True,
        "items": items,
    }
