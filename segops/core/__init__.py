"""The contracts that plugins build on: events, hooks, transports, spools, retries, and errors.

docs/plugins.md is the guide.
"""

from segops.core.errors import (
    DROP_REASONS,
    DropReason,
    SegOpsApiError,
    SegOpsArgumentError,
    SegOpsAuthenticationError,
    SegOpsBadRequestError,
    SegOpsConfigError,
    SegOpsEncodingError,
    SegOpsError,
    SegOpsEventError,
    SegOpsJobError,
    SegOpsNotFoundError,
    SegOpsPayloadTooLargeError,
    SegOpsPermissionError,
    SegOpsPluginError,
    SegOpsRateLimitError,
    SegOpsRedirectError,
    SegOpsResponseError,
    SegOpsServerError,
    SegOpsSpoolError,
    SegOpsTimeoutError,
    SegOpsTransportError,
    api_error,
)
from segops.core.events import CONTEXT_IDENTIFIED, PAGE_VIEWED, Event
from segops.core.hookspecs import Command, Enrich, Enricher, Observer, hookimpl
from segops.core.http import (
    BATCH_PATH,
    SESSION_PATH,
    SINGLE_PATH,
    BodySink,
    Request,
    Response,
    Transport,
    TransportFactory,
)
from segops.core.options import Limits
from segops.core.retry import Action, Backoff, Clock, RetryPolicy, admin_action, event_action, retry_after
from segops.core.spool import (
    ADOPTED,
    Batch,
    Claim,
    Identity,
    Spool,
    SpoolContext,
    SpoolFactory,
    SpoolListener,
    StoredBatch,
)

__all__ = [
    "ADOPTED",
    "BATCH_PATH",
    "CONTEXT_IDENTIFIED",
    "DROP_REASONS",
    "PAGE_VIEWED",
    "SESSION_PATH",
    "SINGLE_PATH",
    "Action",
    "Backoff",
    "Batch",
    "BodySink",
    "Claim",
    "Clock",
    "Command",
    "DropReason",
    "Enrich",
    "Enricher",
    "Event",
    "Identity",
    "Limits",
    "Observer",
    "Request",
    "Response",
    "RetryPolicy",
    "SegOpsApiError",
    "SegOpsArgumentError",
    "SegOpsAuthenticationError",
    "SegOpsBadRequestError",
    "SegOpsConfigError",
    "SegOpsEncodingError",
    "SegOpsError",
    "SegOpsEventError",
    "SegOpsJobError",
    "SegOpsNotFoundError",
    "SegOpsPayloadTooLargeError",
    "SegOpsPermissionError",
    "SegOpsPluginError",
    "SegOpsRateLimitError",
    "SegOpsRedirectError",
    "SegOpsResponseError",
    "SegOpsServerError",
    "SegOpsSpoolError",
    "SegOpsTimeoutError",
    "SegOpsTransportError",
    "Spool",
    "SpoolContext",
    "SpoolFactory",
    "SpoolListener",
    "StoredBatch",
    "Transport",
    "TransportFactory",
    "admin_action",
    "api_error",
    "event_action",
    "hookimpl",
    "retry_after",
]


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted(__all__)
