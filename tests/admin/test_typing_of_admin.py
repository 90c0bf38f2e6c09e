"""A third-party program that uses the admin SDK passes `mypy --strict`, and a wrong one does not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

# A line that is wrong carries a `type: ignore`, and strict mypy objects to one that is not needed.
PROGRAM = """
from collections.abc import Iterator

from segops import AsyncSegOpsAdmin, SegOpsAdmin
from segops.core import Response
from segops.plugins.admin import EndpointCall, ExportJob, Id, Product, Receipt, Resource, Segment, endpoint
from typing_extensions import assert_type


class Points(Resource):
    path = "/points/"

    @endpoint("POST", "{collection}{user_id}/grant/")
    def grant(self, call: EndpointCall, user_id: Id, *, amount: int = 1) -> Receipt:
        return call.receipt(user_id=user_id, body={"amount": amount})


def skus(admin: SegOpsAdmin) -> Iterator[str]:
    for product in admin.products.iterate(page_size=200):
        assert_type(product, Product)
        yield product.sku


with SegOpsAdmin("sk_1", base_url="local:") as admin:
    segment = admin.segments.create({"name": "x"}, description="y")
    assert_type(segment, Segment)
    assert_type(segment.member_count, int)
    assert_type(admin.segments.list(page=1)[0], Segment)
    assert_type(admin.segments.export(1, format="csv"), ExportJob)
    admin.segments.delete(1)
    assert_type(admin.with_options(timeout=1).segments.recompute_and_wait(1, timeout=5), Segment)
    assert_type(admin.raw(admin.segments.get, 1).result, Segment)
    assert_type(admin.resource(Points).grant("u-1", amount=5), Receipt)
    assert_type(admin.http.send("GET", "/x/"), Response)
    admin.segments.get(1.5)  # type: ignore[arg-type]
    admin.segments.recompute()  # type: ignore[call-arg]
    admin.segments.recomputed(1)  # type: ignore[attr-defined]
    admin.segmints  # type: ignore[attr-defined]
    admin.resource(Points).grant("u-1", amount="5")  # type: ignore[arg-type]
    admin.raw(admin.segments.get, "1", 2)  # type: ignore[call-arg]


async def main() -> None:
    async with AsyncSegOpsAdmin("sk_1", base_url="local:") as admin:
        assert_type(await admin.segments.get(1), Segment)
        page = await admin.segments.list(page=1)
        assert_type(page[0], Segment)
        second = await page.next_page()
        assert second is not None
        async for segment in admin.segments.iterate():
            assert_type(segment, Segment)
        async for segment in second.walk():
            assert_type(segment.name, str)
        assert_type((await admin.raw(admin.segments.get, 1)).result, Segment)
        assert_type(await admin.with_options(timeout=1).segments.export_to(1, "x"), int)
        await admin.segments.get(1.5)  # type: ignore[arg-type]
        admin.segmints  # type: ignore[attr-defined]
        AsyncSegOpsAdmin(timeout="5")  # type: ignore[arg-type]
"""


def test_a_third_party_program_type_checks(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    assert pytestconfig.cache is not None
    cache = pytestconfig.cache.mkdir("mypy_of_a_third_party")
    (tmp_path / "program.py").write_text(PROGRAM, "utf-8")
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", f"--cache-dir={cache}", "program.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout == "Success: no issues found in 1 source file\n", done.stdout + done.stderr
