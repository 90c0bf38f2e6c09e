"""Find the supported Pythons on this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path


@cache
def find_pythons() -> dict[str, str]:
    """Return programs by version, such as "3.12"; the running Python is always among them.

    Pythons are found in `SEGOPS_TEST_PYTHONS` (separated by ":"), on the path, and where pyenv installs them.
    """
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    candidates = [
        *os.environ.get("SEGOPS_TEST_PYTHONS", "").split(":"),
        *[shutil.which(f"python3.{minor}") or "" for minor in range(10, 15)],
        *[str(path) for minor in range(10, 15) for path in pyenv.glob(f"3.{minor}.*/bin/python3.{minor}")],
    ]
    found = {_version(sys.executable): sys.executable}
    for candidate in filter(None, candidates):
        version = _version(candidate)
        if version.startswith("3.1"):
            found.setdefault(version, candidate)
    return found


def _version(python: str) -> str:
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        done = subprocess.run([python, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    except OSError:
        return ""
    return done.stdout.strip()
