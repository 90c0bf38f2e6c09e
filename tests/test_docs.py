"""Run the samples of the documentation in Python and shell, and check its links and citations."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from segops import Limits, RetryPolicy, SegOpsClient
from segops.emulator import LocalSegOps, LocalServer

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
CITABLE = [*PAGES, *ROOT.glob("bench/*.md"), *ROOT.glob("examples/**/*.md")]
FENCE = re.compile(r"^( *)```(\w+)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)

NOT_RUN_HERE = {"make demo", "make test", "pip install segops-sdk"}
"""`.ci/run` runs the first two; `make demo` does the third with this checkout."""


def _samples(page: Path, language: str) -> list[str]:
    return [textwrap.dedent(body) for _, name, body in FENCE.findall(page.read_text()) if name == language]


def _script(page: Path) -> str:
    """Join the shell samples of a page into one script."""
    lines = "".join(_samples(page, "sh")).splitlines()
    return "\n".join(line for line in lines if line.partition("#")[0].strip() not in NOT_RUN_HERE)


@pytest.mark.parametrize("page", [page for page in PAGES if _samples(page, "python")], ids=lambda page: page.name)
def test_python_samples_of_a_page_run_from_top_to_bottom(page: Path, tmp_path: Path) -> None:
    program = "\n".join(_samples(page, "python"))
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture
def environment() -> Iterator[dict[str, str]]:
    """Yield variables of a shell that has the program `segops` and a local SegOps to talk to."""
    segops = LocalSegOps()
    with LocalServer(segops) as server:
        yield {
            **os.environ,
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "SEGOPS_API_URL": server.url,
            "SEGOPS_API_KEY": segops.secret_key,
        }


@pytest.mark.parametrize("page", [page for page in PAGES if _script(page)], ids=lambda page: page.name)
def test_shell_samples_of_a_page_run_from_top_to_bottom(
    page: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    done = subprocess.run(
        ["sh", "-euxc", _script(page)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_ci_runs_the_commands_of_the_readme() -> None:
    script = (ROOT / ".ci" / "run").read_text()
    readme = (ROOT / "README.md").read_text()
    for command in ("make demo", "make test"):
        assert command in script
        assert command in readme


def _anchors(page: Path) -> set[str]:
    """Return the anchors that the headings of a page have when it is rendered."""
    headings = HEADING.findall(FENCE.sub("", page.read_text()))
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target, anchor in LINK.findall(page.read_text()):
        linked = page.parent / target if target else page
        assert linked.exists(), target
        assert not anchor or anchor in _anchors(linked), f"{target}#{anchor}"


def test_every_option_is_documented() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text()
    for name in inspect.signature(SegOpsClient).parameters:
        assert f"| `{name}` |" in page


@pytest.mark.parametrize("options", [Limits, RetryPolicy])
def test_every_field_of_an_option_is_documented(options: type[Limits | RetryPolicy]) -> None:
    page = (ROOT / "docs" / "configuration.md").read_text()
    for name in options.__struct_fields__:
        assert f"| `{name}` |" in page


def test_the_comparison_in_the_readme_has_the_measured_figures() -> None:
    names = {"segops-sdk": "ours", "segops (vendor)": "vendor"}
    measured = (ROOT / "bench" / "RESULTS.md").read_text().splitlines()
    rows = re.findall(
        r"^\| (.+) ([\d.]+) \| (.+ k/s) \| (.+) \| (.+) \|$", (ROOT / "README.md").read_text(), re.MULTILINE
    )
    assert len(rows) > 4
    for name, *figures in rows:
        lines = [line for line in measured if re.match(rf"\| {re.escape(names.get(name, name))} +\|", line)]
        assert set(figures) <= {cell.strip() for line in lines for cell in line.split("|")}


@pytest.mark.parametrize("folder", ["segops", "tests", "bench", "tools", "examples"])
def test_sources_cite_documents_of_this_repository(folder: str) -> None:
    headings = {page: [name.replace("`", "") for name in HEADING.findall(page.read_text())] for page in CITABLE}
    for path in (ROOT / folder).rglob("*.py"):
        text = re.sub(r"\s+", " ", path.read_text("utf-8"))
        for name, heading in re.findall(r'([\w/-]+\.md)(?:, "([^"]+)")?', text):
            found = [page for page in CITABLE if page.as_posix().endswith(f"/{name.removeprefix('/')}")]
            assert found, f"{path}: {name}"
            assert not (found and heading) or heading.replace("`", "") in headings[found[0]], (
                f"{path}: {name}, {heading}"
            )


def test_the_files_that_the_architecture_names_exist() -> None:
    page = (ROOT / "ARCHITECTURE.md").read_text()
    paths = [path.as_posix() for path in ROOT.glob("segops/**/*.*")] + [
        path.as_posix() for path in [*ROOT.glob("*.py"), *ROOT.glob("tests/*.py")]
    ]
    for name in re.findall(r"`([\w/]+\.(?:py|c))`", page):
        assert any(path.endswith(f"/{name}") for path in paths), name
    for folder, rows in re.findall(r"^\| File in `(\w+)/` \|.*\n((?:\|.*\n)+)", page, re.MULTILINE):
        for name in re.findall(r"`(\w+\.(?:py|c))`", rows):
            assert (ROOT / "segops" / folder / name).exists(), name
