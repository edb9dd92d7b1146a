"""Where an instance keeps its things: a pure function of platform, environment and home folder.

Imports nothing on purpose: the `sd` launcher uses it, and each import there costs a millisecond of
every command.

    data folder      option, SD_DATA_DIR, else by platform:
                     Linux  $XDG_DATA_HOME/spacedrive or ~/.local/share/spacedrive
                     macOS  ~/Library/Application Support/spacedrive
    socket           {data}/daemon/daemon.sock, of an instance {data}/daemon/daemon-{instance}.sock
    instance's data  {data}, of an instance {data}/instances/{instance}
    log              {instance's data}/logs/daemon.log; of the system's service
                     /var/log/spacedrive/daemon.log, of an instance daemon-{instance}.log

A client looks for its daemon in this order and takes the first that is set or there: the option
--socket, --system, --data-dir, SD_SOCKET, SD_DATA_DIR, the user's socket, the system's socket. Of
the last two, which nobody has named, it asks none that is neither root's nor the user's own.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

SYSTEM_SOCKET_DIR = "/run/spacedrive"
# sockaddr_un.sun_path: 108 bytes on Linux, 104 on the BSDs and macOS, with a closing NUL.
SOCKET_PATH_LIMIT = {"linux": 107, "darwin": 103}
INSTANCE_NAME_LIMIT = 64  # bytes


def default_data_dir(platform: str, environ: Mapping[str, str], home: str) -> str:
    """The data folder of a user when nothing names another."""
    named = environ.get("SD_DATA_DIR")
    if named:
        return named
    if platform == "darwin":
        return f"{home}/Library/Application Support/spacedrive"
    xdg = environ.get("XDG_DATA_HOME", "")
    # The XDG base directory specification: a relative path is to be ignored.
    return f"{xdg if xdg.startswith('/') else home + '/.local/share'}/spacedrive"


def is_instance_name(name: str) -> bool:
    """1 to 64 bytes of letters, digits, '-' and '_'."""
    allowed = all(c.isalnum() or c in "-_" for c in name)
    return allowed and 0 < len(name.encode("utf-8", "replace")) <= INSTANCE_NAME_LIMIT


def socket_path(data_dir: str, instance: str | None = None) -> str:
    """The socket of an instance below a data folder."""
    return f"{data_dir}/daemon/daemon{'-' + instance if instance else ''}.sock"


def instance_dir(data_dir: str, instance: str | None = None) -> str:
    """The folder with an instance's libraries, configuration and logs."""
    return f"{data_dir}/instances/{instance}" if instance else data_dir


def log_path(data_dir: str, instance: str | None = None) -> str:
    """The log file of an instance."""
    return f"{instance_dir(data_dir, instance)}/logs/daemon.log"


def log_name(instance: str | None = None) -> str:
    """What the log of an instance is called where those of all are in one folder."""
    return f"daemon{'-' + instance if instance else ''}.log"


def system_socket_path(instance: str | None = None) -> str:
    """The socket of the system-wide service."""
    return f"{SYSTEM_SOCKET_DIR}/daemon{'-' + instance if instance else ''}.sock"


def client_sockets(
    platform: str,
    environ: Mapping[str, str],
    home: str,
    *,
    socket: str | None = None,
    data_dir: str | None = None,
    instance: str | None = None,
) -> list[str]:
    """The sockets a client tries, first to last. One that was named is the only one."""
    instance = instance or environ.get("SD_INSTANCE") or None
    if socket:
        return [socket]
    if data_dir:
        return [socket_path(data_dir, instance)]
    if environ.get("SD_SOCKET"):
        return [environ["SD_SOCKET"]]
    user = socket_path(default_data_dir(platform, environ, home), instance)
    if environ.get("SD_DATA_DIR"):
        return [user]
    return [user, system_socket_path(instance)]
