"""What is wrong with a job."""

from __future__ import annotations

from sd_wire.errors.error import ExitStatus, SdError


class JobNotFound(SdError):
    """No job has that id."""

    message = "there is no job {job}"
    hint = "'sd job list' shows them"
    exit_status = ExitStatus.NOT_FOUND


class JobStateConflict(SdError):
    """A job cannot do that from where it is."""

    message = "job {job} is {status} and cannot be {wanted}"
    exit_status = ExitStatus.CONFLICT


class JobFailed(SdError):
    """A job whose result was waited for did not succeed."""

    message = "{job_name} failed: {reason}"
    hint = "'sd job info {job}' and 'sd logs' have the details"
