"""Requests, responses, and transports.

Batches of events, the session handshake and admin calls all pass through `Transport.send` or `Transport.stream`.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping

import msgspec

from segops.core.errors import SegOpsTransportError

BATCH_PATH = "/api/ingestion/track/batch/"
SINGLE_PATH = "/api/ingestion/track/"
SESSION_PATH = "/api/auth/session/"


class Request(msgspec.Struct, frozen=True, repr_omit_defaults=True):
    """An HTTP request.

    Attributes:
        method: The HTTP method, in capitals.
        path: The absolute path with its query, percent-encoded.
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
    """An HTTP response.

    Attributes:
        status: The HTTP status.
        headers: Header values by lower-case name.
        body: The body, decompressed, up to the transport's limit.
        truncated: Whether the transport stopped reading before the end of the body.
    """

    status: int
    headers: Mapping[str, str] = {}
    body: bytes = b""
    truncated: bool = False

    def __repr__(self) -> str:
        """Omit the body: the response to a handshake contains a token."""
        return f"Response({self.status}, {len(self.body)} bytes)"


BodySink = Callable[[Response], "Callable[[bytes], object] | None"]
"""Decides where the body of a streamed response goes.

It gets the response without its body as soon as the headers have arrived. It returns a function that takes the body in
pieces, or None to have the body in the response, as `send` does.
"""


class Transport(abc.ABC):
    """Send requests to a server, and return its responses.

    A `SegOpsClient` calls from one thread at a time. A `SegOpsAdmin`, or clients that share a transport, call from
    several threads at once.

    Attributes:
        url: The destination, without credentials; empty if a URL has no meaning here.
        offline: Whether requests do not reach a SegOps server. The client then needs no key and opens no session.
        api_key: The key to use if the application passes none.
        batch_size: Waiting events that start a flush, if the application says nothing about it.
    """

    url: str = ""
    offline: bool = False
    api_key: str | None = None
    batch_size: int = 20

    @abc.abstractmethod
    def send(self, request: Request, *, timeout: float) -> Response:
        """Send one request and return the response, whatever its status.

        Args:
            request: The request.
            timeout: The limit for the whole exchange in seconds, from the DNS lookup to the last byte.

        Raises:
            SegOpsTimeoutError: The response was not complete in time.
            SegOpsTransportError: The request failed without a response.
        """

    def stream(self, request: Request, sink: BodySink, *, timeout: float, idle: float | None = None) -> Response:
        """Send one request and pass the body of the response to a function in pieces, whatever its size.

        The caller passes a function instead of getting an open response, so that no connection can be left open or
        read on another thread. An exception from `sink` or its function ends the exchange and is raised here.

        Overriding this is optional. The default calls `send` and passes the body in one piece, which limits it to what
        `send` reads.

        Args:
            request: The request.
            sink: Decides by status and headers where the body goes.
            timeout: The limit for the whole exchange in seconds.
            idle: The limit in seconds between two bytes. Default: `timeout`.

        Returns:
            The response; its body is empty if `sink` took it.

        Raises:
            SegOpsTimeoutError: The response was not complete in time.
            SegOpsTransportError: The response was not complete, or exceeds what this transport reads.
        """
        response = self.send(request, timeout=timeout if idle is None else min(timeout, idle))
        head = Response(response.status, response.headers)
        write = sink(head)
        if write is None:
            return response
        if response.truncated:
            raise SegOpsTransportError(
                f"the response to {request.method} {request.path} is too large for this transport ({self.url})"
            )
        write(response.body)
        return head

    def close(self) -> None:  # noqa: B027 - most transports have nothing to close
        """Close connections and files; a later `send` may reopen them."""


def shown_url(url: str) -> str:
    """Return a URL without credentials, which a third-party transport may have left in it."""
    scheme, separator, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    return f"{scheme}{separator}{authority.rpartition('@')[2]}{slash}{path}"


TransportFactory = Callable[[str], Transport]
"""Creates a transport from a URL with a scheme that it is registered for.

Raises:
    SegOpsConfigError: The transport does not support the URL.
"""
