"""Who may talk to this server.

A browser that shows somebody else's page sends that page's requests here as well, so where a
request comes from is looked at first:

    Host                 has to be a name of this server: a page whose own name was made to lead
                         here (DNS rebinding) still says its own
    Origin               has to be this server, or one that was allowed
    Authorization        `Bearer TOKEN`; browsers do not send it by themselves
    Unix socket          the kernel says who the peer is: this server's user and root need no
                         token, unless it is a proxy that may run as one of them. A browser comes
                         here through such a proxy only, so without a token Host has to be right

A token in a URL is refused even where it is right: URLs end in histories and logs.
"""

from __future__ import annotations

import hmac
import os
import socket
import struct
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp.web import BaseRequest

_CREDENTIALS = struct.Struct("3i")  # struct ucred: pid, uid, gid
_OWN_NAMES = ("localhost", "127.0.0.1", "::1")
_BEARER = "bearer"
TOKEN_PARAMETERS = ("token", "access_token", "authorization")


class NotAdmitted(Exception):
    """A request that is refused, with its HTTP status and the reason."""

    def __init__(self, status: int, code: str, text: str, hint: str | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.code = code
        self.text = text
        self.hint = hint


class Admission(msgspec.Struct, frozen=True):
    """What is asked of a request."""

    token: str
    hosts: frozenset[str] = frozenset()  # other names of this server
    origins: frozenset[str] = frozenset()  # other origins whose pages may ask
    trusts_users: bool = True  # this server's user and root, on a Unix socket

    def check_source(self, request: BaseRequest) -> None:
        """Raise NotAdmitted where a request comes from a place that it must not come from."""
        if peer_uid(request) is None:  # on a Unix socket that depends on whether there is a token
            self._check_host(request.headers.get("Host", ""))
        self._check_origin(request.headers)
        if any(name in request.query for name in TOKEN_PARAMETERS):
            raise NotAdmitted(
                400,
                "token-in-url",
                "a token does not belong into a URL",
                "send the header 'Authorization: Bearer TOKEN'; this token may be in a log now",
            )

    def check_caller(self, request: BaseRequest) -> None:
        """Raise NotAdmitted where it is not known who asks."""
        uid = peer_uid(request)
        given = request.headers.get("Authorization")
        if given is None and self.trusts_users and uid is not None and uid in (0, os.geteuid()):
            self._check_host(request.headers.get("Host", ""))
            return
        self.check_authorization(given or "")

    def check_authorization(self, header: str) -> None:
        """Raise NotAdmitted where this is not the token."""
        scheme, _, given = header.partition(" ")
        sent = given.strip().encode(errors="surrogateescape")  # as aiohttp reads what is no UTF-8
        right = hmac.compare_digest(sent, self.token.encode())
        if scheme.lower() != _BEARER or not right:
            raise NotAdmitted(
                401,
                "not-authorized",
                "this needs the token of the server",
                "'sd graphql --url' shows where it is; send it as 'Authorization: Bearer TOKEN'",
            )

    def allowed_origin(self, headers: Mapping[str, str]) -> str | None:
        """The origin of another page that may read the answer."""
        origin = headers.get("Origin")
        return origin if origin in self.origins else None

    def _check_host(self, header: str) -> None:
        name = _hostname(f"//{header}")
        if name not in _OWN_NAMES and name not in self.hosts:
            raise NotAdmitted(
                421,
                "host-unknown",
                f"this server is not called {header[:80]!r}",
                "use localhost, or start it with --host NAME",
            )

    def _check_origin(self, headers: Mapping[str, str]) -> None:
        origin = headers.get("Origin")
        site = headers.get("Sec-Fetch-Site", "none")
        host = headers.get("Host", "")
        own = origin in (f"http://{host}", f"https://{host}")
        if origin in self.origins or own:
            return
        if origin is not None or site not in ("none", "same-origin"):
            raise NotAdmitted(
                403,
                "origin-refused",
                f"pages of {(origin or 'another site')[:80]!r} may not ask this server",
                "start it with --origin ORIGIN to allow them",
            )


def _hostname(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def peer_uid(request: BaseRequest) -> int | None:
    """The user at the other end of a Unix socket, where the kernel tells; else None."""
    transport = request.transport
    peer = None if transport is None else transport.get_extra_info("socket")
    if peer is None or peer.family != socket.AF_UNIX or not hasattr(socket, "SO_PEERCRED"):
        return None
    raw = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    uid: int = _CREDENTIALS.unpack(raw)[1]
    return uid
