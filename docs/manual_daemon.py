"""The pages of the daemon: spacedrived(8), spacedrive.conf(5), spacedrive.socket(5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin, get_type_hints

import mdoc
import msgspec
from derive import STATUS_MEANING

from sd_daemon.core.config import TARGETS, StoredConfig
from sd_daemon.core.core import CONFIG_FILE
from sd_daemon.host.command_line import command_line
from sd_wire import places
from sd_wire.errors import ExitStatus
from sd_wire.operations.config import UpdateAppConfig

if TYPE_CHECKING:
    from collections.abc import Iterator

DATA = places.default_data_dir("linux", {}, "~")
SYSTEM_DATA = "/var/lib/spacedrive"

# --- spacedrived(8) ------------------------------------------------------------------------------

SIGNALS = {
    "SIGTERM , SIGINT": "Stop in order: jobs keep their place and go on at the next start, clients"
    " are told. A second one ends the daemon at once.",
    "SIGHUP": f"Open the log file anew and read {CONFIG_FILE} again. Where that is damaged, the"
    " configuration stays as it is.",
    "SIGABRT": "What the watchdog of systemd sends to a daemon that hangs: the stacks of all"
    " threads are written to standard error.",
}
DAEMON_ENVIRONMENT = {
    "SD_DATA_DIR": "The data folder, where --data-dir does not name one.",
    "SD_INSTANCE": "The instance, where --instance does not name one.",
    "SD_LOG": "What is recorded, in place of what the configuration says; in the form of"
    " main_filter in spacedrive.conf(5).",
    "SD_BOOT_ID": "The kernel's name for this boot, for a unit that hides /proc/sys.",
    "XDG_DATA_HOME": "Where the data folder is, in spacedrive, where nothing else names it.",
    "LISTEN_FDS , LISTEN_PID , LISTEN_FDNAMES": "The sockets that a service manager hands over,"
    " each named after its instance.",
    "NOTIFY_SOCKET , WATCHDOG_USEC , WATCHDOG_PID": "The service manager's wish to be told that the"
    " daemon is ready, what it does, and that it lives.",
    "LOGS_DIRECTORY": "The folder for the log, where a service manager has made one.",
    "MEMORY_PRESSURE_WATCH , MEMORY_PRESSURE_WRITE": "What tells that memory runs short: the daemon"
    " then gives back what it can read from the disk again.",
    "JOURNAL_STREAM": "Where standard error is the journal's, records go there with all their"
    " fields.",
}
DAEMON_FILES = {
    DATA: "The data folder of your own daemon.",
    SYSTEM_DATA: "The data folder of the daemon of the whole machine.",
    f"DATA/{CONFIG_FILE}": "The configuration: spacedrive.conf(5).",
    "DATA/libraries": "The libraries that were made without naming another folder.",
    f"{places.log_path('DATA')}": "The log; older files have a number at the end.",
    f"/var/log/spacedrive/{places.log_name()}": "The same of the daemon of the whole machine.",
    f"{places.instance_dir('DATA', 'NAME')}": "All of that again, of a named instance.",
    places.socket_path("DATA"): "The socket: spacedrive.socket(5).",
    places.system_socket_path(): "The socket of the daemon of the whole machine.",
    "/usr/share/doc/spacedrive/examples": "Drop-ins to begin with: access to homes or to /srv,"
    " network, idle exit, a journal of its own.",
}
UNDER_SYSTEMD = (
    "A socket unit listens, and the first client starts the daemon: nothing has to run before it"
    " is needed. sd enable and sd disable switch that on and off for your own daemon, with --system"
    " for that of the whole machine, and sd start, stop and restart go through systemd then. An"
    " instance NAME is the unit spacedrive@NAME.socket.",
    "The service has its own view of the system: what it may read and write is in the unit, and"
    " the examples open more of it. systemctl reload reads the configuration again, and fails"
    " where that is damaged. After a crash the daemon is started again; after a wrong option or a"
    " damaged configuration it is not.",
    "In the journal each record has the fields of its line in the log. journalctl -u spacedrive"
    " shows those of the whole machine, journalctl --user -u spacedrive your own; -x explains what"
    " needs an explanation.",
)


def terms(rows: dict[str, str], macro: str) -> list[str]:
    """A list of variables, files or signals."""
    return mdoc.tagged(
        (
            " , ".join(f"{macro} {mdoc.word(one)}" for one in names.split(" , ")),
            mdoc.prose(text),
        )
        for names, text in rows.items()
    )


OF_ARGPARSE = {"help": "explain the options", "version": "print the version"}


def daemon() -> str:
    """spacedrived(8)."""
    declared = command_line()
    program = declared.prog
    options, shown = [], []
    for action in declared._actions:
        metavar = "" if action.nargs == 0 else str(action.metavar or action.dest.upper())
        about = mdoc.sentence(OF_ARGPARSE.get(action.dest, action.help or ""))
        options.append((mdoc.flags(action.option_strings, metavar), mdoc.prose(about)))
        shown.append(f".Op {mdoc.flag(action.option_strings[-1], metavar)}")
    about = (
        f"The daemon keeps an index of folders, searches it, and follows what happens in it, for"
        f" all clients that connect to its socket. It is usually started by systemd or by sd start;"
        f" {program} is the command that they run. It stays in the foreground and needs no"
        f" privileges. One daemon serves a data folder; a second one on the same folder ends with"
        f" an error."
    )
    statuses = [
        (f"{int(one)}", mdoc.sentence(STATUS_MEANING[one].partition(";")[0]))
        for one in (ExitStatus.USAGE, ExitStatus.CONFIGURATION)
    ]
    parts = [
        [".Sh SYNOPSIS", mdoc.macro("Nm", program), *shown],
        [".Sh DESCRIPTION", *mdoc.prose(about), ".Sh OPTIONS", *mdoc.tagged(options)],
        [".Sh SIGNALS", *terms(SIGNALS, "Dv"), ".Sh SYSTEMD", *mdoc.paragraphs(*UNDER_SYSTEMD)],
        [".Sh ENVIRONMENT", *terms(DAEMON_ENVIRONMENT, "Ev")],
        [".Sh FILES", *terms(DAEMON_FILES, "Pa")],
        [".Sh EXIT STATUS", *mdoc.table([("0", "It stopped in order."), *statuses], "130_")],
        ["Others are those of", ".Xr sd 1 .", ".Sh EXAMPLES"],
        mdoc.display([f"{program} --data-dir /tmp/try --foreground-log"]),
        mdoc.see_also(
            [(name, "1") for name in ("sd", "sd-start", "sd-status", "sd-logs")]
            + [("spacedrive.conf", "5"), ("spacedrive.socket", "5"), ("systemd.unit", "5")]
            + [("journalctl", "1")]
        ),
    ]
    names = ["spacedrived", program]
    return mdoc.page("spacedrived", "8", names, "the Spacedrive daemon", parts)


# --- spacedrive.conf(5) --------------------------------------------------------------------------

HEEDED = {"log_level", "logging", "access", "limits"}
KINDS = {bool: "true or false", int: "number", str: "text", list: "list of texts"}
OF_THE_FILE = {
    "version": "The form of the file; to be left as it is.",
    "telemetry_enabled": "Nothing is ever sent, whatever it says.",
    "log_level": "How much is logged. A change of it is put into main_filter of the section"
    " logging, for everything that is not named there.",
}


PLACES = {(section, field): name for name, (section, field, _) in TARGETS.items()}
UPDATES = get_type_hints(UpdateAppConfig, include_extras=True)
ABOUT_CONFIGURATION = (
    f"{CONFIG_FILE} in the data folder of the daemon is its configuration: one JSON object. A field"
    " or section that is missing has its default, and no file is all defaults. Where the file"
    " cannot be read as what it should be, the daemon does not start, and says which field it is.",
    "sd config app-get shows the configuration as it is, sd config app-update changes it while the"
    " daemon runs, which writes the file anew. What is not described here has no effect; it is"
    " kept, and sd status tells of it."
    " Who has edited the file lets the daemon read it with sd config app-reload, systemctl reload"
    " or SIGHUP.",
)
PARTLY_HEEDED = {
    "services": "The daemon of this version heeds fs_watcher_enabled, fs_scan_seconds and"
    " fs_answer_seconds, from its start on. The others it keeps and shows, for clients that know"
    " them."
}
NOT_HEEDED = (
    "The daemon of this version keeps and shows the section, for clients that know it, and does"
    " nothing by it."
)
EXAMPLE = (
    "{",
    '  "log_level": "debug",',
    '  "access": {',
    '    "read": ["group:staff"],',
    '    "admin": ["user:alice"],',
    '    "others": "none"',
    "  },",
    '  "limits": {"connections_per_user": 100}',
    "}",
)


def note_of(annotation: Any) -> str:
    """The documentation beside a type."""
    if get_origin(annotation) is not Annotated:
        return ""
    notes = (note.description for note in get_args(annotation)[1:] if type(note) is msgspec.Meta)
    return next((note for note in notes if note), "")


def kind_of(annotation: Any) -> str:
    """What a value looks like in JSON."""
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    return KINDS[get_origin(annotation) or annotation]


def field_rows(section: str, declared: type[msgspec.Struct]) -> Iterator[tuple[str, list[str]]]:
    """The fields of a section that are values, with what they mean and their defaults."""
    hints = get_type_hints(declared, include_extras=True)
    defaults = declared()
    for name in declared.__struct_fields__:
        default = getattr(defaults, name)
        if isinstance(default, msgspec.Struct):
            continue
        update = UPDATES.get(PLACES.get((section, name), ""))
        about = OF_THE_FILE[name] if not section else note_of(update) or note_of(hints[name])
        assert about, f"{section}.{name} is not documented"
        shown = mdoc.word(msgspec.json.encode(default).decode())
        term = f"{mdoc.macro('Cm', name)[1:]} : {kind_of(hints[name])}"
        yield term, [*mdoc.prose(mdoc.sentence(about)), "Default:", f".Li {shown}"]


def configuration() -> str:
    """spacedrive.conf(5)."""
    parts = [
        [".Sh SYNOPSIS", f".Pa DATA/{CONFIG_FILE}"],
        [".Sh DESCRIPTION", *mdoc.paragraphs(*ABOUT_CONFIGURATION)],
        [".Ss Outside of any section", *mdoc.tagged(field_rows("", StoredConfig))],
    ]
    stored = StoredConfig()
    for name in StoredConfig.__struct_fields__:
        section = getattr(stored, name)
        if isinstance(section, msgspec.Struct):
            about = " ".join((type(section).__doc__ or "").split())
            notes = [about] if name in HEEDED else [about, PARTLY_HEEDED.get(name, NOT_HEEDED)]
            rows = mdoc.tagged(field_rows(name, type(section)))
            parts.append([f'.Ss "The section {name}"', *mdoc.paragraphs(*notes), *rows])
    files = {
        f"{DATA}/{CONFIG_FILE}": "That of your own daemon.",
        f"{SYSTEM_DATA}/{CONFIG_FILE}": "That of the daemon of the whole machine.",
        f"{places.instance_dir('DATA', 'NAME')}/{CONFIG_FILE}": "That of a named instance.",
    }
    parts += [
        [".Sh FILES", *terms(files, "Pa")],
        [".Sh EXAMPLES", *mdoc.display(EXAMPLE)],
        mdoc.see_also([("sd-config", "1"), ("spacedrive.socket", "5"), ("spacedrived", "8")]),
    ]
    name = "the configuration of the Spacedrive daemon"
    return mdoc.page("spacedrive.conf", "5", ["spacedrive.conf", CONFIG_FILE], name, parts)


# --- spacedrive.socket(5) ------------------------------------------------------------------------

ABOUT_SOCKET = (
    "The daemon listens on a Unix stream socket, and everything that it can do is done through it."
    " A message is one line of JSON in UTF-8, a request in one direction, an answer or an event in"
    " the other; a program needs no library for that. /usr/share/doc/spacedrive/protocol.md has all"
    " of it, with examples.",
    "spacedrive.socket is also the name of the socket unit of systemd, spacedrive@NAME.socket that"
    " of an instance. Where the unit is enabled, systemd listens, and starts the daemon for the"
    " first client.",
)
PLACES_OF_SOCKETS = {
    places.socket_path(DATA): "Of your own daemon. Where XDG_DATA_HOME is set, it is below that.",
    places.socket_path(DATA, "NAME"): "Of an instance of it.",
    places.system_socket_path(): "Of the daemon of the whole machine.",
    places.system_socket_path("NAME"): "Of an instance of that.",
}
FINDING = (
    "A client takes the socket that it was told: by an option of its own, by SD_SOCKET, or as"
    " daemon/daemon.sock in the folder SD_DATA_DIR. Where it was told none, it tries that of its"
    " user and then that of the machine, and takes the first that lets it connect."
)
PERMISSIONS = (
    "Your own socket has the mode 0600, in a folder that nobody else may enter. That of the machine"
    " has the mode 0660 and belongs to the group spacedrive: its members may connect.",
    "What a client may do does not depend on what it says of itself. The kernel tells its user and"
    " its groups; the user that the daemon runs as, and root, may do everything, and what others"
    " may is said in the section access of spacedrive.conf(5).",
)
REQUESTS = (
    ('"Ping"', 'Answered with "Pong".'),
    ('{"Query":{"method":M,"payload":P}}', "Something that only reads."),
    ('{"Action":{"method":M,"payload":P}}', "Something that changes."),
    ('{"Batch":[REQUEST,...]}', "Several requests in one line, answered in one."),
    ('{"Subscribe":{"event_types":[...]}}', "What happens from now on, as it happens."),
    ('{"SubscribeLogs":{}}', "What is logged from now on."),
    ('{"Hello":{"version":1}}', "Which daemon it is, what it can do, and what its limits are."),
    ('{"Cancel":{"id":I}}', "Give up the request with this id."),
    ('"Shutdown"', "Stop the daemon in order."),
)
ANSWERS = (
    'The answer to a Query or an Action is {"JsonOk":RESULT} or {"Error":{KIND:TEXT}}. A request'
    ' may have an "id" beside its name; its answer has the same one, comes when it is done, and an'
    ' error then has "details" with a code that does not change. Requests without an id are'
    " answered in their order. Keys that are not known are to be ignored.",
    "sd describe lists the methods and explains each of them, and sd call calls one.",
)


def sockets() -> str:
    """spacedrive.socket(5)."""
    conversation = (
        f"$ echo '\"Ping\"' | nc -N -U {places.socket_path(DATA)}",
        '"Pong"',
    )
    parts = [
        [".Sh DESCRIPTION", *mdoc.paragraphs(*ABOUT_SOCKET)],
        [".Ss Where it is", *terms(PLACES_OF_SOCKETS, "Pa"), ".Pp", *mdoc.prose(FINDING)],
        [".Ss Who may connect", *mdoc.paragraphs(*PERMISSIONS)],
        [".Ss What can be asked", ".Bl -tag -width Ds"],
        *([f".It Li {mdoc.word(request)}", *mdoc.prose(text)] for request, text in REQUESTS),
        [".El", ".Pp", *mdoc.paragraphs(*ANSWERS)],
        [".Sh EXAMPLES", *mdoc.display(conversation)],
        mdoc.see_also(
            [(name, "1") for name in ("nc", "sd", "sd-call", "sd-describe", "sd-enable")]
            + [("spacedrive.conf", "5"), ("systemd.socket", "5"), ("spacedrived", "8")]
        ),
    ]
    about = "the socket of the Spacedrive daemon, and what is said on it"
    return mdoc.page("spacedrive.socket", "5", ["spacedrive.socket"], about, parts)
