"""Every command of the vendor's program `segops-admin` 0.2.2 works with `segops dev`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.compat.programs import Program
from tests.compat.vendor_cases_cli import COMMANDS
from tests.compat.vendor_desk import Desk, DevService


@pytest.fixture
def desk(dev: DevService, vendor: Program) -> Desk:
    return Desk(dev, vendor)


def test_no_command_is_forgotten(desk: Desk) -> None:
    usage = desk.start("help").stdout
    listed = usage.partition("Commands:\n")[2].partition("\n\n")[0]
    assert sorted(COMMANDS) == sorted(line.strip() for line in listed.splitlines())
    assert len(COMMANDS) > 30


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_a_command(desk: Desk, tmp_path: Path, name: str) -> None:
    COMMANDS[name](desk, tmp_path)


def test_a_refusal_is_one_line_with_status_and_body(desk: Desk) -> None:
    done = desk.start("segments", "get", "999999")
    assert (done.returncode, done.stdout) == (1, "")
    assert re.search(r"404.*Not found\.", done.stderr)
    refused = desk.start("segments", "list", SEGOPS_API_KEY="sk_of_nobody")
    assert refused.returncode == 1
    assert "401" in refused.stderr
