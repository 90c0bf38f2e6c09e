"""Completion scripts in the shells that they are for, and the list of commands in the documentation."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.rig.programs import Run
from tools.cli_reference import PAGE, update_page

ROOT = Path(__file__).parents[2]

ASKED = {
    "segops se": {"segments", "send"},
    "segops segments re": {"recompute", "recompute-and-wait"},
    "segops segments export --w": {"--wait"},
    "segops analytics segments --al": {"--all"},
    "segops segments list -o ": {"table", "json", "jsonl", "csv"},
    "segops completion z": {"zsh"},
    "segops send eve": {"events.ndjson"},
    "segops segments create seg": {"segment.json"},
}

BASH = """
. "$1"
COMP_WORDS=($2); [ "${2% }" = "$2" ] || COMP_WORDS+=("")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
"$(complete -p segops | sed 's/.*-F //; s/ .*//')"
printf '%s\\n' "${COMPREPLY[@]}"
"""

FISH = "source $argv[1]; complete -C $argv[2] | string split -f1 \\t"

# zsh completes in its line editor only: the functions that it calls are replaced by ones that print.
ZSH = """
_describe() { print -l -- ${names%%:*} }
compadd() { shift; print -l -- $@ }
_files() { print -l -- *(N) }
words=(${=2}); [[ $2 == *' ' ]] && words+=("")
CURRENT=$#words
source $1
_segops
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    for name in ("events.ndjson", "segment.json", "other.txt"):
        (folder / name).touch()
    return folder


def complete(run: Run, shell: list[str], folder: Path, environment: Mapping[str, str]) -> dict[str, set[str]]:
    script = folder.parent / "script"
    script.write_text(run("completion", shell[0]).stdout)
    found = {}
    for asked in ASKED:
        command = [*shell, str(script), asked]
        done = subprocess.run(
            command,
            cwd=folder,
            env={**environment, "HOME": str(folder.parent)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stderr == ""
        found[asked] = set(done.stdout.split())
    return found


def test_bash_completes(run: Run, folder: Path, environment: Mapping[str, str]) -> None:
    assert complete(run, ["bash", "-c", BASH, "bash"], folder, environment) == ASKED


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_fish_completes(run: Run, folder: Path, environment: Mapping[str, str]) -> None:
    found = complete(run, ["fish", "-N", "-c", FISH], folder, environment)
    assert found == ASKED


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_zsh_offers_what_it_chooses_from(run: Run, folder: Path, environment: Mapping[str, str]) -> None:
    found = complete(run, ["zsh", "-fc", ZSH, "zsh"], folder, environment)
    missing = {asked: words - found[asked] for asked, words in ASKED.items() if words - found[asked]}
    assert missing == {}
    assert "recompute" not in found["segops segments export --w"]


def test_the_documentation_lists_the_commands() -> None:
    page = (ROOT / PAGE).read_text("utf-8")
    assert update_page(page) == page, "run python -m tools.cli_reference"
    assert "segops segments export ID" in page
