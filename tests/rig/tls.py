"""Certificates for tests, with their own authority."""

from __future__ import annotations

import datetime as dt
import ssl
from pathlib import Path

import trustme


class TLS:
    """An authority and what it issues.

    Attributes:
        ca_file: The authority's certificate, as a file.
    """

    def __init__(self, directory: Path) -> None:
        self._authority = trustme.CA()
        self.ca_file = directory / "ca.pem"
        self._authority.cert_pem.write_to_path(str(self.ca_file))

    def server(self, *names: str, expired: bool = False) -> ssl.SSLContext:
        """Return a server's context with a certificate for `names`, by default 127.0.0.1."""
        long_ago = dt.datetime(2001, 1, 1, tzinfo=dt.timezone.utc)
        certificate = self._authority.issue_cert(*(names or ("127.0.0.1",)), not_after=long_ago if expired else None)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
        return context

    def issue_to(self, chain: Path, key: Path) -> None:
        """Write a certificate for 127.0.0.1, and its key, to files."""
        certificate = self._authority.issue_cert("127.0.0.1")
        certificate.private_key_pem.write_to_path(str(key))
        for pem in certificate.cert_chain_pems:
            pem.write_to_path(str(chain), append=True)
