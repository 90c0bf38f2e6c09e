"""Bodies: what is sent, and what came back."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import msgspec

from segops.core import Response, SegOpsResponseError
from segops.plugins.admin.messages import printable

_SHOWN = 120


def decode(what: str, response: Response) -> Any:
    """Return the JSON of an answer; None if it has no body.

    Args:
        what: The request, as "GET /api/…"; it opens the message.
        response: The answer.

    Raises:
        SegOpsResponseError: The body is no JSON.
    """
    if not response.body:
        return None
    try:
        return msgspec.json.decode(response.body)
    except (ValueError, RecursionError) as error:  # the first of text that is not UTF-8, too
        kind = response.headers.get("content-type", "no content type")
        raise unexpected(what, response, f"no JSON ({printable(kind)}; {printable(error)})") from error


def unexpected(what: str, response: Response, found: str) -> SegOpsResponseError:
    """Return the error for a success that does not hold what it should."""
    text = response.body.decode("utf-8", "replace")
    shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
    error = SegOpsResponseError(
        f"{what} was answered with {response.status}, but the body is {found}: {shown!r}. "
        "Is the base URL that of a SegOps API?",
        status=response.status,
        body=text,
        headers=response.headers,
    )
    error.method, _, error.path = what.partition(" ")
    return error


def multipart(name: str, filename: str, content: bytes, content_type: str) -> tuple[bytes, str]:
    """Return one file as multipart/form-data (RFC 7578), and the Content-Type of that."""
    boundary = f"segops-{uuid4().hex}"
    safe = "".join(f"%{ord(char):02X}" if char in '"\r\n' else char for char in filename)
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{safe}"\r\n'
        f"Content-Type: {content_type}\r\n\r\n"
    )
    body = b"".join([head.encode("utf-8", "replace"), content, f"\r\n--{boundary}--\r\n".encode()])
    return body, f"multipart/form-data; boundary={boundary}"
