"""Webhooks are registered.

Source: wire-protocol.md, section 8.1; where they are registered is our choice.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import SplitResult, urlsplit

from segops.emulator.answers import Answer, invalid
from segops.emulator.call import Call
from segops.emulator.pagination import paginate
from segops.emulator.resources.bodies import Field, Text
from segops.emulator.resources.crud import Resource, Row, number

MASK = "***"


def _check(_call: Call, values: Row, old: Row | None) -> Row:
    if "url" in values and (complaint := _complaint(values["url"])):
        raise invalid({"url": [complaint]})
    if values.get("secret", "") is None:
        return {**values, "secret": ""}
    if old and values.get("secret") == MASK:  # sent back as it was shown
        return {**values, "secret": old["secret"]}
    return values


webhooks = Resource(
    "webhooks",
    {
        "url": Field(str),
        "secret": Field(Text | None, ""),
        "description": Field(Text, ""),
        "is_active": Field(bool, default=True),
    },
    check=_check,
    show=lambda row: {**row, "secret": MASK if row["secret"] else ""},
    children={"webhook_deliveries": "webhook_id"},
)


def list_deliveries(call: Call) -> Answer:
    """List the deliveries of a webhook, newest first."""
    webhooks.find(call, number(call))
    columns = ("id", "segment_id", "status_code", "error", "payload", "delivered_at")
    return paginate(
        call,
        "webhook_deliveries WHERE webhook_id = ?",
        (number(call),),
        order="id DESC",
        columns=", ".join(columns),
        show=lambda *row: dict(zip(columns, row, strict=True)),
    )


def _complaint(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        port_is_good = parts.port is None or parts.port > 0
    except ValueError:
        return "Enter a valid URL."
    if not (parts.hostname and port_is_good and url.isascii() and url.isprintable() and " " not in url):
        return "Enter a valid URL."
    if parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(parts)):
        return None
    return "Use an https URL; http is for this machine only (http://127.0.0.1 or http://localhost)."


def _is_loopback(parts: SplitResult) -> bool:
    try:
        return parts.hostname == "localhost" or ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False
