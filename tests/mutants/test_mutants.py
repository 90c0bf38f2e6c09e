"""The bugs that `make mutants` plants fit the code as it is; whether the tests notice them takes minutes to see."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.mutants.planted import MUTANTS, Mutant
from tests.mutants.run import copy
from tests.rig.programs import unmeasured

ROOT = Path(__file__).parents[2]


def test_there_are_thirteen() -> None:
    assert len(MUTANTS) == len({mutant.name for mutant in MUTANTS}) == 13


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_bug_can_be_planted(mutant: Mutant) -> None:
    sound = (ROOT / "segops" / mutant.file).read_text()
    assert sound.count(mutant.before) == 1
    broken = sound.replace(mutant.before, mutant.after)
    assert ast.dump(ast.parse(broken)) != ast.dump(ast.parse(sound))
    assert all((ROOT / "tests" / name).exists() for name in mutant.tests)


def test_all_that_the_tests_need_is_copied(tmp_path: Path) -> None:
    copy(tmp_path)
    wanted = sorted({name for mutant in MUTANTS for name in mutant.tests})
    command = [sys.executable, "-m", "pytest", "-q", "--collect-only", *[f"tests/{name}" for name in wanted]]
    done = subprocess.run(command, cwd=tmp_path, env={**unmeasured(), "PYTHONPATH": str(tmp_path)}, check=False)
    assert done.returncode == 0
