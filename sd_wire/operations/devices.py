"""The devices of a library."""

from __future__ import annotations

from typing import Annotated

from sd_wire.operation import Request, doc, query
from sd_wire.types.devices import Device


@query("devices.list")
class ListDevices(Request[list[Device]]):
    """The devices that the library knows: this one."""

    include_offline: Annotated[bool, doc("with devices that are not reachable now")] = True
    include_details: Annotated[bool, doc("with hardware and system")] = True
    show_paired: Annotated[bool, doc("with paired devices that are not in the library")] = False
