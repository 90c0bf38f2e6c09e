"""Page views and users of web applications, and identity in tasks.

- `AsgiMiddleware` and `WsgiMiddleware` work with any framework; `Policy` says what they may record.
- `identify_request`, `skip_page_view`, and `request_identity` are for the application's own code.
- `segops.integrations.django`, `.flask`, `.celery`, and `.serverless` are for frameworks and functions.
"""

from segops.integrations.asgi import AsgiMiddleware
from segops.integrations.policy import Policy, SkipReason, VisitCounts, visit_counts
from segops.integrations.request import WebRequest, identify_request, request_identity, skip_page_view
from segops.integrations.wsgi import WsgiMiddleware

__all__ = [
    "AsgiMiddleware",
    "Policy",
    "SkipReason",
    "VisitCounts",
    "WebRequest",
    "WsgiMiddleware",
    "identify_request",
    "request_identity",
    "skip_page_view",
    "visit_counts",
]
