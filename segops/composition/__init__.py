"""Find and load plugins, and open transports and spools by URL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from segops.composition.built_in import BUILT_IN_PLUGINS, built_in_plugins
from segops.composition.opening import open_spool, open_transport
from segops.composition.plugins import Plugins
from segops.composition.surroundings import describe_conflict, warn_about_surroundings

if TYPE_CHECKING:
    from segops.composition.inventory import Entry, Inventory, load_plugins, take_inventory

__all__ = [
    "BUILT_IN_PLUGINS",
    "Entry",
    "Inventory",
    "Plugins",
    "built_in_plugins",
    "describe_conflict",
    "load_plugins",
    "open_spool",
    "open_transport",
    "take_inventory",
    "warn_about_surroundings",
]


if not TYPE_CHECKING:  # type checkers would accept every misspelled name

    def __getattr__(name: str) -> Any:
        """Load the inventory, which clients do not need, on first use."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from segops.composition import inventory  # noqa: PLC0415 - saves memory on small machines

        return getattr(inventory, name)
