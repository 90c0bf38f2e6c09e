"""Build wheels and sdists, and compile the extension."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
KEPT = ("hatch_build.py", "segops_pytest.py", "pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md")
BUILD = "from pathlib import Path; from hatch_build import build; print(build(Path.cwd()))"

pytestmark = pytest.mark.skipif(not shutil.which("gcc") and not shutil.which("cc"), reason="no C compiler")


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


def sources(root: Path) -> set[str]:
    """Return the names of the files of the package, without anything compiled."""
    found = {path for path in (root / "segops").rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    return {path.relative_to(root).as_posix() for path in found - set(compiled(root))}


def make(root: Path, target: str, **environment: str) -> Path:
    """Build an sdist or a wheel, and return its file."""
    directory = root.parent / "dist"
    run(root, "-m", "hatchling", "build", "-t", target, "-d", str(directory), **environment)
    [built] = directory.iterdir()
    return built


@pytest.mark.parametrize("is_pure", [True, False])
def test_a_wheel_has_the_package_and_no_sources_in_c(copy: Path, is_pure: bool) -> None:  # noqa: FBT001
    run(copy, "-c", BUILD)  # an earlier build does not get into a pure wheel
    [module] = compiled(copy)
    wheel = make(copy, "wheel", SEGOPS_PURE="1" if is_pure else "")
    assert wheel.name.endswith("-py3-none-any.whl") is is_pure
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    expected = sources(copy) - {"segops/delivery/_speedups.c"} | {"segops/demo/cdnow_sample.txt", "segops_pytest.py"}
    assert "segops/delivery/_speedups.pyi" in expected
    assert names == expected | (set() if is_pure else {module.relative_to(copy).as_posix()})


def test_an_sdist_has_the_sources_in_c_and_nothing_compiled(copy: Path) -> None:
    run(copy, "-c", BUILD)
    with tarfile.open(make(copy, "sdist")) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert "segops/delivery/_speedups.c" in names
    assert names == sources(copy) | {*KEPT, "PKG-INFO", "examples/data/README.md", "examples/data/cdnow_sample.txt"}


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
