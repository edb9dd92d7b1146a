"""`sd graphql`: the GraphQL server, in the foreground or as systemd's service.

systemd hands over the sockets; by hand it listens on this machine only, unless told otherwise.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import secrets
import signal
import socket
import sys
from typing import TYPE_CHECKING, Any

import click
from sdnotify import SystemdNotifier

from sd_client.cli.command import command
from sd_client.cli.lazy import load
from sd_client.cli.session import Session, pass_session
from sd_wire.errors import ExitStatus, SdError
from sd_wire.operation import Permission

if TYPE_CHECKING:
    from collections.abc import Iterator

PORT = 8080
SYSTEM_PORT = 8081
"""Of the machine's service, as its unit says: beside it a person can have a server of their own."""
FIRST_INHERITED = 3
TOKEN_BYTES = 32
SYSTEM_TOKEN = "/var/lib/spacedrive-graphql/token"
"""As the unit of the machine's service says."""


class GraphQLNotInstalled(SdError):
    """The server needs packages that the daemon does not."""

    message = "the GraphQL server needs {package}, which is not installed"
    hint = "pip install 'spacedrive[graphql]', or on Debian: apt install spacedrive-graphql"
    exit_status = ExitStatus.UNAVAILABLE


class CannotListen(SdError):
    """An address that cannot be listened on."""

    message = "cannot listen on {address}: {reason}"
    hint = "name another with --listen HOST:PORT or --unix PATH"
    exit_status = ExitStatus.CONFLICT


class AddressTaken(CannotListen):
    """An address that another program listens on."""

    hint = (
        "another 'sd graphql', spacedrive-graphql.socket or another program is there"
        " (ss -ltnp); stop it, or name another address with --listen HOST:PORT"
    )


class TokenUnusable(SdError):
    """A token file that cannot be read, written, or trusted."""

    message = "the token file {path} cannot be used: {reason}"
    hint = "name another with --token-file, readable by its owner only"
    exit_status = ExitStatus.CONFIGURATION


@command(
    "graphql",
    "sd graphql",
    "sd graphql --url",
    "sd graphql --unix /run/user/1000/spacedrive.sock --permission read",
)
@click.option(
    "--listen",
    multiple=True,
    metavar="HOST:PORT",
    help="where; default localhost:8080, for the machine 8081",
)
@click.option("--unix", type=click.Path(), help="listen on this Unix socket, too")
@click.option("--token-file", type=click.Path(), help="the file with the token callers need")
@click.option("--host", multiple=True, metavar="NAME", help="another name of this server")
@click.option("--origin", multiple=True, help="a site whose pages may ask: https://HOST")
@click.option(
    "--permission",
    type=click.Choice(["read", "write", "admin"]),
    default="admin",
    show_default=True,
    help="the most that anybody may do through it",
)
@click.option("--always-token", is_flag=True, help="ask for the token on Unix sockets, too")
@click.option("--no-introspection", is_flag=True, help="do not answer questions about the schema")
@click.option("--no-pages", is_flag=True, help="no web page and no GraphiQL")
@click.option("--url", is_flag=True, help="only print the address for a browser, with the token")
@pass_session
def graphql(session: Session, /, **given: Any) -> None:
    """Serve the daemon's whole contract as GraphQL, with a page for browsers.

    Callers need the token that is in the token file; on a Unix socket, this user and root do not,
    unless you say --always-token, which you have to before a proxy.
    """
    token = token_in(given["token_file"] or default_token_file(session), make=not given["url"])
    addresses = list(given["listen"]) or [f"localhost:{SYSTEM_PORT if session.system else PORT}"]
    page = f"http://{addresses[0]}/#token={token}"
    if given["url"]:
        session.output.line(page)
        return
    try:
        serving = load("sd_client.graphql.server:Settings"), load("sd_client.graphql.server:serve")
        admission = load("sd_client.graphql.admission:Admission")
    except ModuleNotFoundError as error:
        raise GraphQLNotInstalled(package=error.name or "a package") from error
    settings = serving[0](
        first_socket(session),
        admission(
            token,
            frozenset(given["host"]),
            frozenset(given["origin"]),
            trusts_users=not given["always_token"],
        ),
        Permission(given["permission"]),
        introspection=not given["no_introspection"],
        pages=not given["no_pages"],
    )
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    with listeners(addresses, given["unix"]) as found:
        session.output.remark(f"GraphQL: {page if not inherited() else 'on inherited sockets'}")
        with asyncio.Runner(loop_factory=fast_loop()) as runner:
            runner.run(_serve(serving[1], settings, found))


