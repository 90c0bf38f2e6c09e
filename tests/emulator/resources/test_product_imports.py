"""Import products from CSV files."""

from __future__ import annotations

from typing import Any

import pytest

from tests.emulator.api_client import Api, multipart

CSV = (
    "SKU,Product Name,Price,Color,In Stock,Tags,Rating,Link\n"
    'A,"Chair, red",12.50,red,yes,x|y,4.5,https://a.example/1\n'
    "B,Table,EUR 80,,no,z|w,5,https://a.example/2\n"
)


def upload(api: Api, content: bytes | str, **options: str) -> Any:
    body, kind = multipart(content.encode() if isinstance(content, str) else content, **options)
    return api.status("POST", "/pim/import/csv/", body, content_type=kind)


def test_a_file_is_uploaded_looked_at_and_confirmed(both: Api) -> None:
    status, job = upload(both, b"\xef\xbb\xbf" + CSV.encode())
    assert status == 201
    assert (job["job_id"], job["status"], job["total_rows"], job["filename"]) == (1, "mapping", 2, "products.csv")
    assert job["headers"][0] == "SKU"
    assert job["sample_rows"][0][1] == "Chair, red"
    assert (job["suggested_mapping"]["SKU"], job["suggested_mapping"]["Product Name"]) == ("sku", "name")
    types = {field["name"]: field["type"] for field in job["suggested_schema"]["fields"]}
    assert types == {
        "price": "price",
        "color": "string",
        "in_stock": "boolean",
        "tags": "array",
        "rating": "number",
        "link": "url",
    }
    assert both("GET", "/pim/import/1/")["status"] == "mapping"
    status, done = both.status("POST", "/pim/import/1/confirm/", {"confirmed": True})
    assert (status, done["status"], done["created"], done["failed"]) == (202, "done", 2, 0)
    chair, table = both("GET", "/pim/products/")["results"]
    assert chair["data"] == {
        "price": {"amount": 12.5, "currency": "USD"},
        "color": "red",
        "in_stock": True,
        "tags": ["x", "y"],
        "rating": 4.5,
        "link": "https://a.example/1",
    }
    assert (table["data"]["price"], table["source"], table["name"]) == (
        {"amount": 80, "currency": "EUR"},
        "csv",
        "Table",
    )
    assert "color" not in table["data"]
    assert len(both("GET", "/pim/schema/")["fields"]) == 6
    assert both.status("POST", "/pim/import/1/confirm/", {"confirmed": True})[0] == 400
    assert both.status("GET", "/pim/import/7/")[0] == 404


def test_a_mapping_of_ones_own_wins_and_is_remembered(api: Api) -> None:
    upload(api, "code,what,note\nA,Chair,old\n")
    given = {
        "mapping": {"code": "sku", "what": "title_text", "note": None},
        "schema": {"fields": [{"name": "title_text"}], "default_currency": "EUR"},
    }
    assert api("POST", "/pim/import/1/confirm/", given)["status"] == "done"
    assert api("GET", "/pim/products/1/")["data"] == {"title_text": "Chair"}
    assert api("GET", "/pim/schema/")["default_currency"] == "EUR"
    _, job = upload(api, "code,what,note\nB,Table,new\n")
    assert job["suggested_mapping"] == {"code": "sku", "what": "title_text", "note": "skip"}
    api("POST", "/pim/import/2/confirm/", {"mapping": {"code": "sku"}, "schema": [{"name": "size", "type": "number"}]})
    assert [field["name"] for field in api("GET", "/pim/schema/")["fields"]] == ["title_text", "size"]


