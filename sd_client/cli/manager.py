"""The service manager that owns a daemon's socket, if one does.

A socket has one owner. Where a systemd socket unit listens on the path that is meant, systemd
starts and stops the daemon behind it, and everything else that did would be in its way. A socket
that no unit names is the daemon's own, and the daemon is started as a process.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING, NamedTuple

from sd_wire.errors import ExitStatus, SdError

if TYPE_CHECKING:
    from sd_client.cli.session import Session

PATIENCE = 120.0  # systemd has time limits of its own, and they are shorter


class ServiceFailed(SdError):
    """The service manager could not do it."""

    kind = "ConnectionFailed"
    message = "{manager} could not {verb} {unit}: {reason}"
    hint = "'{journal}' shows why"


class NoServiceUnit(SdError):
    """What only a service manager can do."""

    kind = "ConnectionFailed"
    message = "no service manager listens on {socket}: it cannot {verb} the daemon"
    # not quoted: a suggestion in quotes would repeat --system
    hint = "sd start starts your own without one; the package brings units for systemd"
    exit_status = ExitStatus.NOT_FOUND


class Unit(NamedTuple):
    """The socket and the service of one daemon, in the systemd of a user or of the system."""

    name: str  # without its ending
    user: bool

    @property
    def manager(self) -> str:
        """What a person calls it."""
        return "systemd (user)" if self.user else "systemd"

    @property
    def journal(self) -> str:
        """The command that shows what it has to say."""
        return f"journalctl {'--user ' if self.user else ''}-u {self.name}.service"

    def start(self) -> None:
        """Listen, and run. Returns when the daemon has said that it is ready."""
        self._do("start", f"{self.name}.socket", f"{self.name}.service")

    def stop(self) -> bool:
        """Neither run nor listen, so that no client starts it again. False where it did not."""
        ran = self._shown("ActiveState", f"{self.name}.service") not in ("inactive", "failed")
        self._do("stop", f"{self.name}.socket", f"{self.name}.service")
        return ran

    def restart(self) -> None:
        """Another process behind the same socket."""
        self._do("start", f"{self.name}.socket")
        self._do("restart", f"{self.name}.service")

    def enable(self) -> None:
        """Listen now, and whenever the machine, or the user's session, starts."""
        self._do("enable", "--now", f"{self.name}.socket")

    def disable(self) -> None:
        """Listen no more, now and later."""
        self._do("disable", "--now", f"{self.name}.socket")
        self._do("stop", f"{self.name}.service")

    def pid(self) -> int:
        """The process of the service; 0 where it does not run."""
        return int(self._shown("MainPID", f"{self.name}.service") or 0)

    def listens_on(self, path: str) -> bool:
        """Whether its socket is this one."""
        return f"{path} (Stream)" in self._shown("Listen", f"{self.name}.socket").splitlines()

    def _do(self, verb: str, *words: str) -> None:
        done = _systemctl(self.user, verb, *words)
        if done is None or done.returncode:
            said = "it does not answer" if done is None else done.stderr.strip()
            unit = next((word for word in words if "." in word), self.name)
            raise ServiceFailed(
                manager=self.manager,
                verb=verb,
                unit=unit,
                reason=said.splitlines()[0] if said else "it did not say why",
                journal=self.journal,
            )

    def _shown(self, what: str, unit: str) -> str:
        done = _systemctl(self.user, "show", "--value", f"--property={what}", unit)
        return "" if done is None or done.returncode else done.stdout.strip()


def unit_of(session: Session) -> Unit | None:
    """The unit behind the socket that is meant, or None where no manager has one."""
    if shutil.which("systemctl") is None:
        return None
    path = session.sockets()[0]
    name = f"spacedrive@{session.instance}" if session.instance else "spacedrive"
    for unit in (Unit(name, user=True), Unit(name, user=False)):
        if unit.listens_on(path):
            return unit
    return None


def _systemctl(
    user: bool,  # noqa: FBT001
    *words: str,
) -> subprocess.CompletedProcess[str] | None:
    scope = ["--user"] if user else []
    if user and "XDG_RUNTIME_DIR" not in os.environ:
        runtime = f"/run/user/{os.getuid()}"  # in a cron job or after su nobody has set it
        if not os.path.isdir(runtime):
            return None
        environment = {**os.environ, "XDG_RUNTIME_DIR": runtime}
    else:
        environment = dict(os.environ)
    try:
        return subprocess.run(
            ["systemctl", *scope, "--no-ask-password", *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=PATIENCE,
            check=False,
            env=environment,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
