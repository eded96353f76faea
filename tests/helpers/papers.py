"""Certificates for servers of the tests."""

from __future__ import annotations

from pathlib import Path

import trustme


class Papers:
    """An authority, and the certificates of a server and of a client that it has signed, as files."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        self.authority = trustme.CA()
        self.ca = self._file("ca.pem", self.authority.cert_pem.bytes())
        self.server = self.authority.issue_cert("127.0.0.1")
        client = self.authority.issue_cert("client.example")
        self.certificate = self._file("client.pem", b"".join(pem.bytes() for pem in client.cert_chain_pems))
        self.key = self._file("client.key", client.private_key_pem.bytes())

    def _file(self, name: str, content: bytes) -> str:
        path = self._folder / name
        path.write_bytes(content)
        return str(path)


def redis_secrets(server: trustme.LeafCert, ca: str | None = None) -> dict[str, bytes]:
    """Returns the secrets with which start.sh has Redis speak TLS.

    Args:
        ca: path of the certificate of those who sign the clients', where these need some.
    """
    found = {
        "redis_tls_cert": b"".join(pem.bytes() for pem in server.cert_chain_pems),
        "redis_tls_key": server.private_key_pem.bytes(),
    }
    return found if ca is None else {**found, "redis_tls_ca": Path(ca).read_bytes()}
