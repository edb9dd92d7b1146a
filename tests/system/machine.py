"""A Debian with systemd as PID 1, booted in a container of its own.

Booting one takes a second; making its root file system takes longer, so that is kept. The container
gets a cgroup of its own on both hierarchies: two containers that share one cannot stop their user
managers.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from release import roots

RELEASES = {"bookworm": "Debian 12", "trixie": "Debian 13"}
PACKAGES = (
    *("systemd", "systemd-sysv", "dbus", "dbus-user-session", "libpam-systemd"),
    *("python3", "ca-certificates", "procps"),
)
CGROUPS = Path("/sys/fs/cgroup")

BOOT_TIME = 60.0  # seconds; one is usual
COMMAND_TIME = 120.0


def missing() -> list[str]:
    """What this machine lacks to boot another one in it."""
    lacks = [tool for tool in ("mmdebstrap", "systemd-nspawn", "nsenter") if not shutil.which(tool)]
    return lacks if os.geteuid() == 0 else ["root", *lacks]


def root_archive(release: str) -> Path:
    """The tree of a release as an archive, made if it is not there."""
    return roots.archive(release, PACKAGES)


class Machine:
    """A booted container."""

    def __init__(self, release: str, tree: Path) -> None:
        self.release = release
        self.tree = tree
        self.name = f"sd-{release}-{os.getpid()}"
        self._log = tree.parent / "console.log"
        self._leader = 0
        self._nspawn: subprocess.Popen[bytes] | None = None

    # --- life ------------------------------------------------------------------------------------

    def boot(self) -> None:
        """Start PID 1 and wait until it says that the system runs."""
        with self._log.open("wb") as console:
            self._nspawn = subprocess.Popen(
                [
                    *("systemd-nspawn", "-q", "-D", str(self.tree), f"--machine={self.name}"),
                    *("--boot", "--register=no", "--keep-unit", "--console=pipe"),
                    "--private-network",
                ],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
                preexec_fn=self._into_own_cgroup,
            )
        deadline = time.monotonic() + BOOT_TIME
        state = ""
        while time.monotonic() < deadline:
            self._leader = self._leader or self._find_leader()
            if self._leader:
                state = self._enter("systemctl", "is-system-running").stdout.strip()
                if state in ("running", "degraded"):
                    return
            time.sleep(0.05)  # neither nspawn nor systemd tell an unregistered machine's friends
        raise RuntimeError(f"{self.name} did not boot: {state}; see {self.log()}")

    def stop(self) -> None:
        """Power off."""
        if self._nspawn is None:
            return
        with contextlib.suppress(ProcessLookupError):
            if self._leader:
                os.kill(self._leader, signal.SIGRTMIN + 4)
            else:
                self._nspawn.terminate()
        try:
            self._nspawn.wait(20)
        except subprocess.TimeoutExpired:
            self._nspawn.kill()
            self._nspawn.wait()
        for hierarchy in self._hierarchies():
            for folder, _, _ in os.walk(hierarchy / self.name, topdown=False):
                with contextlib.suppress(OSError):
                    os.rmdir(folder)

    def reboot(self) -> None:
        """Power off, and boot from the same disk."""
        self.stop()
        self._leader = 0
        self.boot()

    def log(self) -> str:
        """What the console said."""
        return self._log.read_text("utf-8", "replace")

    # --- use -------------------------------------------------------------------------------------

    def run(
        self, command: str, *, user: str | None = None, check: bool = True, text: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a shell command, as root or in a session of a user."""
        options = ["--pipe", "--wait", "--quiet", "--collect"]
        if user is not None:
            options += [f"--uid={user}", "-p", "PAMName=login", f"--working-directory=/home/{user}"]
        done = self._enter("systemd-run", *options, "bash", "-c", command, text=text)
        if check and done.returncode != 0:
            raise AssertionError(
                f"{command!r} on {self.release} ended with {done.returncode}:\n"
                f"{done.stdout}{done.stderr}"
            )
        return done

    def output(self, command: str, *, user: str | None = None) -> str:
        """What a command prints."""
        return self.run(command, user=user).stdout.strip()

    def write(self, path: str, content: str, mode: int = 0o644) -> None:
        """Put a file into the container."""
        place = self.tree / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(content)
        place.chmod(mode)

    def _enter(self, *command: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
        path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        return subprocess.run(
            ["nsenter", "-t", str(self._leader), "-a", "env", "-i", path, "LANG=C.UTF-8", *command],
            input=text,
            stdin=None if text is not None else subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            timeout=COMMAND_TIME,
            check=False,
        )

    # --- parts -----------------------------------------------------------------------------------

    def _hierarchies(self) -> list[Path]:
        named = [CGROUPS / "unified", CGROUPS / "systemd"]
        return [one for one in named if one.is_dir()] or [CGROUPS]

    def _into_own_cgroup(self) -> None:
        for hierarchy in self._hierarchies():
            folder = hierarchy / self.name
            folder.mkdir(exist_ok=True)
            (folder / "cgroup.procs").write_text(str(os.getpid()))

    def _find_leader(self) -> int:
        """The child of nspawn that is systemd; the first child may be a short-lived other one."""
        assert self._nspawn is not None
        children = Path(f"/proc/{self._nspawn.pid}/task/{self._nspawn.pid}/children")
        for child in children.read_text().split():
            with contextlib.suppress(OSError):
                if Path(f"/proc/{child}/comm").read_text().strip() == "systemd":
                    return int(child)
        return 0
