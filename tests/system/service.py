"""The daemon's service in a container: changed by drop-ins, read by properties and journal."""

from __future__ import annotations

import json
from shlex import quote
from typing import TYPE_CHECKING, Any

from installed import ROOT

if TYPE_CHECKING:
    from machine import Machine

SOCKET = "/run/spacedrive/daemon.sock"
STATE = "/var/lib/spacedrive"
DROP_INS = "/etc/systemd/system/spacedrive.service.d"
EXAMPLES = ROOT / "contrib/systemd/examples"
INSIDE = "python3 -I /usr/local/lib/inside.py"


class Service:
    """spacedrive.service, the system's own. Its socket listens; it does not run yet."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.reset()

    def reset(self) -> None:
        """As it is after installation, with nothing but the log in its data folder."""
        said = self.machine.output(
            "systemctl stop 'spacedrive*.service' 'spacedrive*.socket' 2>/dev/null;"
            f"rm -rf {DROP_INS};"
            f"find {STATE} -mindepth 1 -maxdepth 1 ! -name logs -exec rm -rf {{}} +;"
            "systemctl daemon-reload; systemctl reset-failed; systemctl start spacedrive.socket;"
            "journalctl -q -n 0 --show-cursor"
        )
        self._cursor = said.rpartition("-- cursor: ")[2]
        self.changed = False

    def drop_in(self, *lines: str) -> None:
        """Change the unit, in the section [Service]. The running daemon goes on as it is."""
        self.changed = True
        self.machine.write(f"{DROP_INS}/test.conf", "\n".join(["[Service]", *lines, ""]))
        self.machine.run("systemctl daemon-reload")

    def use(self, example: str) -> None:
        """Put an example in its place, as its first lines say."""
        self.changed = True
        self.machine.write(f"{DROP_INS}/{example}.conf", (EXAMPLES / f"{example}.conf").read_text())
        self.machine.run("systemctl daemon-reload")

    def be_faulty(self, fault: str, *lines: str) -> None:
        """Run the daemon with a fault in it."""
        program = f"/usr/bin/python3 -I /usr/local/lib/faulty.py {fault} --data-dir {STATE}"
        self.drop_in("ExecStart=", f"ExecStart={program}", *lines)

    def show(self, name: str) -> str:
        """A property of the unit."""
        return self.machine.output(f"systemctl show -P {name} spacedrive.service")

    def journal(self) -> str:
        """What was said since the last reset, by the daemon and of it."""
        return self.machine.output(
            f"journalctl -q --no-pager -o cat -u spacedrive.service --after-cursor='{self._cursor}'"
        )

    def inside(self, *arguments: str) -> Any:
        """What the script in the container finds."""
        return json.loads(self.machine.output(" ".join([INSIDE, *arguments])).splitlines()[-1])

    def sd(self, command: str) -> Any:
        """What a member of the group is answered."""
        return json.loads(self.machine.output(f"sd --json {command}", user="bob"))

    def wait_for(self, condition: str, seconds: float = 60.0) -> float:
        """Until a command in the container succeeds; seconds that it took."""
        began = (
            "a=$(date +%s%N); "
            f"timeout {seconds} bash -c {quote(f'until {condition}; do sleep 0.05; done')}"
            " || exit 1; "
            "echo $((($(date +%s%N) - a) / 1000000))"
        )
        return int(self.machine.output(began)) / 1000
