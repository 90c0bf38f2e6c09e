"""Find and load plugins, and open transports and spools by URL."""

from segops.composition.built_in import BUILT_IN_PLUGINS, built_in_plugins
from segops.composition.inventory import Entry, Inventory, load_plugins, take_inventory
from segops.composition.opening import open_spool, open_transport
from segops.composition.plugins import Plugins
from segops.composition.surroundings import describe_conflict, warn_about_surroundings

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
