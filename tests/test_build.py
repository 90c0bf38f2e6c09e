"""The build of the package: a wheel for every platform, and what becomes of the compiled module."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
KEPT = ("hatch_build.py", "segops_pytest.py", "pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md")
BUILD = "from pathlib import Path; from hatch_build import build; print(build(Path.cwd()))"

pytestmark = pytest.mark.skipif(not shutil.which("gcc") and not shutil.which("cc"), reason="there is no C compiler")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Return a copy of the project without anything compiled."""
    root = tmp_path / "project"
    shutil.copytree(PROJECT / "segops", root / "segops", ignore=shutil.ignore_patterns("*.so", "*.pyd", "__pycache__"))
    shutil.copytree(PROJECT / "examples" / "data", root / "examples" / "data")
    for name in KEPT:
        shutil.copy(PROJECT / name, root / name)
    return root


def run(root: Path, *arguments: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root), **environment},
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    return done.stdout


def compiled(root: Path) -> list[Path]:
    return [path for path in (root / "segops" / "delivery").iterdir() if path.suffix in (".so", ".pyd")]


@pytest.mark.parametrize("is_pure", [True, False])
def test_a_wheel_is_for_every_platform_if_asked_for(copy: Path, tmp_path: Path, is_pure: bool) -> None:  # noqa: FBT001
    run(
        copy,
        *("-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "dist")),
        SEGOPS_PURE="1" if is_pure else "",
    )
    [wheel] = (tmp_path / "dist").glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert wheel.name.endswith("-py3-none-any.whl") is is_pure
    assert any(name.startswith("segops/delivery/_speedups.") and name.endswith((".so", ".pyd")) for name in names) is (
        not is_pure
    )
    assert {"segops/delivery/_speedups.pyi", "segops_pytest.py", "segops/demo/cdnow_sample.txt"} <= {*names}


def test_a_compile_that_fails_leaves_an_earlier_module_in_its_place(copy: Path) -> None:
    run(copy, "-c", BUILD)
    [built] = compiled(copy)
    before = built.read_bytes()
    source = copy / "segops" / "delivery" / "_speedups.c"
    source.write_text(source.read_text("utf-8") + '\n#error "as on a machine that cannot compile it"\n', "utf-8")
    assert run(copy, "-c", BUILD).splitlines()[-1] == "None"
    assert compiled(copy) == [built]
    assert built.read_bytes() == before
    assert not list(copy.glob("build*"))
