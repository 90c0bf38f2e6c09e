"""Fresh Python processes, in which one or the other package named `segops` is found."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import segops

HERE = Path(__file__).parent
OURS = Path(segops.__file__).parent.parent


def python(*arguments: str, package: Path = OURS) -> str:
    """Run Python where `segops` is what lies in the folder `package`; return what it printed."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SEGOPS_")}
    return subprocess.run(
        [sys.executable, *arguments],
        env={**environment, "PYTHONPATH": str(package)},
        cwd=package,
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    ).stdout
