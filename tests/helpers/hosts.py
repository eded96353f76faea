"""Web servers of which something is known."""

from __future__ import annotations

from askpix.worker.hosts import Hosts
from askpix.worker.item_errors import ItemError

TIMEOUT = ItemError("timeout", "it did not answer in time", retryable=True)


def known(name: str, hosts: Hosts) -> Hosts:
    """Has a host have answered for long."""
    for _ in range(100):
        hosts.judge(name, None)
    return hosts
