"""SegOps event SDK: `SegOpsClient` sends events, everything else is a plugin.

from segops import SegOpsClient

client = SegOpsClient("https://api.segops.ai", "sk_…")
client.track(user_id="user-123", event_type="order_placed", payload={"total": 89.95})

PYTEST_DONT_REWRITE: without this word, pytest warns if a program imports this package before it calls pytest.
"""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING, Any

from segops.client import SegOpsClient
from segops.core.errors import (
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
    SegOpsWebhookError,
)
from segops.core.events import Context, Event, PageView, UserContext
from segops.core.hookspecs import Observer, hookimpl
from segops.core.options import Limits
from segops.core.retry import RetryPolicy
from segops.delivery.ledger import Stats
from segops.delivery.process import close_on_signal

if TYPE_CHECKING:
    from segops.admin import SegOpsAdmin
    from segops.async_admin import AsyncSegOpsAdmin
    from segops.plugins.ai_crawler import AiCrawler, detect_ai_crawler
    from segops.plugins.ai_referrer import AiReferral, AiReferrers, detect_ai_referrer
    from segops.signing import SignedUser, sign_user_id
    from segops.webhooks import WebhookEvent, parse_webhook, verify_webhook

__version__ = "0.1.0"

__all__ = [
    "AiCrawler",
    "AiReferral",
    "AiReferrers",
    "AsyncSegOpsAdmin",
    "Context",
    "Event",
    "Limits",
    "Observer",
    "PageView",
    "RetryPolicy",
    "SegOpsAdmin",
    "SegOpsApiError",
    "SegOpsArgumentError",
    "SegOpsAuthenticationError",
    "SegOpsBadRequestError",
    "SegOpsClient",
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
    "SegOpsWebhookError",
    "SignedUser",
    "Stats",
    "UserContext",
    "WebhookEvent",
    "__version__",
    "close_on_signal",
    "detect_ai_crawler",
    "detect_ai_referrer",
    "hookimpl",
    "parse_webhook",
    "sign_user_id",
    "verify_webhook",
]


def _load(name: str) -> ModuleType | None:
    """Import what most programs do not need; by ordinary statements, so that freezers find it."""
    match name:
        case "SegOpsAdmin":
            from segops import admin  # noqa: PLC0415

            return admin
        case "AsyncSegOpsAdmin":
            from segops import async_admin  # noqa: PLC0415

            return async_admin
        case "AiCrawler" | "detect_ai_crawler":
            from segops.plugins import ai_crawler  # noqa: PLC0415

            return ai_crawler
        case "AiReferral" | "AiReferrers" | "detect_ai_referrer":
            from segops.plugins import ai_referrer  # noqa: PLC0415

            return ai_referrer
        case "SignedUser" | "sign_user_id":
            from segops import signing  # noqa: PLC0415

            return signing
        case "WebhookEvent" | "parse_webhook" | "verify_webhook":
            from segops import webhooks  # noqa: PLC0415

            return webhooks
    return None


if not TYPE_CHECKING:  # type checkers would accept every misspelled name

    def __getattr__(name: str) -> Any:
        """Load a public name on first use."""
        module = _load(name)
        if module is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(module, name)


def __dir__() -> list[str]:
    """Return the public names, including those that are not loaded yet."""
    return sorted(__all__)
