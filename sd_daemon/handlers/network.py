"""The truth about the network: it is not built yet."""

from __future__ import annotations

from sd_daemon.handlers.handler import Context, handles
from sd_wire.operations.network import GetNetworkStatus, NetworkStatus

NOT_RUNNING = NetworkStatus(
    running=False,
    node_id=None,
    addresses=[],
    paired_devices=0,
    connected_devices=0,
    version="",
)


@handles(GetNetworkStatus)
def network_status(context: Context, request: GetNetworkStatus) -> NetworkStatus:
    """Nothing listens and nobody is paired."""
    return NOT_RUNNING
