"""Measure plugins: the time to load each one, and the time its enrichers take for an event."""

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
_SLOW_MICROSECONDS = 100.0
"""Time per event from which an enricher gets a warning."""

_IMPORT_TIME = re.compile(r"^import time:\s*\d+ \|\s*(\d+) \|\s*([\w.]+)$", re.MULTILINE)


def check_plugins() -> Iterator[Finding]:
    """Report what each plugin costs, and which ones failed to load."""
    inventory = take_inventory()
    loaded = load_plugins(lambda _error: None)
    enrichers = {each.name: each for each in loaded.enrichers()}
    modules = [_module_of(plugin.implementation) for plugin in loaded.loaded]
    milliseconds = _measure_imports(modules)
    for entry, module in zip(inventory.plugins, modules, strict=True):
        costs = [f"loads in {milliseconds[module]:.1f} ms"] if module in milliseconds else []
        is_slow = False
        for name in [text.partition(" (")[0] for text in entry.provides.get("enrichers", ())]:
            micros = _measure_enricher(enrichers[name])
            is_slow = is_slow or micros > _SLOW_MICROSECONDS
            costs.append(f"{name} takes {micros:.1f} µs per event")
        detail = ", ".join([entry.origin, *costs])
        yield Finding(f"plugin {entry.name}", "warning" if is_slow else "ok", detail)
    for message in inventory.broken:
        yield Finding("plugin", "warning", message)


def _measure_enricher(enricher: Enricher) -> float:
    """Return the microseconds that an enricher takes for an event, whether it succeeds or not."""
    event_type = min(enricher.event_types or {"segops_doctor"})
    started = time.perf_counter()
    for _ in range(_ROUNDS):
        with suppress(Exception):  # third-party code may raise anything, and the empty payload is ours
            enricher.enrich(Event("segops-doctor", event_type, payload={}))
    return (time.perf_counter() - started) / _ROUNDS * 1e6


def _module_of(implementation: object) -> str:
    return str(getattr(implementation, "__name__", type(implementation).__module__))


def _measure_imports(modules: Iterable[str]) -> dict[str, float]:
    """Return the milliseconds that each module takes to load, in a fresh process that has only loaded segops."""
    lines = [f"with suppress(Exception):\n    import {module}" for module in modules]
    program = "\n".join(["import segops.composition", "from contextlib import suppress", *lines])
    command = [sys.executable, "-X", "importtime", "-c", program]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT, check=False)  # noqa: S603 - no user input
    except (OSError, subprocess.TimeoutExpired):
        return {}
    return {name: int(micros) / 1000 for micros, name in _IMPORT_TIME.findall(done.stderr)}
