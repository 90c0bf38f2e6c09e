"""Decode response bodies, and encode multipart request bodies."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import msgspec

from segops.core import Response, SegOpsResponseError
from segops.plugins.admin.messages import printable

_SHOWN = 120


def decode(what: str, response: Response) -> Any:
    """Return the JSON of a response; None if it has no body.

    Args:
        what: The request, as "GET /api/…", for messages.
        response: The response.

    Raises:
        SegOpsResponseError: The body is not JSON.
    """
    if not response.body:
        return None
    try:
        return msgspec.json.decode(response.body)
    except (ValueError, RecursionError) as error:  # ValueError also covers invalid UTF-8
        content_type = response.headers.get("content-type", "no content type")
        raise unexpected(what, response, "JSON", f"{printable(content_type)} ({printable(error)})") from error


def unexpected(what: str, response: Response, expected: str, found: str) -> SegOpsResponseError:
    """Return the error for a successful response with an unusable body.

    Args:
        what: The request, as "GET /api/…".
        response: The response.
        expected: What the body should contain.
        found: What it contains.
    """
    text = response.body.decode("utf-8", "replace")
    shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
    error = SegOpsResponseError(
        f"{what} returned {response.status} with an unexpected body: expected {expected}, got {found}: {shown!r}",
        status=response.status,
        body=text,
        headers=response.headers,
    )
    error.advice = "check that the base URL points to a SegOps API"
    error.method, _, error.path = what.partition(" ")
    return error


def multipart(name: str, filename: str, content: bytes, content_type: str) -> tuple[bytes, str]:
    """Encode one file as multipart/form-data (RFC 7578) and return the body with its Content-Type."""
    boundary = f"segops-{uuid4().hex}"
    safe = "".join(f"%{ord(char):02X}" if char in '"\r\n' else char for char in filename)
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{safe}"\r\n'
        f"Content-Type: {content_type}\r\n\r\n"
    )
    body = b"".join([head.encode("utf-8", "replace"), content, f"\r\n--{boundary}--\r\n".encode()])
    return body, f"multipart/form-data; boundary={boundary}"
