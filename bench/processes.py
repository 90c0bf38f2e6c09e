"""Fresh Python processes, in which one or the other package named `segops` is found."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import segops

HERE = Path(__file__).parent
OURS = Path(segops.__file__).parent.parent


def clean_environment() -> dict[str, str]:
    """Return the variables of this process without those that either package or Python listens to."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("SEGOPS_", "PYTHON"))}


def python(*arguments: str, package: Path = OURS) -> str:
    """Run Python where `segops` is what lies in the folder `package`; return what it printed."""
    return subprocess.run(
        [sys.executable, *arguments],
        env={**clean_environment(), "PYTHONPATH": str(package)},
        cwd=package,
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    ).stdout
