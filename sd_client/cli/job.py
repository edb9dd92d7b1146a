"""`sd job list` and `sd job watch`: what there was to do, and how far it is."""

from __future__ import annotations

import click
import msgspec

from sd_client.cli import names
from sd_client.cli.command import command
from sd_client.cli.session import Session, pass_session
from sd_client.cli.text import number
from sd_client.cli.values import Choice
from sd_client.cli.views import show
from sd_client.cli.watch import watch
from sd_wire.operations.jobs import ListActiveJobs, ListJobs
from sd_wire.types.jobs import JobStatus

USUAL = 20  # jobs that are over


@command("list", "sd job list", "sd job list --status failed -n 5", "sd job list --all --json")
@click.option("--status", type=Choice.of(JobStatus), metavar="STATUS", help="only in this state")
@click.option(
    "-n",
    "--limit",
    type=click.IntRange(1, 10_000),
    metavar="N",
    help=f"how many of those that are over, the newest  [default: {USUAL}]",
)
@click.option("--all", "everything", is_flag=True, help="all that are remembered")
@pass_session
def list_command(
    session: Session, *, status: str | None, limit: int | None, everything: bool
) -> None:
    """List jobs, newest first: all that wait, run or are paused, and the newest of those that are
    over. STATUS is queued, running, paused, completed, failed or cancelled."""
    if everything and limit is not None:
        raise click.UsageError("--all and --limit exclude each other")
    chosen = None if status is None else JobStatus(status)
    found = session.call(ListJobs(chosen, None if everything else limit or USUAL))
    output = session.output
    if output.json:
        output.document(found)
        return
    show(output, "jobs.list", msgspec.to_builtins(found))
    left = found.total_count - len(found.jobs)
    if left > 0:
        output.remark(f"and {number(left)} more: --all lists them, -n N so many")


@command("watch", "sd job watch", "sd job watch 3f2a --json")
@click.argument("job", required=False)
@pass_session
def watch_command(session: Session, job: str | None) -> None:
    """Show the progress of a job until it is over; without JOB, of everything under way, one
    after the other. Ctrl-C ends the watching, not the job. Ends with 0 where the job completed,
    with 1 where it was cancelled, with the status of its error where it failed, with 130 after
    Ctrl-C."""
    if job is not None:
        watch(session, names.job_id(session.client, job, session.library_id()))
        return
    active = session.call(ListActiveJobs()).jobs
    if not active:
        session.output.remark("no job is under way")
    for each in active:
        watch(session, each.id)
