"""SegOps event SDK: `SegOpsClient` sends events, everything else is a plugin.

from segops import SegOpsClient

client = SegOpsClient("https://api.segops.ai", "sk_…")
client.track(user_id="user-123", event_type="order_placed", payload={"total": 89.95})
"""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING, Any

from segops.client import SegOpsClient
from segops.core import (
    Context,
    Event,
    Observer,
    PageView,
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
    SegOpsPermissionError,
    SegOpsPluginError,
    SegOpsRateLimitError,
    SegOpsResponseError,
    SegOpsServerError,
    SegOpsSpoolError,
    SegOpsTimeoutError,
    SegOpsTransportError,
    SegOpsWebhookError,
    UserContext,
    hookimpl,
)
from segops.core.options import Limits
from segops.core.retry import RetryPolicy
from segops.delivery.ledger import Stats
from segops.delivery.process import close_on_signal

if TYPE_CHECKING:
    from segops.admin import SegOpsAdmin
    from segops.async_admin import AsyncSegOpsAdmin
    from segops.plugins.ai_referrer import AiReferral, AiReferrers, detect_ai_referrer
    from segops.signing import SignedUser, sign_user_id
    from segops.webhooks import WebhookEvent, parse_webhook, verify_webhook

__version__ = "0.1.0"

__all__ = [
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
    "SegOpsPermissionError",
    "SegOpsPluginError",
    "SegOpsRateLimitError",
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
    "detect_ai_referrer",
    "hookimpl",
    "parse_webhook",
    "sign_user_id",
    "verify_webhook",
]


def _admin() -> ModuleType:
    from segops import admin  # noqa: PLC0415 - loaded on use, and imported by name so that freezers find it

    return admin


def _async_admin() -> ModuleType:
    from segops import async_admin  # noqa: PLC0415

    return async_admin


def _ai_referrer() -> ModuleType:
    from segops.plugins import ai_referrer  # noqa: PLC0415

    return ai_referrer


def _signing() -> ModuleType:
    from segops import signing  # noqa: PLC0415

    return signing


def _webhooks() -> ModuleType:
    from segops import webhooks  # noqa: PLC0415

    return webhooks


_LAZY = {
    "SegOpsAdmin": _admin,
    "AsyncSegOpsAdmin": _async_admin,
    "AiReferral": _ai_referrer,
    "AiReferrers": _ai_referrer,
    "detect_ai_referrer": _ai_referrer,
    "SignedUser": _signing,
    "sign_user_id": _signing,
    "WebhookEvent": _webhooks,
    "parse_webhook": _webhooks,
    "verify_webhook": _webhooks,
}


if not TYPE_CHECKING:  # or type checkers take every misspelt name for a lazy one

    def __getattr__(name: str) -> Any:
        """Load what most programs do not need when it is first asked for."""
        if name not in _LAZY:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(_LAZY[name](), name)
