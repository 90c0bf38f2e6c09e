"""Virtual environments as users have them: a package and its dependencies."""

from __future__ import annotations

import subprocess
import sys
import venv
from importlib.metadata import requires
from pathlib import Path

from bench.processes import OURS, clean_environment

PIP = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]


def make_environment(folder: Path, *requirements: str) -> Path:
    """Install packages from the package index and return the Python that finds them.

    Raises:
        subprocess.CalledProcessError: The package index is unreachable or lacks a package.
    """
    venv.create(folder, symlinks=sys.platform != "win32")
    program = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    command = [*PIP, "--python", str(program), "install", *requirements]
    subprocess.run(command, capture_output=True, check=True)
    return program


def needed() -> list[str]:
    """Return the run-time dependencies of this checkout."""
    return [name for name in requires("segops-sdk") or () if "extra ==" not in name]


def make_our_environment(folder: Path) -> Path:
    """Install the run-time dependencies of this checkout, and make the checkout importable."""
    program = make_environment(folder, *needed())
    next(folder.rglob("site-packages")).joinpath("checkout.pth").write_text(str(OURS), "utf-8")
    return program


def run(program: Path, statement: str) -> None:
    """Run a statement in a fresh process."""
    # In the root of the environment, because Python searches the working directory first and must find nothing.
    subprocess.run([program, "-c", statement], env=clean_environment(), cwd=program.parent.parent, check=True)
