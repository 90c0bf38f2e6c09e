"""The HTTP transport, for `http:` and `https:` URLs."""

from segops.transports.http.tls import make_context
from segops.transports.http.transport import HttpTransport

__all__ = ["HttpTransport", "make_context"]
