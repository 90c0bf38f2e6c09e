"""Which plugins there are: the built-in ones, those of the environment, and what each of them provides."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from segops.core.errors import SegOpsPluginError
from segops.core.hookspecs import Enricher
from segops.core.plugins import Plugin, Plugins
from segops.environment import read_environment

BUILT_IN_PLUGINS = {
    "transports": "segops.transports",
    "local": "segops.local.plugin",
    "ai_referrer": "segops.plugins.ai_referrer",
    "demo": "segops.plugins.demo",
    "listing": "segops.listing",
}
"""Where the built-in plugins are, by name. Each client imports them: what is costly in them is loaded on use."""


class Entry(msgspec.Struct, frozen=True):
    """A loaded plugin.

    Attributes:
        name: What it is called, also in `SEGOPS_PLUGINS`.
        origin: "built in", or the distribution that brought it.
        hooks: The hooks that it implements.
        provides: What it gave, by kind: URL schemes of transports, enrichers with their event types, names of
            observers, namespaces of resources, commands.
    """

    name: str
    origin: str
    hooks: list[str]
    provides: dict[str, list[str]]


class Inventory(msgspec.Struct, frozen=True):
    """All plugins.

    Attributes:
        plugins: Those that are loaded, in the order in which their enrichers run.
        broken: What is wrong with the others, each with its name and where it is from.
    """

    plugins: list[Entry]
    broken: list[str]


def load_plugins(report: Callable[[Exception], None]) -> Plugins:
    """Load what a client would load that is given no plugins of its own.

    Args:
        report: Is told about broken plugins, each a `SegOpsPluginError` that names the plugin and where it is from.
    """
    return Plugins(BUILT_IN_PLUGINS, selection=read_environment().plugins, report=report)


def take_inventory() -> Inventory:
    """Load all plugins and ask each of them what it provides."""
    broken: list[str] = []
    loaded = load_plugins(lambda error: broken.append(str(error)))
    for ask in (loaded.transports, loaded.enrichers, loaded.observers, loaded.resources, loaded.commands):
        ask()  # a plugin may be found broken only now
    entries = [
        Entry(plugin.name, plugin.origin, loaded.hooks_of(plugin), _provided_by(plugin)) for plugin in loaded.loaded
    ]
    return Inventory(entries, broken)


def _provided_by(plugin: Plugin) -> dict[str, list[str]]:
    """Ask one plugin alone, so that nothing another one gave is taken for its own."""
    try:
        alone = Plugins({}, given=[plugin.implementation], selection="none", report=_ignore)
        found = {
            "transports": [f"{scheme}:" for scheme in alone.transports()],
            "enrichers": [_describe(enricher) for enricher in alone.enrichers()],
            "observers": [type(observer).__name__ for observer in alone.observers()],
            "resources": list(alone.resources()),
            "commands": list(alone.commands()),
        }
    except SegOpsPluginError:  # which the inventory lists among the broken
        return {}
    return {kind: names for kind, names in found.items() if names}


def _ignore(error: Exception) -> None:
    """Drop what is reported: a given plugin raises instead."""


def _describe(enricher: Enricher) -> str:
    if enricher.event_types is None:
        return f"{enricher.name} (all events)"
    return f"{enricher.name} ({', '.join(sorted(enricher.event_types))})"
