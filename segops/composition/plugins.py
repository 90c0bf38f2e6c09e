"""Load plugins and call their hooks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import pluggy

from segops.composition.discovery import Selection, name_of_distribution, scan_entry_points
from segops.core import hookspecs
from segops.core.errors import SegOpsPluginError
from segops.core.hookspecs import PROJECT, Command, Enricher, Observer
from segops.core.http import TransportFactory
from segops.core.spool import SpoolFactory

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

_T = TypeVar("_T")

Report = Callable[[Exception], None]


class Plugin(msgspec.Struct, frozen=True):
    """A plugin and where it came from.

    Attributes:
        name: Its name; a later plugin replaces an earlier one of the same name.
        origin: "built in", the distribution that it comes from, or "argument".
        implementation: The module or object with the hook implementations.
    """

    name: str
    origin: str
    implementation: object


class Plugins:
    """The plugins of one client, in the order in which their enrichers run.

    Built-in plugins come first, then the entry points of the group `segops` by name or in the order of
    `SEGOPS_PLUGINS`, then those that the application passes. pluggy's `tryfirst` and `trylast` work within that order.

    A broken plugin is reported and skipped. One that the application passes is raised instead.

    Args:
        builtins: Functions that import the built-in plugins, by name.
        given: Plugins that the application passes.
        selection: The value of `SEGOPS_PLUGINS`: the names of the entry points to load, in this order; `-name` to
            exclude a plugin, also a built-in one; `none` for no entry point. Unknown names are reported.
        report: Gets a `SegOpsPluginError` for each broken plugin.

    Raises:
        SegOpsPluginError: A plugin in `given` is broken.
    """

    def __init__(
        self,
        builtins: Mapping[str, Callable[[], object]],
        *,
        given: Sequence[object] = (),
        selection: str | None = None,
        report: Report,
    ) -> None:
        self._report = report
        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(hookspecs)
        chosen = Selection(selection or "")
        points, unreadable = ((), ()) if chosen.is_within(builtins) else scan_entry_points()
        for error in unreadable:
            report(error)
        for name in chosen.unknown({*builtins, *(point.name for point in points)}):
            report(SegOpsPluginError(f"SEGOPS_PLUGINS names {name!r}, but no such plugin is installed"))
        found = [*_built_in(builtins, chosen), *self._load(chosen.ordered(points))]
        found += [Plugin(name_of(plugin), "argument", plugin) for plugin in given]
        self.loaded = tuple(self._register({plugin.name: plugin for plugin in found}.values()))

    def transports(self) -> dict[str, TransportFactory]:
        """Return functions that make transports, by URL scheme; the last plugin that registers a scheme wins."""
        return dict(self._ask("segops_register_transports", _factories))

    def spools(self) -> dict[str, SpoolFactory]:
        """Return functions that make spools, by URL scheme; the last plugin that registers a scheme wins."""
        return dict(self._ask("segops_register_spools", _factories))

    def enrichers(self) -> tuple[Enricher, ...]:
        """Return the enrichers in the order in which they run."""
        return tuple(self._ask("segops_register_enrichers", _all_of(Enricher)))

    def observers(self) -> tuple[Observer, ...]:
        """Return the observers."""
        return tuple(self._ask("segops_register_observers", _all_of(Observer)))

    def resources(self) -> dict[str, type[Any]]:
        """Return the classes of admin resources by namespace."""
        return dict(self._ask("segops_register_resources", _pairs))

    def commands(self) -> dict[str, Command]:
        """Return the commands of the `segops` program by name."""
        return {command.name: command for command in self._ask("segops_register_commands", _all_of(Command))}

    def hooks_of(self, plugin: Plugin) -> list[str]:
        """Return the names of the hooks that a plugin implements."""
        callers = self._manager.get_hookcallers(plugin.implementation) or []
        return sorted(caller.name for caller in callers)

    def _load(self, points: Iterable[EntryPoint]) -> Iterator[Plugin]:
        for point in points:
            origin = (name_of_distribution(point.dist) if point.dist else None) or point.value
            try:
                yield Plugin(point.name, origin, point.load())
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # noqa: BLE001 - a third-party module may exit, or panic in Rust
                self._report(_broken(point.name, origin, error))

    def _register(self, plugins: Iterable[Plugin]) -> list[Plugin]:
        registered = []
        for plugin in reversed(list(plugins)):  # pluggy asks the newest first
            try:
                self._manager.register(plugin.implementation, plugin.name)
                self._check(plugin)
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # noqa: BLE001 - registering reads every attribute of a third-party object
                if self._manager.get_plugin(plugin.name) is not None:
                    self._manager.unregister(name=plugin.name)
                self._refuse(plugin, error)
            else:
                registered.append(plugin)
        return registered[::-1]

    def _check(self, plugin: Plugin) -> None:
        known = [name for name in vars(hookspecs) if name.startswith("segops_")]
        implemented = self.hooks_of(plugin)
        for caller in self._manager.get_hookcallers(plugin.implementation) or []:
            own = next(each for each in caller.get_hookimpls() if each.plugin is plugin.implementation)
            if own.wrapper or own.hookwrapper:
                raise SegOpsPluginError(
                    f"{caller.name} is a hook wrapper, which is not supported: "
                    "remove wrapper=True or hookwrapper=True, and return what the plugin adds"
                )
        for name in implemented:
            if name not in known:
                from difflib import get_close_matches  # noqa: PLC0415 - slow to load, and for mistakes only

                nearest = get_close_matches(name, known, n=1, cutoff=0)[0]
                raise SegOpsPluginError(f"unknown hook {name}: did you mean {nearest}?")
        for name in known:
            if name not in implemented and hasattr(plugin.implementation, name):
                raise SegOpsPluginError(f"{name} is not marked as a hook: decorate it with @hookimpl")

    def _ask(self, hook: str, read: Callable[[Any], list[_T]]) -> list[_T]:
        gathered: list[_T] = []
        caller = getattr(self._manager.hook, hook)
        for implementation in reversed(caller.get_hookimpls()):
            try:
                gathered += read(implementation.function())
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # noqa: BLE001 - third-party code may raise anything
                origin = next(plugin.origin for plugin in self.loaded if plugin.name == implementation.plugin_name)
                self._refuse(Plugin(implementation.plugin_name, origin, implementation.plugin), error)
        return gathered

    def _refuse(self, plugin: Plugin, error: BaseException) -> None:
        broken = _broken(plugin.name, plugin.origin, error)
        if plugin.origin == "argument":
            raise broken from error
        self._report(broken)


def _pairs(result: object) -> list[tuple[str, Any]]:
    if not isinstance(result, Mapping):
        raise SegOpsPluginError(f"its hook must return a mapping, got {type(result).__name__}")
    return list(result.items())


def _factories(result: object) -> list[tuple[str, Any]]:
    pairs = _pairs(result)
    for scheme, factory in pairs:
        if not isinstance(scheme, str) or scheme != scheme.lower() or ":" in scheme:
            raise SegOpsPluginError(f"invalid URL scheme {scheme!r}: write it in lower case, without the colon")
        if not callable(factory):
            raise SegOpsPluginError(f"the factory for {scheme}: must be callable, got {type(factory).__name__}")
    return pairs


def _all_of(cls: type[_T]) -> Callable[[object], list[_T]]:
    def read(result: object) -> list[_T]:
        if not isinstance(result, Iterable):
            raise SegOpsPluginError(f"its hook must return an iterable, got {type(result).__name__}")
        items = list(result)
        for item in items:
            if not isinstance(item, cls):
                raise SegOpsPluginError(f"expected {cls.__name__}, got {type(item).__name__}")
        return items

    return read


def _built_in(builtins: Mapping[str, Callable[[], object]], chosen: Selection) -> Iterator[Plugin]:
    for name, load in builtins.items():
        if chosen.allows(name):
            yield Plugin(name, "built in", load())


def name_of(plugin: object) -> str:
    """Return the name of a plugin: its attribute `name`, else the name of the module or class."""
    name = getattr(plugin, "name", None)
    if isinstance(name, str):
        return name
    return str(getattr(plugin, "__name__", type(plugin).__name__)).rpartition(".")[2]


def _broken(name: str, origin: str, error: BaseException) -> SegOpsPluginError:
    try:
        reason = f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001 - str() of a third-party error may raise
        reason = type(error).__name__
    return SegOpsPluginError(f"cannot use plugin {name!r} ({origin}): {reason}")
