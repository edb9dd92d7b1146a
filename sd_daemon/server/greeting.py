"""The answer to Hello: who is here, and what can be asked of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sd_daemon.handlers.core import daemon_version, peer_info
from sd_wire.encoding import ENCODINGS, JSON
from sd_wire.messages import CAPABILITIES, PROTOCOL_VERSION, Hello, Limits, Welcome

if TYPE_CHECKING:
    from sd_daemon.handlers.handler import Peer
    from sd_daemon.server.instance import Instance
    from sd_wire.messages import Id


def welcome(instance: Instance, peer: Peer, hello: Hello, request_id: Id) -> bytes:
    """In JSON, whatever follows: the peer cannot know yet whether its wish was understood."""
    bus = instance.core.bus
    said = Welcome(
        version=min(hello.version, PROTOCOL_VERSION),
        daemon=daemon_version(),
        instance=instance.settings.name,
        encoding=hello.encoding,
        encodings=list(ENCODINGS),
        capabilities=list(CAPABILITIES),
        limits=Limits(),
        peer=peer_info(peer),
        stream=bus.stream,
        sequence=bus.sequence,
    )
    return JSON.word("Hello", request_id, said)
