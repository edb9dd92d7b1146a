"""Other devices."""

from __future__ import annotations

import msgspec

from sd_wire.operation import Request, Scope, query


class NetworkStatus(msgspec.Struct):
    """The peer-to-peer network. It is not built yet and so never runs."""

    running: bool
    node_id: str | None
    addresses: list[str]
    paired_devices: int
    connected_devices: int
    version: str
    relay_url: str | None = None


@query("network.status", scope=Scope.CORE)
class GetNetworkStatus(Request[NetworkStatus]):
    """Whether the daemon talks to other devices."""
