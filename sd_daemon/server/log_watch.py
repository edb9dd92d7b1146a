"""What a subscription to log records is on this side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sd_daemon.server.filters import lets_record_pass
from sd_daemon.server.watch import Encoded, Watch
from sd_wire.encoding import JSON
from sd_wire.events import LogMessage
from sd_wire.messages import LogFilter, SubscribeLogs

if TYPE_CHECKING:
    from sd_daemon.server.outbox import Outbox
    from sd_wire.messages import Id


class LogWatch(Watch):
    """A subscription to log records."""

    __slots__ = ("_records",)

    def __init__(self, outbox: Outbox, request_id: Id, request: SubscribeLogs) -> None:
        self._records = request.filter or LogFilter()
        super().__init__(outbox, request_id, self._records)
        self.covers((LogMessage.__name__,))

    def offer(self, encoded: Encoded) -> None:
        """Send a record as the line that existing clients know, with the id where there is one."""
        record = encoded.published.event
        if not isinstance(record, LogMessage) or not lets_record_pass(self._records, record):
            return
        data = JSON.frame({"LogMessage": record})
        if self._id is not None:
            data = data[:-2] + b',"id":' + self._id + b"}\n"
        self.outbox.put(self, data)
