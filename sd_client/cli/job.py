"""`sd job watch`: jobs that are under way, as they go."""

from __future__ import annotations

import click

from sd_client.cli import names
from sd_client.cli.command import command
from sd_client.cli.session import Session, pass_session
from sd_client.cli.watch import watch
from sd_wire.operations.jobs import ListActiveJobs


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
