"""Where a worker may connect to for an image that a stranger names: public web servers, and what its settings open."""

from __future__ import annotations

import ipaddress
import re
import socket
from contextlib import suppress
from dataclasses import dataclass

from askpix.producer.errors import AskpixError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

WEB_PORTS = (80, 443)

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_PUBLIC_V6 = ipaddress.ip_network("2000::/3")
_CLOUD_INSIDE = tuple(map(ipaddress.ip_network, ("100.100.100.200/32", "168.63.129.16/32", "192.0.0.0/24")))
"""Addresses at which cloud services answer the machines inside them; some count as public otherwise."""

_HOST = re.compile(r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*")
_LAST_PORT = 65_535
_INSIDE_NAMES = frozenset(
    ("localhost", "local", "localdomain", "internal", "intranet", "lan", "home", "corp", "private")
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Opened:
    """What a worker may connect to beside public web servers."""

    network: Network | None = None
    host: str | None = None
    """A name, in small letters, whatever addresses it has. Either this or a network."""

    port: int | None = None
    """None for all of them."""

    @classmethod
    def parse(cls, value: str) -> Opened:
        """Returns what CIDR, HOST, CIDR:PORT or HOST:PORT opens; IPv6 with a port is written in brackets.

        Raises:
            AskpixError: it is none of these.
        """
        text = value.strip()
        for where, port in ((text, None), text.rpartition(":")[::2]):
            number = int(port) if port is not None and re.fullmatch("[0-9]{1,5}", port) else None
            if port is not None and (number is None or not 0 < number <= _LAST_PORT):
                continue
            bare = where[1:-1] if where.startswith("[") and where.endswith("]") else where
            if port is not None and ":" in where and bare == where:
                continue
            try:
                return cls(network=ipaddress.ip_network(bare, strict=False), port=number)
            except ValueError:
                pass
            host = bare.lower().rstrip(".")
            # What looks like a number is a mistyped address, not a name.
            if bare == where and _HOST.fullmatch(host) and not host.rpartition(".")[2].isdigit():
                return cls(host=host, port=number)
        raise AskpixError(
            f"--allow-net {value[:100]!r} (or ASKPIX_ALLOW_NET) is neither a network nor a host: write it as "
            "10.0.0.0/8, 127.0.0.1, images.internal or images.internal:8080"
        )

    def covers(self, host: str, address: Address, port: int) -> bool:
        """Returns whether it opens a connection to a host, at one of its addresses."""
        if self.network is None:
            return self.covers_name(host, port)
        if self.port not in (None, port):
            return False
        return address.version == self.network.version and address in self.network

    def covers_name(self, host: str, port: int) -> bool:
        """Returns whether it opens a host by its name."""
        return self.port in (None, port) and host.lower().rstrip(".") == self.host


def is_public(address: Address) -> bool:
    """Returns whether an address is one of the open internet, and not a way to somewhere else."""
    address = unwrapped(address)
    if isinstance(address, ipaddress.IPv6Address) and address not in _PUBLIC_V6:
        return False
    # is_global is False for loopback, private, link-local, shared and reserved addresses, the
    # metadata service 169.254.169.254 among them.
    inside = any(address.version == network.version and address in network for network in _CLOUD_INSIDE)
    return address.is_global and not address.is_multicast and not inside


def address_in(host: str) -> Address | None:
    """Returns the address that a host of a URL is, in any way of writing it that programs take; None for a name."""
    bare = host.strip("[]").partition("%")[0]
    with suppress(ValueError):
        return ipaddress.ip_address(bare)
    # With fewer than four numbers, and octal and hexadecimal ones.
    with suppress(OSError):
        return ipaddress.IPv4Address(socket.inet_aton(bare))
    return None


def is_public_name(host: str) -> bool:
    """Returns whether a name could be one of the open internet."""
    labels = host.lower().rstrip(".").split(".")
    return len(labels) > 1 and labels[-1] not in _INSIDE_NAMES and labels[-2:] != ["home", "arpa"]


def unwrapped(address: Address) -> Address:
    """Returns the IPv4 address that an IPv6 address stands for, where it does."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address
