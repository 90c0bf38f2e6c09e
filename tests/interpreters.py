"""Run the tests of the core, the engine and the transports on every other supported Python that is installed.

Each Python gets a virtual environment of its own, with the pinned requirements. Part of `make test-full`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
SUPPORTED = [(3, minor) for minor in range(10, 15)]
TESTS = ["tests/core", "tests/delivery", "tests/transports", "--ignore=tests/delivery/test_exit.py"]


def find(version: tuple[int, int]) -> str | None:
    """Return the program of a Python version, None if it is not installed or does not start."""
    name = f"python{version[0]}.{version[1]}"
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for program in [shutil.which(name), *map(str, pyenv.glob(f"*/bin/{name}"))]:  # pyenv's own command may be inactive
        if program and subprocess.run([program, "-c", ""], capture_output=True, check=False).returncode == 0:
            return program
    return None


def test(program: str, folder: Path) -> bool:
    """Install the SDK and run the tests with one Python; return whether they passed."""
    python = str(folder / "bin" / "python")
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([program, "-m", "venv", str(folder)], check=True)
    subprocess.run([*install, "--require-hashes", "--requirement", "requirements/dev.txt"], cwd=ROOT, check=True)
    subprocess.run([*install, "--no-deps", "--no-build-isolation", "--editable", "."], cwd=ROOT, check=True)
    run = [python, "-m", "pytest", "--quiet", "-p", "no:cacheprovider", "--numprocesses", "4", "--dist", "loadfile"]
    return subprocess.run([*run, *TESTS], cwd=ROOT, check=False).returncode == 0


def main() -> int:
    """Return how many Pythons failed."""
    failures = 0
    for version in SUPPORTED:
        if version == sys.version_info[:2]:
            continue
        name = f"Python {version[0]}.{version[1]}"
        program = find(version)
        if program is None:
            sys.stdout.write(f"{name} is not installed: skipped\n")
            continue
        sys.stdout.write(f"{name}\n")
        sys.stdout.flush()
        with tempfile.TemporaryDirectory(prefix="segops-python-") as folder:
            failures += not test(program, Path(folder))
    return failures


if __name__ == "__main__":
    sys.exit(main())
