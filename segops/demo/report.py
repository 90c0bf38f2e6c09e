"""What the demo says at the end, and whether what was sent is what is held."""

from __future__ import annotations

from collections.abc import Iterable

from segops.demo.replay import Outcome
from segops.emulator import Summary


def describe_delivery(outcome: Outcome) -> str:
    """Return what the client counted, as text to read."""
    stats = outcome.stats
    rate = stats.delivered / outcome.seconds
    rows = [
        ("accepted", f"{stats.accepted:,}", ""),
        ("delivered", f"{stats.delivered:,}", ""),
        ("dropped", f"{sum(stats.dropped.values()):,}", _counts(stats.dropped.items())),
        ("events per second", f"{rate:,.0f}", f"in {outcome.seconds:.2f} s"),
    ]
    return _section(f"Sent to {outcome.where}", rows)


def describe_holding(held: Summary) -> str:
    """Return what a local SegOps holds, as text to read."""
    rows = [
        ("events", f"{held.events:,}", _counts(held.by_type.items())),
        ("users", f"{held.users:,}", ""),
        ("total spend", f"${held.total_spend:,.2f}", ""),
        ("AI referrals", f"{sum(held.ai_referrals.values()):,}", _counts(held.ai_referrals.items())),
    ]
    return _section("The local SegOps now holds (read back from its database)", rows)


def find_losses(outcome: Outcome) -> list[str]:
    """Return a complaint if anything was not delivered."""
    stats = outcome.stats
    missing = stats.accepted - stats.delivered
    if not missing:
        return []
    return [f"{missing:,} of {stats.accepted:,} events were not delivered ({_counts(stats.dropped.items())})"]


def find_differences(outcome: Outcome, before: Summary, after: Summary, *, users: int, spend: float) -> list[str]:
    """Compare what was sent with what the database gained.

    Args:
        outcome: What the client counted.
        before: What the database held before.
        after: What it holds now.
        users: How many users the events were of. Only compared with a database that was empty: others may know them.
        spend: The sum of the totals of all orders.

    Returns:
        A complaint for each number that differs.
    """
    gained = after.events - before.events
    spent = round(after.total_spend - before.total_spend, 2)
    complaints = []
    if gained != outcome.stats.delivered:
        complaints.append(f"{outcome.stats.delivered:,} events were delivered, but {gained:,} are stored")
    if spent != spend:
        complaints.append(f"the purchases come to ${spend:,.2f}, but ${spent:,.2f} are stored")
    if not before.events and after.users != users:
        complaints.append(f"the events are of {users:,} users, but {after.users:,} are stored")
    return complaints


def _section(title: str, rows: list[tuple[str, str, str]]) -> str:
    return "\n".join([title, *(f"  {name:<18} {value:>12}   {more}".rstrip() for name, value, more in rows)])


def _counts(counts: Iterable[tuple[str, int]]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts)
