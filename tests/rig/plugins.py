"""Plugins for tests, and a site-packages folder with real entry points for a subprocess."""

import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from segops import Event, hookimpl
from segops.core import Enricher
from tests.rig.programs import unconfigured

Enrich = Callable[[Event], Any]


class Enriching:
    """A plugin with one enricher."""

    def __init__(self, enrich: Enrich, name: str = "test", event_types: Iterable[str] | None = None) -> None:
        self.name = name
        self._enrich = enrich
        self._event_types = None if event_types is None else frozenset(event_types)

    @hookimpl
    def segops_register_enrichers(self) -> list[Enricher]:
        return [Enricher(name=self.name, event_types=self._event_types, enrich=self._enrich)]


def marking(mark: str) -> Enrich:
    """Return an enricher that adds `mark` to the list `marks` of an event."""

    def enrich(event: Event) -> Event:
        event.payload = {**event.payload, "marks": [*event.payload.get("marks", []), mark]}
        return event

    return enrich


class SitePackages:
    """A folder of installed distributions, and a way to run Python with them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def install(self, distribution: str, entry_points: Mapping[str, str], modules: Mapping[str, str]) -> None:
        """Put modules on the path, and the record that an installer leaves of them."""
        for module, source in modules.items():
            (self.folder / f"{module}.py").write_text(source)
        info = self.folder / f"{distribution.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
        lines = [f"{name} = {target}" for name, target in entry_points.items()]
        (info / "entry_points.txt").write_text("\n".join(["[segops]", *lines, ""]))

    def add(self, name: str, source: str) -> None:
        """Install a distribution whose only module is a plugin."""
        self.install(f"{name}-dist", {name: name}, {name: source})

    def run(self, program: str, selection: str | None = None) -> list[str]:
        """Run a program, and return the lines that it printed."""
        environment = unconfigured()
        environment["PYTHONPATH"] = str(self.folder)
        if selection is not None:
            environment["SEGOPS_PLUGINS"] = selection
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=200, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()
