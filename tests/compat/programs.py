"""Run Python programs with either of the two packages named `segops`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.rig.programs import unconfigured

HERE = Path(__file__).parent
VENDOR = ("segops==0.2.2", "segops-admin==0.2.2")

Program = tuple[list[str], dict[str, str]]
"""The interpreter with its options, and the environment."""

OURS: Program = ([sys.executable], {})


def install_vendor(folder: Path) -> Program:
    """Install the vendor's packages from the package index, or skip the test where there is none."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    done = subprocess.run([*pip, "--target", str(folder), *VENDOR], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"{VENDOR} cannot be had from the package index: {done.stderr.strip().splitlines()[-1]}")
    # -S: no site-packages, in which ours is installed
    return [sys.executable, "-S"], {"PYTHONPATH": str(folder)}


def start(
    program: Program, *words: str, given: str | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a Python program to its end."""
    interpreter, own = program
    inherited = unconfigured()
    return subprocess.run(
        [*interpreter, *words],
        env={**inherited, **own, **environment},
        input=given,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


def run(program: Program, script: str, *arguments: str, given: str | None = None) -> Any:
    """Run a script of this folder and return the JSON that it prints."""
    done = start(program, str(HERE / script), *arguments, given=given)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
