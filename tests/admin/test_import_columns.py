"""Imports with a mapping of columns, and with columns that do not fit."""

from __future__ import annotations

import json
from typing import Any

import pytest

from segops import SegOpsAdmin, SegOpsArgumentError, SegOpsBadRequestError, SegOpsJobError
from tests.admin.admin_rig import ok, scripted

SHOP = b"Handle,Title,Variant SKU,Variant Price,Gift Card\nblue,Blue,,50,false\nred,Red,,20,true\n"
FITTING = {"Handle": "sku", "Title": "name", "Variant Price": "price", "Gift Card": "skip"}
FIELDS = [{"name": "price", "type": "price", "required": True}, {"name": "color", "type": "string"}]


def confirmed(suggested: Any, columns: Any, /, **given: Any) -> dict[str, Any]:
    """Return how an import is confirmed whose upload suggests this."""
    job = ok({"job_id": 4, "status": "mapping", "suggested_mapping": columns, "suggested_schema": suggested}, 201)
    admin, transport, _ = scripted(job, ok({"job_id": 4, "status": "done"}))
    admin.products.import_and_wait(b"a,b,c\n1,2,3\n", **given)
    body: dict[str, Any] = json.loads(transport.requests[1].body)
    return body


def test_the_suggested_schema_is_cut_to_the_mapping(admin: SegOpsAdmin) -> None:
    job = admin.products.import_and_wait(SHOP, mapping=FITTING)
    assert (job.status, job.created) == ("done", 2)
    assert [field["name"] for field in admin.products.schema().fields] == ["price"]
    assert [[*product.data] for product in admin.products.iterate()] == [["price"], ["price"]]


@pytest.mark.parametrize("is_object", [False, True])
def test_a_renamed_field_keeps_its_type(*, is_object: bool) -> None:
    suggested = {"fields": FIELDS, "default_currency": "EUR"} if is_object else FIELDS
    columns = {"a": "sku", "b": "price", "c": "color"}
    sent = confirmed(suggested, columns, mapping={"a": "sku", "b": "cost", "c": None})
    cut = [{"name": "cost", "type": "price", "required": True}]
    assert sent["schema"] == ({"fields": cut, "default_currency": "EUR"} if is_object else cut)
    assert sent["mapping"] == {"a": "sku", "b": "cost", "c": None}


def test_what_is_not_overridden_is_sent_as_it_was_suggested() -> None:
    columns = {"a": "sku", "b": "price", "c": "color"}
    assert confirmed(FIELDS, columns) == {"mapping": columns, "schema": FIELDS, "confirmed": True}
    own = [{"name": "x", "type": "string"}]
    assert confirmed(FIELDS, columns, mapping={"a": "sku"}, schema=own)["schema"] == own


@pytest.mark.parametrize("suggested", [None, "odd", 5, {"fields": "odd"}, {"a": {"type": "string"}}, [1, None]])
@pytest.mark.parametrize("columns", [None, {}, "odd", {"a": ["x"]}])
def test_a_suggestion_that_cannot_be_cut_is_left_out(suggested: Any, columns: Any) -> None:
    sent = confirmed(suggested, columns, mapping={"a": "sku", "b": "price"})
    assert sent == {"mapping": {"a": "sku", "b": "price"}, "confirmed": True}


@pytest.mark.parametrize("mapping", [None, {"Handel": "sku"}, {"Title": "name"}])
def test_columns_that_do_not_fit_are_named_with_the_option(mapping: Any, admin: SegOpsAdmin) -> None:
    with pytest.raises((SegOpsBadRequestError, SegOpsJobError), match=r"--mapping.*'Handle', 'Title', 'Variant SKU'"):
        admin.products.import_and_wait(SHOP, mapping=mapping)
    job = admin.products.import_csv(SHOP)
    with pytest.raises(SegOpsBadRequestError, match=r"--mapping.*'Handle', 'Title'") as caught:
        admin.products.confirm_import(job.number, mapping={"Title": "name"})
    assert "mapping" in caught.value.body


def test_a_column_without_values_is_named_with_the_option(admin: SegOpsAdmin) -> None:
    with pytest.raises(SegOpsJobError, match=r"sku.*--mapping.*'Handle', 'Title'"):
        admin.products.import_and_wait(SHOP, mapping={"Variant SKU": "sku", "Title": "name"})


def test_columns_are_shown_without_control_characters(admin: SegOpsAdmin) -> None:
    with pytest.raises(SegOpsBadRequestError) as caught:
        admin.products.import_and_wait("\x1b[2Jcode,\u202ename\nA,x\n".encode())
    assert str(caught.value).isprintable()


def test_a_mapping_that_is_none_is_refused_before_the_upload() -> None:
    admin, transport, _ = scripted()
    wrong: Any = ["sku", "name"]
    with pytest.raises(SegOpsArgumentError, match="mapping must be a mapping of columns to fields, got list"):
        admin.products.import_and_wait(b"a,b\n1,2\n", mapping=wrong)
    assert transport.requests == []