async def _serve(serve: Any, settings: Any, found: list[socket.socket]) -> None:
    """Serve until a signal says to end."""
    ending = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ending.set)
    notifier = SystemdNotifier()
    period = int(os.environ.get("WATCHDOG_USEC", "0")) / 2_000_000 or None
    async with serve(settings, found):
        notifier.notify("READY=1\nSTATUS=Answering GraphQL")
        while not ending.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(ending.wait(), period)
            notifier.notify("WATCHDOG=1")
        notifier.notify("STOPPING=1")


def fast_loop() -> Any:
    """What makes the event loop: uvloop where it is installed."""
    try:
        return load("uvloop:new_event_loop")
    except ModuleNotFoundError:
        return None


def first_socket(session: Session) -> str:
    """The daemon's socket: of those where it may be the first that is there, else the first."""
    paths = session.sockets()
    return next((path for path in paths if os.path.exists(path)), paths[0])


def default_token_file(session: Session) -> str:
    """Where the token is kept: that of the machine's service with its state, one's own in the data
    folder."""
    return SYSTEM_TOKEN if session.system else f"{session.data_dir}/graphql/token"


def token_in(path: str, *, make: bool) -> str:
    """The token; a server makes one where there is none. Raises TokenUnusable."""
    try:
        if make:
            make_token(path)
        with open(path, encoding="ascii") as file:
            if os.fstat(file.fileno()).st_mode & 0o077:
                raise TokenUnusable(path=path, reason="others may read it")
            token = file.read().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise TokenUnusable(path=path, reason=getattr(error, "strerror", error)) from error
    if not token:
        raise TokenUnusable(path=path, reason="it is empty")
    return token


def make_token(path: str) -> None:
    """Write a token for this user only, where there is none."""
    os.makedirs(os.path.dirname(path) or ".", mode=0o700, exist_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        made = os.open(path, flags, 0o600)
    except FileExistsError:
        return
    with open(made, "w", encoding="ascii") as file:
        file.write(secrets.token_urlsafe(TOKEN_BYTES) + "\n")


def inherited() -> list[int]:
    """The descriptors of sockets that systemd has made for this process."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return []
    count = int(os.environ.get("LISTEN_FDS", "0"))
    return list(range(FIRST_INHERITED, FIRST_INHERITED + count))


@contextlib.contextmanager
def listeners(addresses: list[str], path: str | None) -> Iterator[list[socket.socket]]:
    """The sockets to answer on. An own Unix socket is removed at the end, an inherited one not."""
    with contextlib.ExitStack() as stack:
        found = [socket.socket(fileno=number) for number in inherited()]
        if not found:
            found = [one for address in addresses for one in tcp(address)]
            if path is not None:
                found.append(stack.enter_context(unix(path)))
        yield found


def tcp(address: str) -> list[socket.socket]:
    """Sockets for HOST:PORT; a name may stand for several. Raises CannotListen, and AddressTaken
    where another program has one of them: whoever is sent to the name could meet that one."""
    host, _, port = address.rpartition(":")
    made: list[socket.socket] = []
    failure: OSError | None = None
    try:
        found = socket.getaddrinfo(host.strip("[]") or None, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise CannotListen(address=address, reason=error.strerror) from error
    for family, where in dict.fromkeys((family, where[:2]) for family, *_, where in found):
        try:
            made.append(socket.create_server(where, family=family))
        except OSError as error:  # a machine without IPv6 has localhost twice all the same
            failure = error
            if error.errno == errno.EADDRINUSE:
                for one in made:
                    one.close()
                raise AddressTaken(address=address, reason="it is taken") from error
    if not made:
        reason = failure.strerror if failure else "it is no address"
        raise CannotListen(address=address, reason=reason)
    return made


@contextlib.contextmanager
def unix(path: str) -> Iterator[socket.socket]:
    """A Unix socket for this user. Raises CannotListen."""
    made = socket.socket(socket.AF_UNIX)
    mask = os.umask(0o177)
    try:
        made.bind(path)
        made.listen()
    except OSError as error:
        raise CannotListen(address=path, reason=error.strerror) from error
    finally:
        os.umask(mask)
    try:
        yield made
    finally:
        with contextlib.suppress(OSError):
            os.unlink(path)
