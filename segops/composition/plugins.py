"""Finds plugins, asks each hook once, and freezes what they gave."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import pluggy

from segops.core import hookspecs
from segops.core.errors import SegOpsPluginError
from segops.core.hookspecs import PROJECT, Command, Enricher, Observer
from segops.core.http import TransportFactory

if TYPE_CHECKING:
    from importlib.metadata import Distribution, EntryPoint

ENTRY_POINT_GROUP = "segops"

_NO_ENTRY_POINT = "none"

_T = TypeVar("_T")

Report = Callable[[Exception], None]


class Plugin(msgspec.Struct, frozen=True):
    """A plugin and where it came from.

    Attributes:
        name: What it is called; a later plugin takes the place of an earlier one of the same name.
        origin: "built in", the distribution that brought it, or "argument".
        implementation: The module or object with the hook implementations.
    """

    name: str
    origin: str
    implementation: object


class Plugins:
    """The plugins of one client, in the order in which their enrichers run.

    Built-ins come first, then the entry points of the group `segops` by name or in the order of `SEGOPS_PLUGINS`,
    then those given as an argument. pluggy's `tryfirst` and `trylast` work within that order.

    A broken plugin of the environment is reported and skipped. One that the application passes itself is its own
    mistake, and raised.

    Args:
        builtins: What imports each built-in plugin, by name.
        given: Plugins that the application passes.
        selection: The value of `SEGOPS_PLUGINS`: the names of the entry points to load, in this order; `-name` to
            leave one out, built-ins too; `none` for no entry point. A name that nothing has is reported.
        report: Is told about broken plugins.

    Raises:
        SegOpsPluginError: A given plugin is broken.
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
        chosen = _Selection(selection or "")
        points, unreadable = ((), ()) if chosen.is_within(builtins) else _scan()
        for error in unreadable:
            report(error)
        for name in chosen.unknown({*builtins, *(point.name for point in points)}):
            report(SegOpsPluginError(f"SEGOPS_PLUGINS names {name!r}, but no plugin of this name is installed"))
        found = [*_built_in(builtins, chosen), *self._load(chosen.ordered(points))]
        found += [Plugin(name_of(plugin), "argument", plugin) for plugin in given]
        self.loaded = tuple(self._register({plugin.name: plugin for plugin in found}.values()))

    def transports(self) -> dict[str, TransportFactory]:
        """Return factories by URL scheme; where two plugins know a scheme, the later one has it."""
        return dict(self._ask("segops_register_transports", _factories))

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
            origin = (_name_of_distribution(point.dist) if point.dist else None) or point.value
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
                    f"{caller.name} is a hook wrapper, and each plugin is asked by itself, with nothing to wrap: "
                    "remove wrapper=True or hookwrapper=True, and return what the plugin adds"
                )
        for name in implemented:
            if name not in known:
                from difflib import get_close_matches  # noqa: PLC0415 - slow to load, and for mistakes only

                nearest = get_close_matches(name, known, n=1, cutoff=0)[0]
                raise SegOpsPluginError(f"there is no hook {name}; the nearest is {nearest}")
        for name in known:
            if name not in implemented and hasattr(plugin.implementation, name):
                raise SegOpsPluginError(f"{name} is not marked: put @hookimpl before it")

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


def _pairs(result: Mapping[str, _T]) -> list[tuple[str, _T]]:
    return list(result.items())


def _factories(result: Mapping[str, TransportFactory]) -> list[tuple[str, TransportFactory]]:
    for scheme, factory in result.items():
        if not isinstance(scheme, str) or scheme != scheme.lower() or ":" in scheme:
            raise SegOpsPluginError(f"{scheme!r} is no URL scheme: write it in lower case and without the colon")
        if not callable(factory):
            raise SegOpsPluginError(f"what it gave for {scheme}: is a {type(factory).__name__}, not a function")
    return _pairs(result)


def _all_of(kind: type[_T]) -> Callable[[Iterable[_T]], list[_T]]:
    def read(result: Iterable[_T]) -> list[_T]:
        items = list(result)
        for item in items:
            if not isinstance(item, kind):
                raise SegOpsPluginError(f"it gave a {type(item).__name__} where {kind.__name__} is wanted")
        return items

    return read


