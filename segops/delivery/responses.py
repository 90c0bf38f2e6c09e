"""Read the responses to batches."""

from __future__ import annotations

import sys
from collections.abc import Mapping

import msgspec

from segops.core.errors import SegOpsError
from segops.core.http import Request, Response


class _Answer(msgspec.Struct):
    skipped: int = 0


def is_response(answer: object) -> bool:
    """Tell whether a transport, which may be third-party, returned a response all of whose fields can be read."""
    return (
        isinstance(answer, Response)
        and isinstance(answer.status, int)
        and isinstance(answer.body, bytes)
        and isinstance(answer.headers, Mapping)
        and all(isinstance(value, str) for value in answer.headers.values())
    )


def is_unsafe(error: SegOpsError) -> bool:
    """Tell whether the server could not prove who it is: another attempt will not cure that, a human must."""
    ssl = sys.modules.get("ssl")  # without it no certificate was looked at
    return ssl is not None and isinstance(error.__cause__, ssl.SSLCertVerificationError)


def without_credential(response: Response, request: Request) -> Response:
    """Take the credential of `request` out of the answer's body and headers: servers quote it, and errors hold both."""
    credential = request.headers.get("Authorization", "").rpartition(" ")[2]
    if not credential:
        return response
    body = response.body.replace(credential.encode(), b"***")
    headers = {name: value.replace(credential, "***") for name, value in response.headers.items()}
    return msgspec.structs.replace(response, body=body, headers=headers)


def skipped(response: Response) -> int:
    """Read how many events the server did not take; an unreadable body of a success says nothing against it."""
    try:
        return max(0, msgspec.json.decode(response.body, type=_Answer).skipped)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return 0
