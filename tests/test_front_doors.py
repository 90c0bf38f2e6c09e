"""The public names of `segops`, `segops.core` and `segops.testing`."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import segops
import segops.core
import segops.testing
from segops.core import errors
from tests.rig.programs import unmeasured

ROOT = Path(__file__).parents[1]
DOORS = [segops, segops.core, segops.testing]


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
def test_dir_is_what_is_public(door: object) -> None:
    assert dir(door) == sorted(door.__all__)  # type: ignore[attr-defined]


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
def test_every_public_name_can_be_imported_and_is_no_module(door: object) -> None:
    for name in dir(door):
        assert not inspect.ismodule(getattr(door, name)), name


def test_dir_shows_lazy_names_before_they_are_loaded() -> None:
    program = (
        "import segops, sys; assert {'SegOpsAdmin', 'verify_webhook', 'AiReferrers'} <= set(dir(segops));"
        "assert 'segops.admin' not in sys.modules; segops.SegOpsAdmin; assert 'segops.admin' in sys.modules;"
        "print(*dir(segops))"
    )
    done = subprocess.run([sys.executable, "-c", program], env=unmeasured(), capture_output=True, text=True, check=True)
    assert done.stdout.split() == sorted(segops.__all__)


def test_every_error_that_a_user_may_catch_is_in_segops() -> None:
    raised = {
        name for name, each in vars(errors).items() if isinstance(each, type) and issubclass(each, errors.SegOpsError)
    }
    assert len(raised) > 20
    assert {name for name in raised if getattr(segops, name, None) is not getattr(errors, name)} == set()


def test_plugin_authors_see_contracts_and_not_the_engine() -> None:
    defined = {name: getattr(getattr(segops.core, name), "__module__", "segops.core") for name in dir(segops.core)}
    assert {name for name, module in defined.items() if module.startswith("segops.delivery")} == set()
    internals = {
        "EventQueue",
        "Outbox",
        "Dispatcher",
        "Ledger",
        "Notifier",
        "Tracker",
        "ApiKey",
        "Timing",
        "check_number",
        "monotonic",
        "needs_modules",
    }
    assert internals & set(dir(segops.core)) == set()


def names_taken(source: str, door: str) -> set[str]:
    return {
        alias.name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom) and node.module == door
        for alias in node.names
    }


def test_everything_that_the_page_on_tests_uses_is_in_segops_testing() -> None:
    page = (ROOT / "docs" / "testing.md").read_text("utf-8")
    for sample in re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL):
        modules = {node.module for node in ast.walk(ast.parse(sample)) if isinstance(node, ast.ImportFrom)}
        assert {module for module in modules if module and module.startswith("segops")} <= {"segops", "segops.testing"}


def test_what_a_plugin_author_is_shown_is_there() -> None:
    sources = [path.read_text("utf-8") for path in (ROOT / "examples" / "segops-plugin-example").rglob("*.py")]
    page = (ROOT / "docs" / "plugins.md").read_text("utf-8")
    sources += re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    taken = {name for source in sources for name in names_taken(source, "segops.core")}
    assert {"Enricher", "Spool", "Transport"} <= taken <= set(dir(segops.core))
