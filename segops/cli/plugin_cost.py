"""What plugins cost: the time to load each, and the time that its enrichers take for an event."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress

from segops.cli.findings import Finding
from segops.composition import load_plugins, take_inventory
from segops.core import Enricher, Event

_ROUNDS = 200
_TIMEOUT = 30.0
_DEAR = 100.0
"""Microseconds for an event from which an enricher is worth a warning."""

_LINE = re.compile(r"^import time:\s*\d+ \|\s*(\d+) \|\s*([\w.]+)$", re.MULTILINE)


def check_plugins() -> Iterator[Finding]:
    """Tell for each plugin what it costs, and which are broken."""
    inventory = take_inventory()
    loaded = load_plugins(lambda _error: None)
    enrichers = {each.name: each for each in loaded.enrichers()}
    modules = [_module_of(plugin.implementation) for plugin in loaded.loaded]
    milliseconds = _import_times(modules)
    for entry, module in zip(inventory.plugins, modules, strict=True):
        costs = [f"{milliseconds[module]:.1f} ms to load"] if module in milliseconds else []
        dear = False
        for name in [text.partition(" (")[0] for text in entry.provides.get("enrichers", ())]:
            micros = _cost_of(enrichers[name])
            dear = dear or micros > _DEAR
            costs.append(f"{micros:.1f} µs for an event that {name} wants")
        yield Finding(f"plugin {entry.name}", "warning" if dear else "ok", "; ".join([entry.origin, *costs]))
    for message in inventory.broken:
        yield Finding("plugin", "warning", message)


def _cost_of(enricher: Enricher) -> float:
    """Return the microseconds that an enricher takes for an event; one that raises takes what it takes."""
    wanted = sorted(enricher.event_types or {"segops_doctor"})
    started = time.perf_counter()
    for _ in range(_ROUNDS):
        with suppress(Exception):  # a stranger's code may raise anything, and an empty payload is not its fault
            enricher.enrich(Event("segops-doctor", wanted[0], payload={}))
    return (time.perf_counter() - started) / _ROUNDS * 1e6


def _module_of(implementation: object) -> str:
    return str(getattr(implementation, "__name__", type(implementation).__module__))


def _import_times(modules: Iterable[str]) -> dict[str, float]:
    """Return the milliseconds that each module takes to load, in a process that has loaded segops and nothing else."""
    lines = [f"with suppress(Exception):\n    import {module}" for module in modules]
    program = "\n".join(["import segops.composition", "from contextlib import suppress", *lines])
    command = [sys.executable, "-X", "importtime", "-c", program]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT, check=False)  # noqa: S603 - our own words
    except (OSError, subprocess.TimeoutExpired):
        return {}
    return {name: int(micros) / 1000 for micros, name in _LINE.findall(done.stderr)}
