"""What a worker may read and write. Checked for each message and each image: both come from strangers."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from askpix.producer.errors import AskpixError, MessageError
from askpix.producer.storage import Storage, local_path, open_storage, shortened

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_PUBLIC_V6 = ipaddress.ip_network("2000::/3")
_CLOUD_INSIDE = tuple(map(ipaddress.ip_network, ("100.100.100.200/32", "168.63.129.16/32", "192.0.0.0/24")))
"""Addresses at which cloud services answer the machines inside them; some count as public otherwise."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Access:
    """A worker's own settings; no message can widen them."""

    storage_roots: tuple[Path, ...] = ()
    """Folders under which job folders may be read and written."""

    files_roots: tuple[Path, ...] = ()
    """Folders under which images may be read."""

    networks: tuple[Network, ...] = ()
    """Networks from which images may be fetched although they are not public."""

    @classmethod
    def of(
        cls, *, storage_roots: Iterable[str] = (), files_roots: Iterable[str] = (), networks: Iterable[str] = ()
    ) -> Access:
        """Returns the access that options name.

        Raises:
            AskpixError: one of them is no local folder or no network.
        """
        return cls(
            storage_roots=tuple(_root(root, "--storage-root") for root in storage_roots),
            files_roots=tuple(_root(root, "--files-root") for root in files_roots),
            networks=tuple(map(_network, networks)),
        )

    def open_job(self, uri: str) -> Storage:
        """Returns the storage of a job folder that a message names.

        Raises:
            MessageError: it is outside the worker's storage roots, or no storage at all.
        """
        path = local_path(uri)
        if path is None or not path.is_absolute() or "\0" in uri or not _under(path, self.storage_roots):
            raise MessageError(f"the job folder {shortened(uri)!r} is outside this worker's storage roots")
        return open_storage(str(path.resolve()))

    def may_read(self, path: Path) -> bool:
        """Returns whether an image file may be read; `path` must be resolved."""
        return _under(path, self.files_roots)

    def may_reach(self, address: Address) -> bool:
        """Returns whether an image may be fetched from that address: any public one, and those in `networks`."""
        address = _unwrapped(address)
        if any(address.version == network.version and address in network for network in self.networks):
            return True
        if isinstance(address, ipaddress.IPv6Address) and address not in _PUBLIC_V6:
            return False
        # is_global is False for loopback, private, link-local, shared and reserved addresses, the
        # metadata service 169.254.169.254 among them.
        inside = any(address.version == network.version and address in network for network in _CLOUD_INSIDE)
        return address.is_global and not address.is_multicast and not inside


def _unwrapped(address: Address) -> Address:
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


def _under(path: Path, roots: tuple[Path, ...]) -> bool:
    try:
        resolved = path.resolve()
    except (OSError, RuntimeError):  # too long a name, a loop of symbolic links
        return False
    return any(resolved.is_relative_to(root) for root in roots)


def _root(value: str, option: str) -> Path:
    path = local_path(value) if value else None
    if path is None:
        raise AskpixError(f"{option} {value!r} is no local folder")
    return path.resolve()


def _network(value: str) -> Network:
    try:
        return ipaddress.ip_network(value.strip(), strict=False)
    except ValueError:
        raise AskpixError(f"--allow-net {value!r} is no network: write it as 10.0.0.0/8 or 127.0.0.1") from None
