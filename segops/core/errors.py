"""The errors of the SDK.

    SegOpsError
    ├── SegOpsConfigError          an option, key or URL is wrong; raised at construction; also a ValueError
    ├── SegOpsArgumentError        an argument of an admin call is wrong; nothing was sent; also a ValueError
    ├── SegOpsPluginError          a plugin cannot be loaded, or failed
    ├── SegOpsEventError           events were dropped; says the reason and how many
    │   └── SegOpsEncodingError    the payload holds something that has no JSON form
    ├── SegOpsSpoolError           the disk spool is bad, or the disk refuses it
    ├── SegOpsWebhookError         a received webhook is not genuine, or not one that can be read
    ├── SegOpsJobError             long work that the server had taken on failed
    ├── SegOpsTransportError       no answer came: refused, reset, DNS, TLS, proxy
    │   └── SegOpsTimeoutError     no answer came in time
    └── SegOpsApiError             the server answered, but not with success
        ├── SegOpsRedirectError          3xx
        ├── SegOpsBadRequestError        400, 422
        ├── SegOpsAuthenticationError    401
        ├── SegOpsPermissionError        403
        ├── SegOpsNotFoundError          404, 405
        ├── SegOpsPayloadTooLargeError   413
        ├── SegOpsRateLimitError         429
        ├── SegOpsServerError            5xx
        └── SegOpsResponseError          2xx, but the body is not what the endpoint is documented to send

No message, attribute or repr of these holds a key, a token, a signature or a payload.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property, partial
from typing import Any, Literal, get_args

import msgspec

DropReason = Literal["queue_full", "too_large", "invalid", "rejected", "undeliverable", "closed", "plugin", "corrupt"]
"""Why an event was dropped: a closed set."""

DROP_REASONS: tuple[DropReason, ...] = get_args(DropReason)

_BODY_SHOWN = 300


class SegOpsError(Exception):
    """The base of every error that this package raises."""


class SegOpsConfigError(SegOpsError, ValueError):
    """An option, a key or a URL is wrong."""


class SegOpsArgumentError(SegOpsError, ValueError):
    """An argument of an admin call is wrong; nothing was sent."""


class SegOpsPluginError(SegOpsError):
    """A plugin cannot be loaded, or failed while it ran."""


class SegOpsEventError(SegOpsError):
    """Events were dropped.

    Attributes:
        reason: Why, as counted in the ledger.
        count: How many events.
    """

    def __init__(self, message: str, *, reason: DropReason = "invalid", count: int = 1) -> None:
        super().__init__(message)
        self.reason: DropReason = reason
        self.count = count


class SegOpsEncodingError(SegOpsEventError):
    """The payload holds something that has no JSON form."""


class SegOpsSpoolError(SegOpsError):
    """The disk spool is bad, or the disk refuses it."""


class SegOpsWebhookError(SegOpsError):
    """A received webhook is not genuine, or not one that can be read."""


class SegOpsJobError(SegOpsError):
    """Long work that the server had taken on failed.

    Attributes:
        job: What the server last said about it, as decoded JSON.
    """

    def __init__(self, message: str, *, job: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.job = dict(job or {})


class SegOpsTransportError(SegOpsError):
    """No response arrived: connection refused or reset, DNS, TLS or proxy failure.

    Attributes:
        method: The HTTP method of an admin call; otherwise empty.
        path: The path of an admin call, without its query; otherwise empty.
        attempts: How often the call was tried.
    """

    method: str = ""
    path: str = ""
    attempts: int = 1


class SegOpsTimeoutError(SegOpsTransportError):
    """No complete response arrived in time."""


class SegOpsApiError(SegOpsError):
    """The server answered, but not with success.

    Attributes:
        status: The HTTP status.
        text: The response's body as text, as the server sent it.
        body: The same as decoded JSON; the text if it is not JSON.
        headers: The answer's headers, names in lower case.
        method: The HTTP method of an admin call; otherwise empty.
        path: The path of an admin call, without its query; otherwise empty.
        attempts: How often the call was tried.
        advice: What to do about it, where more is known than the status says; it ends the message.
    """

    method: str = ""
    path: str = ""
    attempts: int = 1
    advice: str = ""

    def __init__(self, message: str, *, status: int, body: str = "", headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.text = body
        self.headers = dict(headers or {})

    def __str__(self) -> str:
        return f"{super().__str__()}; {self.advice}" if self.advice else super().__str__()

    def __reduce__(self) -> tuple[Any, ...]:
        """Let the error cross processes, as from a worker of Dask or multiprocessing."""
        return partial(type(self), status=self.status), self.args, self.__dict__

    @cached_property
    def body(self) -> Any:
        """The response's body as decoded JSON; the text if it is not JSON."""
        try:
            return msgspec.json.decode(self.text.encode("utf-8", "surrogatepass"))
        except (ValueError, RecursionError):
            return self.text


class SegOpsRedirectError(SegOpsApiError):
    """3xx: the server points elsewhere; redirects are never followed."""


class SegOpsBadRequestError(SegOpsApiError):
    """400 or 422: the request failed validation."""


class SegOpsAuthenticationError(SegOpsApiError):
    """401: the credential is missing, wrong, revoked or expired."""


class SegOpsPermissionError(SegOpsApiError):
    """403: the credential is known but may not do this."""


class SegOpsNotFoundError(SegOpsApiError):
    """404 or 405: there is no such endpoint or record."""


class SegOpsPayloadTooLargeError(SegOpsApiError):
    """413: the request body is larger than the server takes."""


class SegOpsRateLimitError(SegOpsApiError):
    """429: a rate limit or quota is used up."""


class SegOpsServerError(SegOpsApiError):
    """5xx: the server failed."""


class SegOpsResponseError(SegOpsApiError):
    """2xx, but the body is not what the endpoint is documented to send."""


_BY_STATUS: dict[int, type[SegOpsApiError]] = {
    400: SegOpsBadRequestError,
    401: SegOpsAuthenticationError,
    403: SegOpsPermissionError,
    404: SegOpsNotFoundError,
    405: SegOpsNotFoundError,
    413: SegOpsPayloadTooLargeError,
    422: SegOpsBadRequestError,
    429: SegOpsRateLimitError,
}

_BY_CLASS: dict[int, type[SegOpsApiError]] = {3: SegOpsRedirectError, 5: SegOpsServerError}


def api_error(what: str, status: int, body: bytes, headers: Mapping[str, str], *, quote: bool = True) -> SegOpsApiError:
    """Return the error of the class that belongs to `status`.

    Args:
        what: The request, as "POST /api/…"; it opens the message.
        status: The HTTP status of the answer.
        body: The body of the answer; decoded leniently, its start is quoted in the message.
        headers: The headers of the answer.
        quote: Whether the message may quote the body. Not where the request held personal data: servers repeat it.
    """
    text = body.decode("utf-8", "replace")
    shown = text if len(text) <= _BODY_SHOWN else text[:_BODY_SHOWN] + "…"
    kind = _BY_STATUS.get(status) or _BY_CLASS.get(status // 100) or SegOpsApiError
    message = f"{what} was answered with {status}" + (f": {shown!r}" if quote else _phrase(status))
    return kind(message, status=status, body=text, headers=headers)


def _phrase(status: int) -> str:
    """Return what the status means, in the words of the standard and not those of the server."""
    from http import HTTPStatus  # noqa: PLC0415 - only for those who meet an error

    return f" {HTTPStatus(status).phrase}" if status in HTTPStatus._value2member_map_ else ""
