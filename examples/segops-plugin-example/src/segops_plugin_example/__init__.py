"""A plugin for the SegOps SDK: campaigns of page views, and a queue in SQLite.

Clients find this module through the entry point in pyproject.toml. The two functions below implement hooks.
"""

from __future__ import annotations

from collections.abc import Mapping

from segops.core import PAGE_VIEWED, Enricher, TransportFactory, hookimpl
from segops_plugin_example.campaigns import add_campaign
from segops_plugin_example.sqlite_queue import SqliteQueue

__all__ = ["SqliteQueue", "add_campaign"]


@hookimpl
def segops_register_enrichers() -> list[Enricher]:
    """Register `add_campaign` for page views; events of other types cost nothing."""
    return [Enricher(name="campaign", event_types=frozenset({PAGE_VIEWED}), enrich=add_campaign)]


@hookimpl
def segops_register_transports() -> Mapping[str, TransportFactory]:
    """Register `sqlite-queue:` URLs."""
    return {"sqlite-queue": SqliteQueue.from_url}
