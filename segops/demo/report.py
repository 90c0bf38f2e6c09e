"""What the demo reports at the end, and whether SegOps stored what was sent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from segops.demo.replay import Outcome
from segops.emulator import Summary

Rows = list[dict[str, str]]


def to_document(outcome: Outcome, stored: Summary | None = None) -> dict[str, Any]:
    """Return the report as JSON has it: what the client counted, and what a local SegOps stored."""
    stats = outcome.stats
    document: dict[str, Any] = {
        "url": outcome.url,
        "accepted": stats.accepted,
        "delivered": stats.delivered,
        "dropped": stats.dropped,
        "seconds": round(outcome.seconds, 3),
    }
    if stored is not None:
        document["stored"] = {
            "events": stored.events,
            "by_type": stored.by_type,
            "users": stored.users,
            "total_spend": stored.total_spend,
            "ai_referrals": stored.ai_referrals,
        }
    return document


def delivery_rows(outcome: Outcome) -> Rows:
    """Return what the client counted, as rows of a table."""
    stats = outcome.stats
    return [
        _row("accepted", f"{stats.accepted:,}", f"sent to {outcome.url}"),
        _row("delivered", f"{stats.delivered:,}"),
        _row("dropped", f"{sum(stats.dropped.values()):,}", _list_counts(stats.dropped.items())),
        _row("events per second", f"{stats.delivered / outcome.seconds:,.0f}", f"in {outcome.seconds:.2f} s"),
    ]


def stored_rows(stored: Summary) -> Rows:
    """Return what the database of a local SegOps contains, as rows of a table."""
    return [
        _row("stored events", f"{stored.events:,}", _list_counts(stored.by_type.items())),
        _row("stored users", f"{stored.users:,}"),
        _row("stored spend", f"${stored.total_spend:,.2f}"),
        _row(
            "stored AI referrals", f"{sum(stored.ai_referrals.values()):,}", _list_counts(stored.ai_referrals.items())
        ),
    ]


def find_losses(outcome: Outcome) -> list[str]:
    """Return a problem if any event was not delivered."""
    stats = outcome.stats
    missing = stats.accepted - stats.delivered
    if not missing:
        return []
    return [f"{missing:,} of {stats.accepted:,} events were not delivered ({_list_counts(stats.dropped.items())})"]


def find_differences(outcome: Outcome, before: Summary, after: Summary, *, users: int, spend: float) -> list[str]:
    """Compare what was sent with what was added to the database.

    Args:
        outcome: What the client counted.
        before: The contents of the database before.
        after: Its contents now.
        users: How many users the events belong to. Compared only if the database was empty before.
        spend: The sum of all order totals.

    Returns:
        A problem for each figure that differs.
    """
    added = after.events - before.events
    spent = round(after.total_spend - before.total_spend, 2)
    problems = []
    if added != outcome.stats.delivered:
        problems.append(f"{outcome.stats.delivered:,} events were delivered, but {added:,} are stored")
    if spent != spend:
        problems.append(f"the purchases add up to ${spend:,.2f}, but ${spent:,.2f} are stored")
    if not before.events and after.users != users:
        problems.append(f"the events belong to {users:,} users, but {after.users:,} are stored")
    return problems


def _row(figure: str, value: str, detail: str = "") -> dict[str, str]:
    return {"figure": figure, "value": value, "detail": detail}


def _list_counts(counts: Iterable[tuple[str, int]]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts)
