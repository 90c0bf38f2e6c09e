"""SegOps over HTTP: the transport for `http:` and `https:` URLs."""

from segops.transports.http.transport import HttpTransport

__all__ = ["HttpTransport"]
