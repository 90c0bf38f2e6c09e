"""Run the tests of the core, the engine and the transports on every other supported Python that is installed.

Each Python gets a virtual environment of its own, with the pinned requirements. Part of `make test-full`.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from tests.rig.pythons import find_pythons

ROOT = Path(__file__).parents[1]
TESTS = ["tests/core", "tests/delivery", "tests/transports", "--ignore=tests/delivery/test_exit.py"]


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
    for version, program in find_pythons().items():
        if program == sys.executable:
            continue
        sys.stdout.write(f"Python {version}\n")
        sys.stdout.flush()
        with tempfile.TemporaryDirectory(prefix="segops-python-") as folder:
            failures += not test(program, Path(folder))
    return failures


if __name__ == "__main__":
    sys.exit(main())
