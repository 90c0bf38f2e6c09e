"""Webhooks that SegOps sends to you: is one genuine, and what does it say."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from datetime import datetime, timezone

import msgspec

from segops.core.errors import SegOpsWebhookError

Body = str | bytes | bytearray | memoryview
Secrets = str | bytes | Iterable[str | bytes]

_PREFIX = b"sha256="


class WebhookEvent(msgspec.Struct, frozen=True):
    """What SegOps reports after a segment was recomputed.

    Attributes:
        event: The name of the event; "segment.recomputed" is the only one known.
        tenant_slug: The workspace.
        segment_id: The segment.
        segment_name: Its name.
        member_count: How many users are in it now.
        computed_at: When it was computed; always with a time zone.

    Source: wire-protocol.md, section 8.1.
    """

    event: str
    tenant_slug: str
    segment_id: int
    segment_name: str
    member_count: int
    computed_at: datetime


def verify_webhook(raw_body: Body | None, header: str | bytes | None, secret: Secrets | None) -> bool:
    """Tell whether a webhook is genuine. Never raises, whatever it is given.

    Nothing in the signature tells when it was made: a genuine webhook that is sent again verifies again.

    Args:
        raw_body: The body of the request, exactly as received; text stands for its UTF-8 form.
        header: The `X-SegOps-Signature` header; "sha256=" at its start may be missing.
        secret: The secret of the webhook, or several of them while one takes over from another. An empty one, or one
            that is neither text nor bytes, matches nothing.

    Source: wire-protocol.md, section 8.2.
    """
    try:
        body, given = _bytes(raw_body), _bytes(header).removeprefix(_PREFIX)
        secrets = [secret] if isinstance(secret, (str, bytes)) else secret or ()
        # A list, not a generator: every secret is tried, so that the time taken does not tell which one matched.
        matches = [_matches(body, given, _key(one)) for one in secrets]
        return any(matches)
    except Exception:  # noqa: BLE001 - strangers choose body and header; whatever is wrong with them, it is a no
        return False


def parse_webhook(
    raw_body: Body, header: str | bytes | None = None, secret: Secrets | None = None, *, verify: bool = True
) -> WebhookEvent:
    """Return what a webhook says, once it is known to be genuine. Fields that are not known are passed over.

    Args:
        raw_body: The body of the request, exactly as received.
        header: The `X-SegOps-Signature` header.
        secret: The secret of the webhook, or several.
        verify: Pass False only for a webhook that was registered without a secret; anybody can forge those.

    Raises:
        SegOpsWebhookError: The signature is missing or wrong, or the body is not such an event.

    Source: wire-protocol.md, section 8.
    """
    if verify and not verify_webhook(raw_body, header, secret):
        raise SegOpsWebhookError(
            "the signature of the webhook does not match: pass the body as received, the X-SegOps-Signature header, "
            "and the secret that the webhook was registered with"
        )
    try:
        event = msgspec.json.decode(_bytes(raw_body), type=WebhookEvent)
    except (ValueError, TypeError, RecursionError) as error:
        raise SegOpsWebhookError(f"the body is not a webhook of SegOps: {error}") from error
    if event.computed_at.tzinfo is None:
        return msgspec.structs.replace(event, computed_at=event.computed_at.replace(tzinfo=timezone.utc))
    return event


def _matches(body: bytes, given: bytes, key: bytes) -> bool:
    expected = hmac.digest(key, body, "sha256").hex().encode()
    return hmac.compare_digest(expected, given) and key != b""


def _bytes(value: object) -> bytes:
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    raise TypeError(f"expected text or bytes, got {type(value).__name__}")


def _key(secret: object) -> bytes:
    """Return a secret as bytes; empty if it is none, so that the others are still tried."""
    try:
        return _bytes(secret)
    except (TypeError, UnicodeEncodeError):
        return b""
