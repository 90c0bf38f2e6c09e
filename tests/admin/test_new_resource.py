"""One declaration of a resource is enough for its methods, its commands, its asyncio variant and its reference."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from segops import AsyncSegOpsAdmin, SegOpsAdmin, SegOpsNotFoundError
from segops.core import Response
from segops.plugins.admin import Crud, EndpointCall, Receipt, Record, endpoint
from segops.transports.memory import MemoryTransport
from tests.rig.fault_server import FaultServer, respond
from tests.rig.plugins import SitePackages
from tests.rig.programs import importing, make_run, unconfigured
from tools.admin_codegen import make_reference

DECLARATION = '''
from segops.core import hookimpl
from segops.plugins.admin import Crud, EndpointCall, Id, Receipt, Record, endpoint

class Coupon(Record):
    """A coupon."""
    __slots__ = ()
    id: int
    code: str

class Coupons(Crud[Coupon]):
    """Create and revoke coupons."""
    path = "/coupons/"

    @endpoint("POST", "{collection}{id}/revoke/")
    def revoke(self, call: EndpointCall, id: Id) -> Receipt:
        """Revoke a coupon.

        Args:
            id: The id of the coupon.
        """
        return call.receipt(id=id)

@hookimpl
def segops_register_resources():
    return {"coupons": Coupons}
'''
ITEMS = {"count": 1, "next": None, "previous": None, "results": [{"id": 7, "code": "SPRING"}]}
BODY = json.dumps(ITEMS).encode()


@pytest.fixture
def plugin() -> ModuleType:
    module = ModuleType("coupons_plugin")
    exec(DECLARATION, vars(module))
    return module


def page() -> Response:
    return Response(200, {"content-type": "application/json"}, BODY)


def test_it_is_a_namespace_of_both_admins(plugin: ModuleType) -> None:
    transport = MemoryTransport(page(), page(), Response(202), offline=False)
    options: dict[str, Any] = {"transport": transport, "plugins": [plugin]}
    admin: Any = SegOpsAdmin("sk_1", **options)
    assert [coupon.code for coupon in admin.coupons.list(code="SPRING")] == ["SPRING"]
    asynchronous: Any = AsyncSegOpsAdmin("sk_1", **options)

    async def work() -> list[str]:
        codes = [coupon.code async for coupon in asynchronous.coupons.iterate()]
        await asynchronous.coupons.revoke(7)
        return codes

    assert asyncio.run(work()) == ["SPRING"]
    assert [f"{request.method} {request.path}" for request in transport.requests] == [
        "GET /api/coupons/?code=SPRING",
        "GET /api/coupons/",
        "POST /api/coupons/7/revoke/",
    ]


def test_it_is_a_command(tmp_path: Path) -> None:
    SitePackages(tmp_path).add("coupons_plugin", DECLARATION)

    run = make_run({**unconfigured(), **importing(tmp_path)})
    assert "Create and revoke coupons." in run("help").stdout
    assert "Revoke a coupon." in run("coupons", "--help").stdout
    with FaultServer(respond(200, BODY)) as server:
        shown = run("coupons", "list", "--code", "SPRING", SEGOPS_API_URL=server.url, SEGOPS_API_KEY="sk_1").stdout
    assert json.loads(shown)["results"] == ITEMS["results"]
    assert server.journal[0].target == "/api/coupons/?code=SPRING"


def test_it_is_in_the_reference(plugin: ModuleType) -> None:
    reference = make_reference({"coupons": plugin.Coupons})
    assert "## coupons\n\nCreate and revoke coupons.\n" in reference
    assert "### coupons.list\n" in reference
    assert "`POST /coupons/{id}/revoke/`\n\nRevoke a coupon.\n\n- `id`: The id of the coupon." in reference
    assert "Fields: `code`, `created_at`, `id`, `updated_at`." in reference


def test_its_records_are_those_of_its_base_class(plugin: ModuleType) -> None:
    assert plugin.Coupons.record is plugin.Coupon

    class Discounts(plugin.Coupons):  # type: ignore[misc,name-defined] # known at run time only
        """Inherit the record."""

    assert Discounts.record is plugin.Coupon


class Gift(Record):
    __slots__ = ()
    id: int


class Gifts(Crud[Gift]):
    path = "/gifts/"

    @endpoint("POST", "{collection}{gift}/wrap/", fields=("ribbon",))
    def wrap(
        self, call: EndpointCall, gift: int, *, paper: str | None = None, extra_fields: dict[str, Any] | None = None
    ) -> Receipt:
        """Wrap a gift."""
        return call.receipt(gift=gift, body=call.fields(None, {"paper": paper}, extra_fields))


def test_keyword_only_parameters_are_documented_fields() -> None:
    declared = vars(Gifts.wrap)["endpoint"]
    allowed = Gifts.allowed_fields(declared)
    assert allowed is not None
    assert allowed.names == {"ribbon", "paper"}


JSON = b'{"detail": "Not found."}'


@pytest.mark.parametrize(
    ("call", "body", "message"),
    [
        (lambda admin: admin.resource(Gifts).get(5), JSON, "gift 5 not found (404)"),
        (lambda admin: admin.segments.get(999), JSON, "segment 999 not found (404)"),
        (lambda admin: admin.queries.run(3), JSON, "AI query 3 not found (404)"),
        (lambda admin: admin.users.explain("u 1", 2), JSON, "user u 1 or segment 2 not found (404)"),
        (lambda admin: admin.products.import_status(8), JSON, "job 8 not found (404)"),
        (lambda admin: admin.segments.get(999), b"<html>nothing here</html>", "GET /api/segments/999/ "),
        (lambda admin: admin.analytics.get(1), JSON, "GET /api/analytics/1/ "),
        (lambda admin: admin.segments.list(), JSON, "GET /api/segments/ "),
    ],
)
def test_a_404_names_the_record_that_is_missing(call: Any, body: bytes, message: str) -> None:
    transport = MemoryTransport(Response(404, {}, body), offline=False)
    with pytest.raises(SegOpsNotFoundError) as caught:
        call(SegOpsAdmin("sk_1", transport=transport))
    assert str(caught.value).startswith(message)
    assert caught.value.text == body.decode()
