"""Send one sample event."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from segops import PageView, SegOpsClient, SegOpsError
from segops.core import PAGE_VIEWED
from segops.devserver.discovery import Info
from segops.devserver.samples import sample
from segops.plugins.ai_referrer import AI_REFERRAL_SESSION

_TIMEOUT = 10.0


def trigger(event_type: str, user_id: str, info: Info) -> str:
    """Send a sample, and return a sentence for the user.

    Raises:
        SegOpsConfigError: No sample has this type.
        SegOpsError: The event was not stored.
    """
    payload = sample(event_type)
    errors: list[Exception] = []
    with SegOpsClient(info.url, info.secret_key, on_error=errors.append, spool=False) as client:
        if event_type in (PAGE_VIEWED, AI_REFERRAL_SESSION):
            client.track_page_view(_page_view(user_id, payload))
        else:
            client.track(user_id=user_id, event_type=event_type, payload=payload)
        if not client.flush(_TIMEOUT):
            raise SegOpsError(f"{event_type} was not stored: {errors[-1] if errors else 'no response in time'}")
        sent = client.stats().delivered
    return f"sent {event_type} for {user_id}" + (f" ({sent} events in total)" if sent > 1 else "")


def _page_view(user_id: str, payload: Mapping[str, Any]) -> PageView:
    return PageView(
        user_id=user_id,
        path=payload["path"],
        url=payload["url"],
        referrer=payload["referrer"],
        title=payload["title"],
    )
