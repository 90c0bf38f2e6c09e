"""The shapes of events in the exports of other products."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from segops import SegOpsEventError
from segops.core import CONTEXT_IDENTIFIED, PAGE_VIEWED

_ANONYMOUS = "anonymous"
"""The user id of visitors. Source: TypeScript SDK, "TypeScript Types"."""

Values = dict[str, Any]


class Product(msgspec.Struct, frozen=True):
    """A product whose exports can be read.

    Attributes:
        name: Its name.
        read: Takes what it understands out of a record, and returns the fields of an event, some of them None.
    """

    name: str
    read: Callable[[Values], Values]


_SEGMENT_EVENTS = {
    "identify": CONTEXT_IDENTIFIED,
    "page": PAGE_VIEWED,
    "screen": "screen_viewed",
    "group": "group_joined",
}

_SEGMENT_EXTRA: Mapping[str, Mapping[str, str]] = {
    "page": {"name": "name", "category": "category"},
    "screen": {"name": "name", "category": "category"},
    "group": {"groupId": "group_id"},
}


def _read_segment(record: Values) -> Values:
    """Source: Segment documentation, "Segment Spec"."""
    call = record.pop("type", None) or "track"
    if call == "alias":
        raise SegOpsEventError("an alias call is not an event: link the ids with segops identity alias")
    if not isinstance(call, str) or (call != "track" and call not in _SEGMENT_EVENTS):
        raise SegOpsEventError("type is not one of a Segment call: track, identify, page, screen, group, alias")
    payload = dict(_object(record.pop("traits" if call in {"identify", "group"} else "properties", None)))
    for key, name in _SEGMENT_EXTRA.get(call, {}).items():
        if (value := record.pop(key, None)) is not None:
            payload.setdefault(name, value)
    return {
        **_identity(record.pop("userId", None), record.pop("anonymousId", None)),
        "event_type": record.pop("event", None) if call == "track" else _SEGMENT_EVENTS[call],
        "occurred_at": _take_first(record, "timestamp", "originalTimestamp", "sentAt", "receivedAt"),
        "payload": payload,
    }


def _read_mixpanel(record: Values) -> Values:
    """Source: Mixpanel documentation, "Export Events" and "Identifying Users (Simplified)"."""
    properties = _object(record.pop("properties", None))
    device = properties.get("$device_id")
    user = properties.get("$user_id") or properties.get("distinct_id")
    if isinstance(user, str) and user.startswith("$device:"):
        device = user.removeprefix("$device:")
        user = None
    elif user == device:
        user = None
    kind = record.pop("event", None)
    payload = {key: value for key, value in properties.items() if key not in {"time", "distinct_id"}}
    if kind in {"$mp_web_page_view", "$pageview"}:
        kind = PAGE_VIEWED
        payload |= _page(properties, "$current_url|current_url", "current_url_path", "$referrer", "current_page_title")
    return {
        **_identity(user, device),
        "event_type": CONTEXT_IDENTIFIED if kind == "$identify" else kind,
        "occurred_at": properties.get("time"),
        "payload": payload,
    }


def _read_posthog(record: Values) -> Values:
    """Source: PostHog documentation, "Batch exports" and "Capturing events"."""
    properties = _object(record.pop("properties", None))
    user = record.pop("distinct_id", None) or properties.get("distinct_id")
    device = properties.get("$device_id") or properties.get("$anon_distinct_id")
    if properties.get("$is_identified") is False or (user is not None and user == device):
        user, device = None, user
    kind = record.pop("event", None)
    payload = {key: value for key, value in properties.items() if key != "distinct_id"}
    if kind == "$identify":
        kind, payload = CONTEXT_IDENTIFIED, {**_object(properties.get("$set_once")), **_object(properties.get("$set"))}
    elif kind == "$pageview":
        kind = PAGE_VIEWED
        payload |= _page(properties, "$current_url", "$pathname", "$referrer", "title")
    return {
        **_identity(user, device),
        "event_type": kind,
        "occurred_at": _take_first(record, "timestamp", "sent_at", "created_at"),
        "payload": payload,
    }


def _read_amplitude(record: Values) -> Values:
    """Source: Amplitude documentation, "Export API"."""
    kind = record.pop("event_type", None)
    is_identify = kind == "$identify"
    return {
        **_identity(record.pop("user_id", None), record.pop("device_id", None)),
        "event_type": CONTEXT_IDENTIFIED if is_identify else kind,
        "occurred_at": _take_first(record, "event_time", "client_event_time", "time"),
        "payload": _object(record.pop("user_properties" if is_identify else "event_properties", None)),
    }


PRODUCTS: Mapping[str, Product] = {
    "segment": Product("segment", _read_segment),
    "mixpanel": Product("mixpanel", _read_mixpanel),
    "posthog": Product("posthog", _read_posthog),
    "amplitude": Product("amplitude", _read_amplitude),
}


def _identity(user: Any, device: Any) -> Values:
    """Return the ids of a user, or of a visitor who has no user id yet."""
    if user is None or user == "":
        user = _ANONYMOUS if device else None
    return {"user_id": user, "anonymous_id": device or None}


def _page(properties: Mapping[str, Any], url: str, path: str, referrer: str, title: str) -> Values:
    """Return the properties of a page view under the names that this SDK gives them."""
    names = {"url": url, "path": path, "referrer": referrer, "title": title}
    found = {name: _first(properties, *keys.split("|")) for name, keys in names.items()}
    return {name: value for name, value in found.items() if value is not None}


def _object(value: Any) -> Mapping[str, Any]:
    """Return an object, also from the text that warehouses have in its place; empty if there is none."""
    if isinstance(value, str) and value:
        try:
            value = msgspec.json.decode(value)
        except msgspec.DecodeError:
            raise SegOpsEventError("its properties are text that is not JSON") from None
    if value is None or value == "":
        return {}
    if not isinstance(value, Mapping):
        raise SegOpsEventError(f"its properties must be an object, got {type(value).__name__}")
    return value


def _first(properties: Mapping[str, Any], *keys: str) -> Any:
    return next((properties[key] for key in keys if properties.get(key) not in (None, "")), None)


def _take_first(record: Values, *keys: str) -> Any:
    return next((record.pop(key) for key in keys if record.get(key) not in (None, "")), None)
