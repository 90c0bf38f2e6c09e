"""What endpoints return, and the error that ends a request early."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

import msgspec

from segops.core import Response

MAX_BODY = 10 * 1024 * 1024
"""The longest request body that is read, in bytes."""

_encoder = msgspec.json.Encoder()


class ApiResponse(msgspec.Struct, frozen=True):
    """The response of an endpoint, before it is encoded.

    Attributes:
        status: The HTTP status.
        body: The JSON value of the body. Bytes are sent as they are, with the content type in `headers`.
        headers: Further headers, with lower-case names.
        count: Number of events stored, for the request log.
        skipped: Number of events rejected, for the request log.
    """

    status: int
    body: object
    headers: Mapping[str, str] = {}
    count: int = 0
    skipped: int = 0

    def encode(self) -> Response:
        """Return the HTTP response."""
        headers = {"content-type": "application/json", **self.headers}
        body = self.body if isinstance(self.body, bytes) else _encoder.encode(self.body)
        return Response(self.status, headers, body)


class HTTPError(Exception):
    """Ends a request with an error response.

    Args:
        status: The HTTP status.
        detail: What is wrong: a sentence, or a list of sentences for each field. By default the name of the status.
        headers: Further headers, with lower-case names.
    """

    def __init__(
        self,
        status: int,
        detail: str | Mapping[str, list[str]] = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, detail)
        detail = detail or f"{HTTPStatus(status).phrase.capitalize()}."
        body = {"detail": detail} if isinstance(detail, str) else detail
        self.response = ApiResponse(status, body, headers or {})


def no_content() -> ApiResponse:
    """Return the response to a deletion."""
    return ApiResponse(204, b"")


def too_large() -> HTTPError:
    """Return the error for a body above `MAX_BODY`."""
    return HTTPError(413, f"The request body is larger than {MAX_BODY} bytes.")
