"""Certificates of an authority that a test makes for itself, as files."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import trustme


class Papers:
    """An authority, a certificate for 127.0.0.1 as `secrets`, and one of a client as files."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        self._authority = trustme.CA()
        self.ca = self._file("ca.pem", self._authority.cert_pem.bytes())
        client = self._authority.issue_cert("client.example")
        self.certificate = self._file("client.pem", _chain(client))
        self.key = self._file("client.key", client.private_key_pem.bytes())

    @property
    def own(self) -> dict[str, str]:
        """What a client that has them says in a broker's URL."""
        return {"ssl_ca_certs": self.ca, "ssl_certfile": self.certificate, "ssl_keyfile": self.key}

    def secrets(self, *, mutual: bool, not_after: datetime | None = None) -> dict[str, bytes]:
        """Returns what deploy/redis/start.sh reads for TLS.

        Args:
            mutual: whether clients need certificates too.
            not_after: when the server's certificate expires.
        """
        server = self._authority.issue_cert("127.0.0.1", not_after=not_after)
        found = {"redis_tls_cert": _chain(server), "redis_tls_key": server.private_key_pem.bytes()}
        return {**found, "redis_tls_ca": self._authority.cert_pem.bytes()} if mutual else found

    def _file(self, name: str, content: bytes) -> str:
        path = self._folder / name
        path.write_bytes(content)
        return str(path)


def _chain(certificate: trustme.LeafCert) -> bytes:
    return b"".join(pem.bytes() for pem in certificate.cert_chain_pems)
