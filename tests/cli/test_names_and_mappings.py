"""Undocumented flags and unfitting columns are rejected by name, with what to do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from segops.emulator import LocalSegOps
from tests.rig.programs import Run

SHOP = "Handle,Title,Variant SKU\nblue,Blue,\nred,Red,\n"


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "shop.csv"
    path.write_text(SHOP)
    return str(path)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["segments", "create", "--nmae=x"], "'nmae': did you mean 'name'"),
        (["segments", "list", "--pagesize=3"], "'pagesize': did you mean 'page_size'"),
        (["products", "list", "--pageSize=3"], "'pageSize': did you mean 'page_size'"),
        (["pages", "build", "1", "--colour=red"], "'colour'"),
        (["segments", "update", "1", "--method=POST", "--name=x"], "method must be PATCH or PUT"),
        (["segments", "export", "1", "--timeout=5"], "--timeout has no effect without --wait"),
    ],
)
def test_an_undocumented_flag_is_refused_by_name(ask: Run, local: LocalSegOps, words: list[str], message: str) -> None:
    done = ask(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert local.requests() == []


def test_extra_fields_and_the_method_have_flags(ask: Run) -> None:
    made = ask("segments", "create", "--name=a", '--extra-fields={"description": "old"}')
    number = str(json.loads(made.stdout)["id"])
    replaced = ask("segments", "update", number, "--method=PUT", "--name=b")
    assert json.loads(replaced.stdout)["description"] == ""


@pytest.mark.parametrize("mapping", [None, '{"Variant SKU": "sku"}', '{"Handel": "sku"}'])
def test_columns_that_do_not_fit_are_named_with_the_flag(ask: Run, file: str, mapping: str | None) -> None:
    done = ask("products", "import", file, "--wait", *([] if mapping is None else ["--mapping", mapping]))
    assert (done.returncode, done.stdout) == (1, "")
    assert "--mapping" in done.stderr
    assert "'Handle', 'Title', 'Variant SKU'" in done.stderr
    assert "check the URL" not in done.stderr


def test_a_mapping_makes_them_fit(ask: Run, file: str) -> None:
    done = ask("products", "import", file, "--wait", '--mapping={"Handle": "sku", "Title": "name"}')
    assert (done.returncode, json.loads(done.stdout)["created"]) == (0, 2)


def test_a_mapping_without_waiting_is_not_ignored(ask: Run, local: LocalSegOps, file: str) -> None:
    done = ask("products", "import", file, '--mapping={"Handle": "sku"}')
    assert done.returncode == 2
    assert "--mapping has no effect without --wait" in done.stderr
    assert local.requests() == []
