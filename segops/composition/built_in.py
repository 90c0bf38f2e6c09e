"""Which plugins there are: the built-in ones, those of the environment, and what each of them provides."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Mapping

import msgspec

from segops.composition.plugins import Plugin, Plugins
from segops.core.errors import SegOpsConfigError, SegOpsPluginError
from segops.core.hookspecs import Enricher
from segops.core.http import Transport, TransportFactory
from segops.delivery.log import warn
from segops.environment import describe_unknown_variables, read_environment


def _transports() -> object:
    import segops.transports  # noqa: PLC0415 - each of these is imported by name, so that freezers find it

    return segops.transports


def _local() -> object:
    import segops.emulator.plugin  # noqa: PLC0415

    return segops.emulator.plugin


def _ai_referrer() -> object:
    import segops.plugins.ai_referrer  # noqa: PLC0415

    return segops.plugins.ai_referrer


def _admin() -> object:
    import segops.plugins.admin  # noqa: PLC0415

    return segops.plugins.admin


def _demo() -> object:
    import segops.demo  # noqa: PLC0415

    return segops.demo


def _dev() -> object:
    import segops.devserver  # noqa: PLC0415

    return segops.devserver


def _spool() -> object:
    import segops.spool.plugin  # noqa: PLC0415

    return segops.spool.plugin


def _listing() -> object:
    import segops.cli.plugins_command  # noqa: PLC0415

    return segops.cli.plugins_command


def _commands() -> object:
    import segops.cli.plugin  # noqa: PLC0415

    return segops.cli.plugin


BUILT_IN_PLUGINS: Mapping[str, Callable[[], object]] = {
    "transports": _transports,
    "local": _local,
    "ai_referrer": _ai_referrer,
    "admin": _admin,
    "demo": _demo,
    "dev": _dev,
    "spool": _spool,
    "listing": _listing,
    "commands": _commands,
}
"""What imports each built-in plugin, by name. Each client does: what is costly in them is loaded on use."""


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


@functools.cache
def warn_about_surroundings() -> None:
    """Warn once of what is wrong around this process: misspelt variables, and two distributions in one folder."""
    for message in describe_unknown_variables():
        warn(message)
    # Looking for plugins has loaded it. Where nothing is looked for, the look is not worth the time to load it.
    if "importlib.metadata" in sys.modules and (conflict := describe_conflict()):
        warn(conflict)


def describe_conflict() -> str | None:
    """Say so if another distribution owns the folder `segops`, too; None if not."""
    from importlib.metadata import PackageNotFoundError, distribution  # noqa: PLC0415 - slow to load

    try:
        for name in ("segops", "segops-sdk"):
            distribution(name)
    except PackageNotFoundError:
        return None
    return (
        "the distributions segops and segops-sdk are both installed, and each overwrites and removes files of the "
        "other: run pip uninstall segops segops-sdk, then pip install segops-sdk"
    )


def open_transport(given: Transport | str, factories: Mapping[str, TransportFactory]) -> Transport:
    """Return what is given, or the transport for it if it is a URL.

    Args:
        given: A transport, or the URL of one.
        factories: What makes transports, by URL scheme.

    Raises:
        SegOpsConfigError: It is neither, or its scheme is not known.
        SegOpsPluginError: The plugin that knows the scheme makes no transport.
    """
    if isinstance(given, Transport):
        return given
    if not isinstance(given, str):
        raise SegOpsConfigError(
            f"a {type(given).__name__} is no transport: pass a URL, or an object of a class derived from Transport"
        )
    scheme = given.partition(":")[0].lower()
    if ":" not in given or scheme not in factories:
        known = ", ".join(f"{name}:" for name in sorted(factories))
        raise SegOpsConfigError(f"no transport knows the scheme of this URL: it must start with one of {known}")
    transport = factories[scheme](given)
    if not isinstance(transport, Transport):
        raise SegOpsPluginError(f"the plugin that knows {scheme}: made a {type(transport).__name__}, no Transport")
    return transport


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
