"""A daemon that ends when nobody needs it, and is there again for whoever does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from service import INSIDE, SOCKET

if TYPE_CHECKING:
    from service import Service


@pytest.mark.parametrize(
    "visits", [20, pytest.param(1000, marks=[pytest.mark.soak, pytest.mark.timeout(3000)])]
)
def test_no_request_is_lost(service: Service, visits: int) -> None:
    """Visits with pauses about as long as its patience: many meet it on its way out."""
    service.drop_in('Environment="IDLE_EXIT=--idle-exit 0.1"')
    result = {"failed": [], "daemons": 0}
    for _ in range(-(-visits // 100)):
        part = service.inside("visit", SOCKET, str(min(visits, 100)), "0.15")
        result["failed"] += part["failed"]
        result["daemons"] += part["daemons"]
    assert result["failed"] == []
    assert result["daemons"] > visits / 10, "it hardly ever ended"
    service.wait_for("test $(systemctl show -P ActiveState spacedrive.service) = inactive")
    assert service.show("Result") == "success"
    assert service.show("NRestarts") == "0"
    assert "nobody is there" in service.journal()


def test_a_client_keeps_it(service: Service) -> None:
    service.drop_in('Environment="IDLE_EXIT=--idle-exit 0.2"', "WatchdogSec=1")
    service.machine.run(f"timeout 3 {INSIDE} subscribe {SOCKET} 1", check=False)
    assert "nobody is there" not in service.journal()
    # Its own question, four times in the watchdog's second, does not count as somebody.
    service.wait_for("test $(systemctl show -P ActiveState spacedrive.service) = inactive")
