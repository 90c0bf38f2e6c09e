"""The one seam: an HTTP exchange.

Event batches, the session handshake and every admin call are a `Request` handed to a `Transport`; swapping the
transport swaps all of them.
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


BodySink = Callable[[Response], "Callable[[bytes], object] | None"]
"""Decides where the body of a streamed answer goes.

It is given the answer without its body as soon as the headers are there, and returns the function that takes the body
piece by piece; or None to have it in the answer, as `send` does.
"""


class Transport(abc.ABC):
    """Takes a request somewhere and returns the response.

    A `SegOpsClient` calls from one thread at a time. A `SegOpsAdmin`, and clients that share a transport, call from any
    number of threads.

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
        """Send one request and return the response, whatever its status.

        Args:
            request: What to send.
            timeout: Seconds that the whole exchange may take, from resolving the name to the last byte.

        Raises:
            SegOpsTimeoutError: No complete response arrived in time.
            SegOpsTransportError: No response arrived.
        """

    def stream(self, request: Request, sink: BodySink, *, timeout: float, idle: float | None = None) -> Response:
        """Send one request and hand the body of the answer on in pieces, for answers of any size.

        A function is handed in, rather than an open answer handed out: the connection cannot be left open or read on
        another thread, and a transport stays one call deep. The price is that the pieces cannot be pulled one by one.
        What `sink` and its function raise ends the exchange and is raised here.

        A transport need not override this: as it is, it sends with `send` and hands on the body in one piece, so that
        answers can be no larger than `send` reads.

        Args:
            request: What to send.
            sink: Decides where the body goes, by the status and the headers of the answer.
            timeout: Seconds that the whole exchange may take.
            idle: Seconds that may pass without a byte. Default: as long as `timeout`.

        Returns:
            The answer; its body is empty if it was handed on.

        Raises:
            SegOpsTimeoutError: No complete response arrived in time.
            SegOpsTransportError: No complete response arrived, or it is larger than this transport reads.
        """
        response = self.send(request, timeout=timeout if idle is None else min(timeout, idle))
        head = Response(response.status, response.headers)
        write = sink(head)
        if write is None:
            return response
        if response.truncated:
            raise SegOpsTransportError(f"{self.url} answered {request!r} with more than this transport reads")
        write(response.body)
        return head

    def close(self) -> None:  # noqa: B027 - most transports hold nothing
        """Give back connections and files; a later `send` may open them again."""


def shown_url(url: str) -> str:
    """Return a URL without the credentials that a third-party transport may have left in it."""
    scheme, separator, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    return f"{scheme}{separator}{authority.rpartition('@')[2]}{slash}{path}"


TransportFactory = Callable[[str], Transport]
"""Makes a transport from a URL whose scheme it was registered for.

Raises:
    SegOpsConfigError: The URL is not one that the transport understands.
"""
