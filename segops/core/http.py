"""The one seam: an HTTP exchange.

Event batches, the session handshake and every admin call are a `Request` handed to a `Transport`; swapping the
transport swaps all of them.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping

import msgspec

BATCH_PATH = "/api/ingestion/track/batch/"
SINGLE_PATH = "/api/ingestion/track/"
SESSION_PATH = "/api/auth/session/"


class Request(msgspec.Struct, frozen=True, repr_omit_defaults=True):
    """What is sent.

    Attributes:
        method: The HTTP method in capitals.
        path: The absolute path, with its query if it has one; percent-encoded.
        headers: Header names and values, ASCII.
        body: The body; empty for none.
    """

    method: str
    path: str
    headers: Mapping[str, str] = {}
    body: bytes = b""

    def __repr__(self) -> str:
        """Show neither headers (credentials) nor body (personal data)."""
        return f"Request({self.method} {self.path}, {len(self.body)} bytes)"


class Response(msgspec.Struct, frozen=True):
    """What came back.

    Attributes:
        status: The HTTP status.
        headers: Header values by name in lower case.
        body: The body, decoded; at most as long as the transport reads.
        truncated: Whether the transport stopped reading before the end of the body.
    """

    status: int
    headers: Mapping[str, str] = {}
    body: bytes = b""
    truncated: bool = False

    def __repr__(self) -> str:
        """Show no body: a session answer holds a token."""
        return f"Response({self.status}, {len(self.body)} bytes)"


class Transport(abc.ABC):
    """Takes a request somewhere and brings the answer back.

    Implementations are called from one thread at a time by a client, but may be shared by several clients.

    Attributes:
        url: Where it sends, without credentials; empty if that has no meaning.
        offline: Whether there is no SegOps at the other end. No handshake is tried and no key is needed.
        api_key: A key that fits the other end, used when the application gives none.
    """

    url: str = ""
    offline: bool = False
    api_key: str | None = None

    @abc.abstractmethod
    def send(self, request: Request, *, timeout: float) -> Response:
        """Send one request and return the answer, whatever its status.

        Args:
            request: What to send.
            timeout: Seconds that the whole exchange may take, from resolving the name to the last byte.

        Raises:
            SegOpsTimeoutError: No complete answer came in time.
            SegOpsTransportError: No answer came.
        """

    def close(self) -> None:  # noqa: B027 - most transports hold nothing
        """Give back connections and files; a later `send` may open them again."""


TransportFactory = Callable[[str], Transport]
"""Makes a transport from a URL whose scheme it was registered for.

Raises:
    SegOpsConfigError: The URL is not one that the transport understands.
"""
