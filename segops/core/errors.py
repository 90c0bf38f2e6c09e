"""The errors of the SDK.

    SegOpsError
    ├── SegOpsConfigError          an option, key or URL is wrong; raised at construction; also a ValueError
    ├── SegOpsArgumentError        an argument of an admin call is wrong; nothing was sent; also a ValueError
    ├── SegOpsPluginError          a plugin cannot be loaded, or failed
    ├── SegOpsEventError           events were dropped; has the reason and the number
    │   └── SegOpsEncodingError    a payload cannot be encoded as JSON
    ├── SegOpsSpoolError           the disk spool cannot be used
    ├── SegOpsWebhookError         a webhook has an invalid signature or body
    ├── SegOpsJobError             a job on the server failed
    ├── SegOpsTransportError       no response: connection refused or reset, DNS, TLS, proxy
    │   └── SegOpsTimeoutError     no complete response in time
    └── SegOpsApiError             the server returned an error
        ├── SegOpsRedirectError          3xx
        ├── SegOpsBadRequestError        400, 422
        ├── SegOpsAuthenticationError    401
        ├── SegOpsPermissionError        403
        ├── SegOpsNotFoundError          404, 405
        ├── SegOpsPayloadTooLargeError   413
        ├── SegOpsRateLimitError         429
        ├── SegOpsServerError            5xx
        └── SegOpsResponseError          2xx with an unexpected body

No message, attribute or repr contains a key, a token, a signature or a payload.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property, partial
from typing import Any, Literal, get_args

import msgspec

DropReason = Literal["queue_full", "too_large", "invalid", "rejected", "undeliverable", "closed", "plugin", "corrupt"]
"""Why an event was dropped."""

DROP_REASONS: tuple[DropReason, ...] = get_args(DropReason)

_BODY_SHOWN = 300


class SegOpsError(Exception):
    """The base class of all errors of this package."""


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
    """A payload cannot be encoded as JSON."""


class SegOpsSpoolError(SegOpsError):
    """The disk spool cannot be used."""


class SegOpsWebhookError(SegOpsError):
    """A webhook has an invalid signature or body."""


class SegOpsJobError(SegOpsError):
    """A job on the server failed.

    Attributes:
        job: Its last known state, as decoded JSON.
    """

    def __init__(self, message: str, *, job: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.job = dict(job or {})


class SegOpsTransportError(SegOpsError):
    """No response arrived: connection refused or reset, DNS, TLS or proxy failure.

    Attributes:
        method: The HTTP method of an admin call; otherwise empty.
        path: The path of an admin call, without its query; otherwise empty.
        attempts: The number of attempts.
    """

    method: str = ""
    path: str = ""
    attempts: int = 1


class SegOpsTimeoutError(SegOpsTransportError):
    """No complete response arrived in time."""


class SegOpsApiError(SegOpsError):
    """The server returned an error.

    Attributes:
        status: The HTTP status.
        text: The body of the response as text.
        headers: The headers of the response, names in lower case.
        method: The HTTP method of an admin call; otherwise empty.
        path: The path of an admin call, without its query; otherwise empty.
        attempts: The number of attempts.
        advice: What to do about it, if more is known than the status says. It ends the message.
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
        """The body of the response as decoded JSON; the text if it is not JSON."""
        try:
            return msgspec.json.decode(self.text.encode("utf-8", "surrogatepass"))
        except (ValueError, RecursionError):
            return self.text


class SegOpsRedirectError(SegOpsApiError):
    """3xx: the server redirects the request; redirects are not followed."""


class SegOpsBadRequestError(SegOpsApiError):
    """400 or 422: the request failed validation."""


class SegOpsAuthenticationError(SegOpsApiError):
    """401: the credential is missing, wrong, revoked or expired."""


class SegOpsPermissionError(SegOpsApiError):
    """403: the credential is known but may not do this."""


class SegOpsNotFoundError(SegOpsApiError):
    """404 or 405: the endpoint or record does not exist."""


class SegOpsPayloadTooLargeError(SegOpsApiError):
    """413: the request body is too large for the server."""


class SegOpsRateLimitError(SegOpsApiError):
    """429: a rate limit or quota is used up."""


class SegOpsServerError(SegOpsApiError):
    """5xx: the server failed."""


class SegOpsResponseError(SegOpsApiError):
    """2xx with a body that the documentation of the endpoint does not allow."""


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
    """Return the error for the status of a response.

    Args:
        what: The request, as "POST /api/…"; the message begins with it.
        status: The HTTP status.
        body: The body of the response.
        headers: The headers of the response.
        quote: Whether the message quotes the start of the body. Pass False if the request contained personal data,
            because servers repeat it.
    """
    text = body.decode("utf-8", "replace")
    shown = text if len(text) <= _BODY_SHOWN else text[:_BODY_SHOWN] + "…"
    cls = _BY_STATUS.get(status) or _BY_CLASS.get(status // 100) or SegOpsApiError
    message = f"{what} returned {status}{_phrase(status)}" + (f": {shown!r}" if quote else "")
    return cls(message, status=status, body=text, headers=headers)


def _phrase(status: int) -> str:
    """Return the standard phrase of a status; the server's own may contain anything."""
    from http import HTTPStatus  # noqa: PLC0415 - only needed for errors

    try:
        return f" {HTTPStatus(status).phrase}"
    except ValueError:
        return ""
