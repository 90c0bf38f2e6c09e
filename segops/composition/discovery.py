"""Find the plugins of installed distributions, and choose among them as `SEGOPS_PLUGINS` says."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING

from segops.core.errors import SegOpsPluginError

if TYPE_CHECKING:
    from importlib.metadata import Distribution, EntryPoint

ENTRY_POINT_GROUP = "segops"

_NO_ENTRY_POINT = "none"


class Selection:
    """The value of `SEGOPS_PLUGINS`."""

    def __init__(self, text: str) -> None:
        words = [word.strip() for word in text.split(",") if word.strip()]
        self._off = {word[1:] for word in words if word.startswith("-")}
        self._only = [word for word in words if not word.startswith("-")]

    def is_within(self, builtins: Iterable[str]) -> bool:
        """Return whether no search for installed plugins is needed: only built-in ones are named."""
        return _NO_ENTRY_POINT in self._only and not self.unknown({*builtins})

    def unknown(self, known: AbstractSet[str]) -> list[str]:
        """Return the names that it has and that are not in `known`."""
        return sorted({*self._off, *self._only} - known - {_NO_ENTRY_POINT})

    def allows(self, name: str) -> bool:
        """Return whether a plugin is not excluded."""
        return name not in self._off

    def ordered(self, points: Iterable[EntryPoint]) -> list[EntryPoint]:
        """Return the entry points to load, in this order."""
        if _NO_ENTRY_POINT in self._only:
            return []
        allowed = sorted((point for point in points if self.allows(point.name)), key=lambda point: point.name)
        if not self._only:
            return allowed
        by_name = {point.name: point for point in allowed}
        return [by_name[name] for name in dict.fromkeys(self._only) if name in by_name]


@functools.cache
def scan_entry_points() -> tuple[tuple[EntryPoint, ...], tuple[SegOpsPluginError, ...]]:
    """Return the entry points of all distributions, and an error for each distribution that cannot be read."""
    from importlib.metadata import entry_points  # noqa: PLC0415 - slow to load, and once per process is enough

    try:
        return tuple(entry_points(group=ENTRY_POINT_GROUP)), ()
    except Exception:  # noqa: BLE001 - one unreadable file of any distribution raises whatever reading it raised
        return _scan_one_by_one()


def _scan_one_by_one() -> tuple[tuple[EntryPoint, ...], tuple[SegOpsPluginError, ...]]:
    """Do the same without the distributions whose metadata is broken."""
    from importlib.metadata import distributions  # noqa: PLC0415 - slow to load

    points: list[EntryPoint] = []
    unreadable: list[SegOpsPluginError] = []
    names: set[str] = set()
    for distribution in distributions():
        name = name_of_distribution(distribution)
        canonical = (name or "").lower().replace("_", "-").replace(".", "-")
        if canonical in names:
            continue  # shadowed by one that is earlier on the path
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


def name_of_distribution(distribution: Distribution) -> str | None:
    """Return the name of a distribution, or None if its metadata has none."""
    try:
        name = distribution.metadata["Name"]
    except Exception:  # noqa: BLE001 - the file may be missing, or in another encoding
        return None
    return name if isinstance(name, str) and name else None


def _unreadable(distribution: Distribution, reason: str) -> SegOpsPluginError:
    where = getattr(distribution, "_path", None) or name_of_distribution(distribution) or "a distribution"
    return SegOpsPluginError(
        f"cannot read the metadata of {where}, so its plugins are not loaded ({reason}): "
        "reinstall or remove the package"
    )