@pytest.mark.parametrize(
    "mapping",
    [
        {},
        {"code": "name"},
        {"code": "sku", "what": "sku"},
        {"code": "sku", "what": "x", "note": "x"},
        {"code": "sku", "ghost": "x"},
        5,
        {"code": 5},
    ],
)
def test_a_mapping_must_make_sense(api: Api, mapping: Any) -> None:
    upload(api, "code,what,note\nA,Chair,old\n")
    status, errors = api.status("POST", "/pim/import/1/confirm/", {"mapping": mapping})
    assert (status, set(errors)) == (400, {"mapping"})
    assert api.status("POST", "/pim/import/1/confirm/", {})[0] == 400
    assert api("GET", "/pim/products/")["count"] == 0
    assert api("GET", "/pim/import/1/")["status"] == "mapping"


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xfe",
        b"",
        b"sku,\nA,1\n",
        b"sku,sku\nA,1\n",
        b'sku,name\n"A,1\n',
        b"sku,na\0me\nA,1\n",
        b"sku\n" + b"x" * 200_000 + b"\n",
        b"sku\n" + b"".join(b"%d\n" % n for n in range(100_001)),
    ],
    ids=["utf-16", "empty", "no name", "twice", "open quote", "NUL", "huge field", "too many"],
)
def test_what_is_not_csv_is_rejected(api: Api, content: bytes) -> None:
    status, errors = upload(api, content)
    assert (status, set(errors)) == (400, {"file"})
    assert api.status("GET", "/pim/import/1/")[0] == 404


def test_what_is_not_an_upload_is_rejected(api: Api) -> None:
    assert upload(api, CSV, field="other") == (400, {"file": ["No file was submitted."]})
    for kind in ("text/csv", "multipart/form-data", "", "multipart/form-data; boundary=other"):
        assert api.status("POST", "/pim/import/csv/", CSV.encode(), content_type=kind)[0] == 400


def test_bad_rows_are_reported_and_the_others_stored(both: Api) -> None:
    upload(both, "sku,name,price\nA,a,x\n,b,1\nC,c,5,6\nD,d\n\nE,e,free\nF,f,7\n")
    given = {
        "mapping": {"sku": "sku", "name": "name", "price": "price"},
        "schema": [{"name": "price", "type": "number"}],
    }
    done = both("POST", "/pim/import/1/confirm/", given)
    assert (done["status"], done["created"], done["failed"]) == ("done", 2, 4)
    assert [error["row"] for error in done["errors"]] == [1, 2, 3, 5]
    assert [each["sku"] for each in both("GET", "/pim/products/")["results"]] == ["D", "F"]


def test_an_import_without_a_good_row_fails(api: Api) -> None:
    upload(api, "sku,price\n,1\n")
    assert api("POST", "/pim/import/1/confirm/", {"confirmed": True})["status"] == "failed"
    assert api("GET", "/pim/schema/")["fields"] == []


def test_values_of_every_type(api: Api) -> None:
    upload(api, "sku,ok,prices,when\nA,maybe,1 EUR|2 USD,2026-01-01\nB,NO,oops,x\nC,1,3,y\n")
    schema = [{"name": "ok", "type": "boolean"}, {"name": "prices", "type": "multi_price"}]
    mapping = {"sku": "sku", "ok": "ok", "prices": "prices", "when": "when"}
    done = api("POST", "/pim/import/1/confirm/", {"mapping": mapping, "schema": schema})
    assert (done["created"], done["failed"]) == (1, 2)
    data = api("GET", "/pim/products/1/")["data"]
    assert data == {"ok": True, "prices": [{"amount": 3, "currency": "USD"}], "when": "y"}


def test_the_best_candidate_is_the_sku(api: Api) -> None:
    _, job = upload(api, "id,SKU,title,name,!!!,Title\n1,A,t,n,x,u\n")
    assert job["suggested_mapping"] == {
        "id": "id",
        "SKU": "sku",
        "title": "title",
        "name": "name",
        "!!!": "skip",
        "Title": "skip",
    }


def test_100_000_rows_are_imported(api: Api) -> None:
    content = "sku,name,price\n" + "".join(f"S{n},Shoe {n},{n}\n" for n in range(100_000))
    assert upload(api, content)[1]["total_rows"] == 100_000
    assert api("POST", "/pim/import/1/confirm/", {"confirmed": True})["created"] == 100_000
    assert api("GET", "/pim/products/?page_size=1&page=100000")["results"][0]["sku"] == "S99999"
