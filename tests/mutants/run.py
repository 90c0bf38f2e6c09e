"""Plant each bug of `planted.py` in a copy of the project, and run the tests that must find it: `make mutants`.

First, every bug must fit the code as it is, and the tests must pass without one. A bug that no test finds is printed as
ALIVE, and the run fails.
"""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.mutants.planted import MUTANTS, Mutant

ROOT = Path(__file__).parents[2]
NEEDED = ["segops", "tests", "bench", "examples", "docs"]
NO_TEST_FAILED, TESTS_FAILED = 0, 1


def say(line: str) -> None:
    """Print a line at once: a run takes minutes."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def check_fit() -> None:
    """Check that each bug can be planted and changes the code, and that the tests that must find it exist.

    Raises:
        SystemExit: The code or the tests have changed since `planted.py` was written.
    """
    problems = [f"{mutant.name}: {problem}" for mutant in MUTANTS for problem in find_problems(mutant)]
    if problems:
        sys.exit("update tests/mutants/planted.py:\n" + "\n".join(problems))


def find_problems(mutant: Mutant) -> list[str]:
    """Return what keeps a bug from being planted or found."""
    path = ROOT / "segops" / mutant.file
    missing = [f"tests/{name} does not exist" for name in mutant.tests if not (ROOT / "tests" / name).exists()]
    if not path.exists():
        return [f"segops/{mutant.file} does not exist", *missing]
    sound = path.read_text()
    if (count := sound.count(mutant.before)) != 1:
        return [f"segops/{mutant.file} contains {mutant.before!r} {count} times instead of once", *missing]
    broken = sound.replace(mutant.before, mutant.after)
    if ast.dump(ast.parse(broken)) == ast.dump(ast.parse(sound)):
        return ["it does not change the code", *missing]
    return missing


def copy(to: Path) -> None:
    """Copy what the tests need."""
    for name in NEEDED:
        shutil.copytree(ROOT / name, to / name, ignore=shutil.ignore_patterns("__pycache__"))
    for file in [*ROOT.glob("*.toml"), *ROOT.glob("*.md")]:
        shutil.copy2(file, to)


def plant(mutant: Mutant, project: Path) -> str:
    """Put the bug into its file, and return the file as it was."""
    path = project / "segops" / mutant.file
    sound = path.read_text()
    path.write_text(sound.replace(mutant.before, mutant.after))
    return sound


def test(project: Path, tests: list[str]) -> tuple[int, str]:
    """Run tests in the copy until one fails; return the exit code of pytest and the name of that test."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "--no-header", "-p", "no:cacheprovider", "--timeout", "60"]
    done = subprocess.run(
        [*command, *[f"tests/{name}" for name in tests]],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(project), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    failed = [line.split()[1] for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return done.returncode, failed[0] if failed else done.stdout[-300:]


def main() -> int:
    """Return how many bugs are alive."""
    check_fit()
    alive = 0
    with tempfile.TemporaryDirectory(prefix="segops-mutants-") as folder:
        project = Path(folder)
        copy(project)
        code, why = test(project, sorted({name for mutant in MUTANTS for name in mutant.tests}))
        if code != NO_TEST_FAILED:
            sys.exit(f"the tests fail without any bug planted: {why}")
        say(f"sound   the tests pass without a bug; {len(MUTANTS)} bugs follow")
        for mutant in MUTANTS:
            sound = plant(mutant, project)
            started = time.monotonic()
            code, why = test(project, list(mutant.tests))
            (project / "segops" / mutant.file).write_text(sound)
            is_killed = code == TESTS_FAILED
            alive += not is_killed
            by = f"by {why.removeprefix('tests/')}" if is_killed else f"pytest ended with {code}: {why}"
            took = time.monotonic() - started
            say(f"{'killed' if is_killed else 'ALIVE '}  {mutant.name} ({took:.0f} s) {by}")
    say(f"{len(MUTANTS) - alive} of {len(MUTANTS)} killed")
    return alive


if __name__ == "__main__":
    sys.exit(main())
