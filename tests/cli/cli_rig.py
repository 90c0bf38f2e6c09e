"""What the tests of the program share: how to start it, and site' plugins for it to find."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.rig.programs import unconfigured

Run = Callable[..., "subprocess.CompletedProcess[str]"]

SEGOPS = (sys.executable, "-m", "segops")


def make_environment(**more: str) -> dict[str, str]:
    """Return this process's environment without what would change the program's behaviour."""
    return {**unconfigured(), **more}


class PluginSite:
    """A directory of plugins as an installer leaves them: a module each, and an entry point in the metadata."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def add(self, name: str, source: str) -> None:
        self.directory.joinpath(f"{name}.py").write_text(source)
        info = self.directory / f"{name}-1.0.dist-info"
        info.mkdir()
        info.joinpath("METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}-dist\nVersion: 1.0\n")
        info.joinpath("entry_points.txt").write_text(f"[segops]\n{name} = {name}\n")
