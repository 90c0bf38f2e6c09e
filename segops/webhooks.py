"""Verify and decode the webhooks that SegOps sends."""

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
    """The notification that a segment was recomputed.

    Attributes:
        event: The name of the event, "segment.recomputed".
        tenant_slug: The workspace.
        segment_id: The id of the segment.
        segment_name: The name of the segment.
        member_count: Members of the segment.
        computed_at: When it was computed; always with a time zone.

    Source: docs/webhooks-and-signing.md.
    """

    event: str
    tenant_slug: str
    segment_id: int
    segment_name: str
    member_count: int
    computed_at: datetime


def verify_webhook(raw_body: Body | None, header: str | bytes | None, secret: Secrets | None) -> bool:
    """Return whether a webhook is genuine. Never raises.

    The signature contains no time, so a replayed webhook is verified, too.

    Args:
        raw_body: The body of the request, exactly as received; a str is encoded as UTF-8.
        header: The `X-SegOps-Signature` header, with or without "sha256=" at its start.
        secret: The secret of the webhook, or several while you replace one. An empty secret, or one that is neither a
            str nor bytes, matches nothing.

    Source: docs/webhooks-and-signing.md.
    """
    try:
        body, given = _bytes(raw_body), _bytes(header).removeprefix(_PREFIX)
        secrets = [secret] if isinstance(secret, (str, bytes)) else secret or ()
        # A list, not a generator: trying every secret hides by its timing which one matched.
        matches = [_matches(body, given, _key(one)) for one in secrets]
        return any(matches)
    except Exception:  # noqa: BLE001 - body and header may come from an attacker
        return False


def parse_webhook(
    raw_body: Body, header: str | bytes | None = None, secret: Secrets | None = None, *, verify: bool = True
) -> WebhookEvent:
    """Verify and decode a webhook. Unknown fields are ignored.

    Args:
        raw_body: The body of the request, exactly as received.
        header: The `X-SegOps-Signature` header.
        secret: The secret of the webhook, or several.
        verify: Pass False only for a webhook that was registered without a secret; anybody can forge one.

    Raises:
        SegOpsWebhookError: The signature is missing or wrong, or the body is not a webhook.

    Source: docs/webhooks-and-signing.md.
    """
    if verify and not verify_webhook(raw_body, header, secret):
        raise SegOpsWebhookError(
            "webhook signature does not match: pass the body as received, the X-SegOps-Signature header, and the "
            "secret that the webhook was registered with"
        )
    try:
        event = msgspec.json.decode(_bytes(raw_body), type=WebhookEvent)
    except (ValueError, TypeError, RecursionError) as error:
        raise SegOpsWebhookError(f"body is not a SegOps webhook: {error}") from error
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
    raise TypeError(f"expected str or bytes, got {type(value).__name__}")


def _key(secret: object) -> bytes:
    """Return a secret as bytes; empty if it is invalid, so that the others are still tried."""
    try:
        return _bytes(secret)
    except (TypeError, UnicodeEncodeError):
        return b""