class _Selection:
    """What `SEGOPS_PLUGINS` says."""

    def __init__(self, text: str) -> None:
        words = [word.strip() for word in text.split(",") if word.strip()]
        self._off = {word[1:] for word in words if word.startswith("-")}
        self._only = [word for word in words if not word.startswith("-")]

    def is_within(self, builtins: Iterable[str]) -> bool:
        """Tell whether it needs no look at what is installed: it wants no entry point, and names built-ins only."""
        return _NO_ENTRY_POINT in self._only and not self.unknown({*builtins})

    def unknown(self, known: AbstractSet[str]) -> list[str]:
        return sorted({*self._off, *self._only} - known - {_NO_ENTRY_POINT})

    def allows(self, name: str) -> bool:
        return name not in self._off

    def ordered(self, points: Iterable[EntryPoint]) -> list[EntryPoint]:
        if _NO_ENTRY_POINT in self._only:
            return []
        allowed = sorted((point for point in points if self.allows(point.name)), key=lambda point: point.name)
        if not self._only:
            return allowed
        by_name = {point.name: point for point in allowed}
        return [by_name[name] for name in dict.fromkeys(self._only) if name in by_name]


@functools.cache
def _scan() -> tuple[tuple[EntryPoint, ...], tuple[SegOpsPluginError, ...]]:
    """Return the entry points of all distributions, and what is wrong with those that cannot be read."""
    from importlib.metadata import entry_points  # noqa: PLC0415 - slow to load, and once per process is enough

    try:
        return tuple(entry_points(group=ENTRY_POINT_GROUP)), ()
    except Exception:  # noqa: BLE001 - one unreadable file of any distribution raises whatever reading it raised
        return _scan_one_by_one()


def _scan_one_by_one() -> tuple[tuple[EntryPoint, ...], tuple[SegOpsPluginError, ...]]:
    """Do the same where the metadata of a distribution is broken: that one is left out."""
    from importlib.metadata import distributions  # noqa: PLC0415 - slow to load

    points: list[EntryPoint] = []
    unreadable: list[SegOpsPluginError] = []
    names: set[str] = set()
    for distribution in distributions():
        name = _name_of_distribution(distribution)
        canonical = (name or "").lower().replace("_", "-").replace(".", "-")
        if canonical in names:
            continue  # another one of this name comes earlier on the path
        try:
            found = [point for point in distribution.entry_points if point.group == ENTRY_POINT_GROUP]
        except Exception as error:  # noqa: BLE001 - as above
            unreadable.append(_unreadable(distribution, f"{type(error).__name__}: {error}"))
            continue
        if name is None:
            unreadable.append(_unreadable(distribution, "it has no name"))
            continue
        names.add(canonical)
        points += found
    return tuple(points), tuple(unreadable)


def _name_of_distribution(distribution: Distribution) -> str | None:
    try:
        name = distribution.metadata["Name"]
    except Exception:  # noqa: BLE001 - the file may be missing, or in an unknown encoding
        return None
    return name if isinstance(name, str) and name else None


def _unreadable(distribution: Distribution, reason: str) -> SegOpsPluginError:
    where = getattr(distribution, "_path", None) or _name_of_distribution(distribution) or "a distribution"
    return SegOpsPluginError(
        f"the metadata of {where} cannot be read, and its plugins are not used ({reason}): "
        "reinstall that package, or remove what is left of it"
    )


def _built_in(builtins: Mapping[str, Callable[[], object]], chosen: _Selection) -> Iterator[Plugin]:
    for name, load in builtins.items():
        if chosen.allows(name):
            yield Plugin(name, "built in", load())


def name_of(plugin: object) -> str:
    """Return the name of a plugin: its attribute `name`, or else that of its module, class or type."""
    name = getattr(plugin, "name", None)
    if isinstance(name, str):
        return name
    return str(getattr(plugin, "__name__", type(plugin).__name__)).rpartition(".")[2]


def _broken(name: str, origin: str, error: BaseException) -> SegOpsPluginError:
    try:
        reason = f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001 - a stranger's error may fail to say what it is
        reason = type(error).__name__
    return SegOpsPluginError(f"plugin {name!r} ({origin}) is not used: {reason}")
