"""The documentation is run: each Python sample by itself, page by page, and each shell command somewhere."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

from segops import SegOpsClient

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")

NOT_RUN_HERE = {"make demo", "make test", "pip install segops-sdk"}
"""The first two are run by .ci/run; the third is what `make demo` does with this checkout."""


def _samples(page: Path, language: str) -> list[str]:
    return [body for kind, body in FENCE.findall(page.read_text()) if kind == language]


@pytest.mark.parametrize("page", [page for page in PAGES if _samples(page, "python")], ids=lambda page: page.name)
def test_python_samples_of_a_page_run_from_top_to_bottom(page: Path, tmp_path: Path) -> None:
    program = "\n".join(_samples(page, "python"))
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", [page for page in PAGES if _samples(page, "sh")], ids=lambda page: page.name)
def test_shell_samples_run(page: Path, tmp_path: Path) -> None:
    lines = [line.partition("#")[0].strip() for sample in _samples(page, "sh") for line in sample.splitlines()]
    for line in filter(None, lines):
        if line in NOT_RUN_HERE:
            continue
        command = [sys.executable, "-m", *line.split()]
        assert command[2] == "segops", f"{page.name}: nothing runs {line!r}"
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=200, check=False)
        assert done.returncode == 0, done.stderr


def test_ci_runs_the_commands_of_the_readme() -> None:
    script = (ROOT / ".ci" / "run").read_text()
    readme = (ROOT / "README.md").read_text()
    for command in ("make demo", "make test"):
        assert command in script
        assert command in readme


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text()):
        assert (page.parent / target).exists(), target


def test_every_option_is_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    for name in inspect.signature(SegOpsClient).parameters:
        assert f"| `{name}` |" in readme
