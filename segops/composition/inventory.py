"""List the plugins that are loaded, what each provides, and which are broken."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from segops.composition.built_in import BUILT_IN_PLUGINS
from segops.composition.plugins import Plugin, Plugins
from segops.core.errors import SegOpsPluginError
from segops.core.hookspecs import Enricher
from segops.environment import read_environment


class Entry(msgspec.Struct, frozen=True):
    """A loaded plugin.

    Attributes:
        name: Its name, as used in `SEGOPS_PLUGINS`.
        origin: "built in", or the distribution that it comes from.
        hooks: The hooks that it implements.
        provides: What it registers: URL schemes of transports and spools, enrichers with their event types, classes of
            observers, namespaces of resources, and commands.
    """

    name: str
    origin: str
    hooks: list[str]
    provides: dict[str, list[str]]


class Inventory(msgspec.Struct, frozen=True):
    """All plugins.

    Attributes:
        plugins: The loaded plugins, in the order in which their enrichers run.
        broken: One message per broken plugin, with its name and origin.
    """

    plugins: list[Entry]
    broken: list[str]


def load_plugins(report: Callable[[Exception], None]) -> Plugins:
    """Load the plugins of a client that is given none.

    Args:
        report: Gets a `SegOpsPluginError` for each broken plugin.
    """
    return Plugins(BUILT_IN_PLUGINS, selection=read_environment().plugins, report=report)


def take_inventory() -> Inventory:
    """Load all plugins and list what each provides."""
    broken: list[str] = []
    loaded = load_plugins(lambda error: broken.append(str(error)))
    for ask in (
        loaded.transports,
        loaded.spools,
        loaded.enrichers,
        loaded.observers,
        loaded.resources,
        loaded.commands,
    ):
        ask()  # which may find further broken plugins
    entries = [
        Entry(plugin.name, plugin.origin, loaded.hooks_of(plugin), _provided_by(plugin)) for plugin in loaded.loaded
    ]
    return Inventory(entries, broken)


def _provided_by(plugin: Plugin) -> dict[str, list[str]]:
    """Return what one plugin provides, loaded without any other."""
    try:
        alone = Plugins({}, given=[plugin.implementation], selection="none", report=_ignore)
        found = {
            "transports": [f"{scheme}:" for scheme in alone.transports()],
            "spools": [f"{scheme}:" for scheme in alone.spools()],
            "enrichers": [_describe(enricher) for enricher in alone.enrichers()],
            "observers": [type(observer).__name__ for observer in alone.observers()],
            "resources": list(alone.resources()),
            "commands": list(alone.commands()),
        }
    except SegOpsPluginError:  # listed as broken
        return {}
    return {what: names for what, names in found.items() if names}


def _ignore(error: Exception) -> None:
    """Ignore reports: a plugin passed as an argument raises instead."""


def _describe(enricher: Enricher) -> str:
    if enricher.event_types is None:
        return f"{enricher.name} (all events)"
    return f"{enricher.name} ({', '.join(sorted(enricher.event_types))})"
