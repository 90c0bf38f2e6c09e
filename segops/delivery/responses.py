"""Read the responses to batches."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from segops.core.http import Request, Response


class _BatchResult(msgspec.Struct):
    skipped: int = 0


def is_response(value: object) -> bool:
    """Return whether a transport, which may be third-party, returned a valid response."""
    return (
        isinstance(value, Response)
        and isinstance(value.status, int)
        and isinstance(value.body, bytes)
        and isinstance(value.headers, Mapping)
        and all(isinstance(text, str) for text in value.headers.values())
    )


def without_credential(response: Response, request: Request) -> Response:
    """Mask the credential of `request` in the body and headers: servers quote it, and errors contain both."""
    credential = request.headers.get("Authorization", "").rpartition(" ")[2]
    if not credential:
        return response
    body = response.body.replace(credential.encode(), b"***")
    headers = {name: value.replace(credential, "***") for name, value in response.headers.items()}
    return msgspec.structs.replace(response, body=body, headers=headers)


def skipped(response: Response) -> int:
    """Return how many events the server skipped; 0 if a successful response has no readable body."""
    try:
        return max(0, msgspec.json.decode(response.body, type=_BatchResult).skipped)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return 0
