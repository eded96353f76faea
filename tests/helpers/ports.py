"""Ports that are free."""

from __future__ import annotations

import socket


def free_port() -> int:
    """Returns a port of 127.0.0.1 on which nobody listens, for a program that is told one."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port
