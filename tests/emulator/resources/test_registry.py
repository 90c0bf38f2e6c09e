"""A new resource is one file in `emulator/resources/`, listed in the registry."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import segops.emulator
from segops.emulator.database import Database
from segops.emulator.registry import RESOURCES, ROUTES, TABLES, ResourceModule

PACKAGE = Path(segops.emulator.__file__).parent

COUPONS = '''"""Coupons: discounts of the tenant."""

from segops.emulator.bodies import Field, Name, Number
from segops.emulator.crud import Resource

coupons = Resource(
    "coupons",
    {"code": Field(Name), "percent": Field(Number, 10), "is_active": Field(bool, True), "note": Field(str | None, "")},
    unique="code",
)
TABLES = (coupons.schema,)
ROUTES = coupons.routes("/api/coupons/")
'''

PROGRAM = """
import json
from segops.core import Request
from segops.emulator import LocalSegOps

local = LocalSegOps()


def ask(method, path, body=None):
    headers = {"Authorization": f"ApiKey {local.secret_key}"}
    response = local.handle(Request(method, path, headers, b"" if body is None else json.dumps(body).encode()))
    return response.status, json.loads(response.body or "null")


status, coupon = ask("POST", "/api/coupons/", {"code": "SPRING"})
assert (status, coupon["percent"], coupon["is_active"], coupon["note"]) == (201, 10, True, ""), coupon
assert ask("POST", "/api/coupons/", {"code": "SPRING"})[0] == 400
assert ask("PATCH", "/api/coupons/1/", {"percent": 20, "note": "May"})[1]["percent"] == 20
assert ask("GET", "/api/coupons/")[1]["results"][0]["note"] == "May"
assert "/api/coupons/<int:id>/" in {each["path"] for each in ask("GET", "/api/")[1]["endpoints"]}
assert ask("DELETE", "/api/coupons/1/") == (204, None)
"""


def test_a_resource_is_one_new_file_and_one_registration(tmp_path: Path) -> None:
    copy = tmp_path / "segops"
    copy.mkdir()
    for each in PACKAGE.parent.iterdir():
        if each.name not in {"emulator", "__pycache__"}:
            (copy / each.name).symlink_to(each)
    emulator = copy / "emulator"
    (emulator / "resources").mkdir(parents=True)
    for folder in (PACKAGE, PACKAGE / "resources"):
        for each in folder.iterdir():
            if each.name not in {"resources", "registry.py", "__pycache__"}:
                (emulator / each.relative_to(PACKAGE)).symlink_to(each)
    (emulator / "resources" / "coupons.py").write_text(COUPONS)
    registry = (PACKAGE / "registry.py").read_text()
    (emulator / "registry.py").write_text(
        registry.replace("    competitors,\n", "    competitors,\n    coupons,\n").replace(
            "*(ingestion,", "*(coupons, ingestion,"
        )
    )
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_resource_is_registered_by_an_ordinary_import() -> None:
    names = {path.stem for path in (PACKAGE / "resources").glob("*.py")} - {"__init__"}
    tree = ast.parse((PACKAGE / "registry.py").read_text())
    imported = {
        alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.module == "segops.emulator.resources"
        for alias in node.names
    }
    assert imported == names
    assert {module.__name__.rpartition(".")[2] for module in sys.modules.values() if module in RESOURCES} == names


def test_no_two_resources_share_an_endpoint() -> None:
    assert len({(route.method, route.path) for route in ROUTES}) == len(ROUTES)


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda module: module.__name__.rpartition(".")[2])
def test_a_resource_has_tables_and_endpoints_of_its_own(resource: ResourceModule) -> None:
    assert resource.ROUTES
    assert set(resource.TABLES) <= set(TABLES)
    assert all(table.lstrip().startswith("CREATE ") for table in resource.TABLES)


def test_the_tables_create_a_database() -> None:
    rows = Database(":memory:", TABLES).query("SELECT name FROM sqlite_master WHERE type = 'table'")
    assert len(rows) > 20
