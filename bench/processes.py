"""Fresh Python processes that find either of the two packages named `segops`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import segops

HERE = Path(__file__).parent
OURS = Path(segops.__file__).parent.parent


def clean_environment() -> dict[str, str]:
    """Return the environment without the variables that either package or Python reads."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("SEGOPS_", "PYTHON"))}


def python(*arguments: str, package: Path = OURS) -> str:
    """Run Python with the `segops` in the folder `package`; return its output."""
    return subprocess.run(
        [sys.executable, *arguments],
        env={**clean_environment(), "PYTHONPATH": str(package)},
        cwd=package,
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    ).stdout
