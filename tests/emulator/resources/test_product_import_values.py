"""Convert the cells of CSV files without losing information."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from tests.emulator.api_client import Api, multipart

PRICE = [{"name": "price", "type": "price"}]


def imported(api: Api, rows: list[list[str]], schema: Any = None) -> list[dict[str, Any]]:
    """Import rows, the first being the header, and return the attributes of the products."""
    written = io.StringIO(newline="")
    csv.writer(written).writerows(rows)
    body, kind = multipart(written.getvalue().encode())
    job = api("POST", "/pim/import/csv/", body, content_type=kind)
    given = {"confirmed": True} if schema is None else {"mapping": job["suggested_mapping"], "schema": schema}
    done = api("POST", f"/pim/import/{job['job_id']}/confirm/", given)
    assert done["errors"] == []
    return [product["data"] for product in api("GET", "/pim/products/?page_size=200")["results"]]


def column(api: Api, name: str, *texts: str) -> list[Any]:
    rows = [[f"S{number}", text] for number, text in enumerate(texts)]
    return [data.get(name.lower()) for data in imported(api, [["sku", name], *rows])]


def money(amount: float, currency: str) -> dict[str, Any]:
    return {"amount": amount, "currency": currency}


def test_the_currency_of_a_price_is_kept(api: Api) -> None:
    texts = ["€9.90", "EUR 9.90", "£5", "5 CHF", "1.234,56 €", "$3", "US$ 7", "R$ 1.000,50", "eur 2", "2.5"]
    assert column(api, "price", *texts) == [
        money(9.9, "EUR"),
        money(9.9, "EUR"),
        money(5, "GBP"),
        money(5, "CHF"),
        money(1234.56, "EUR"),
        money(3, "USD"),
        money(7, "USD"),
        money(1000.5, "BRL"),
        money(2, "EUR"),
        money(2.5, "USD"),
    ]


@pytest.mark.parametrize(
    ("text", "amount", "currency"),
    [
        ("CHF 5.-", 5, "CHF"),
        ("5,\u2013 €", 5, "EUR"),
        ("CHF 1'234.50", 1234.5, "CHF"),
        ("1\u202f234,56\u00a0€", 1234.56, "EUR"),
        ("10 000 Kč", 10000, "CZK"),
        ("12,50 zł", 12.5, "PLN"),
        ("₹1,23,456.00", 123456, "INR"),
        ("-€5", -5, "EUR"),
        ("€-5", -5, "EUR"),
        ("$5 CAD", 5, "CAD"),
        ("Fr. 12.50", 12.5, "CHF"),
        ("0,99€", 0.99, "EUR"),
        ("1.234.567 €", 1234567, "EUR"),
    ],
)
def test_prices_as_shops_write_them(api: Api, text: str, amount: float, currency: str) -> None:
    assert column(api, "price", text) == [money(amount, currency)]
    assert column(api, "Any", text)[0] == money(amount, currency), "the sign tells, not the name"


@pytest.mark.parametrize(
    "text",
    ["1,234", "1.234 €", "€1,234", "9.90 ¤", "kr 5", "5 kg", "€5 USD", "12345678901234567.89", "free", "$.99", "007"],
)
def test_what_is_not_certainly_one_price_stays_text(api: Api, text: str) -> None:
    assert column(api, "price", text) == [text]


def test_the_other_rows_tell_what_a_point_means(api: Api) -> None:
    assert column(api, "price", "1.234 €", "9,90 €") == [money(1234, "EUR"), money(9.9, "EUR")]
    api("DELETE", "/pim/products/1/")
    api("DELETE", "/pim/products/2/")
    assert column(api, "price", "$1,234", "$9.90") == [money(1234, "USD"), money(9.9, "USD")]


def test_the_currency_may_stand_beside_the_amount(api: Api) -> None:
    rows = [["sku", "price", "currency"], ["A", "9.90", "EUR"], ["B", "5", "gbp"], ["C", "£7", "EUR"]]
    assert [data["price"] for data in imported(api, rows)] == [money(9.9, "EUR"), money(5, "GBP"), money(7, "GBP")]


@pytest.mark.parametrize(
    ("header", "currency"),
    [("Price (EUR)", "EUR"), ("price_chf", "CHF"), ("Price £", "GBP"), ("price", "USD"), ("MSRP", "USD")],
)
def test_the_currency_may_stand_in_the_header(api: Api, header: str, currency: str) -> None:
    (data,) = imported(api, [["sku", header], ["A", "9.90"]])
    assert list(data.values()) == [money(9.9, currency)]


@pytest.mark.parametrize("given", ["suggested", {"fields": PRICE}, PRICE, None])
def test_an_import_keeps_the_default_currency_and_locale(api: Api, given: Any) -> None:
    defaults = {"default_currency": "EUR", "default_locale": "de-DE"}
    api("PUT", "/pim/schema/", {"fields": [], **defaults})
    body, kind = multipart(b"sku,price\nA,3\n")
    job = api("POST", "/pim/import/csv/", body, content_type=kind)
    schema = job["suggested_schema"] if given == "suggested" else given
    api("POST", f"/pim/import/{job['job_id']}/confirm/", {"confirmed": True, "schema": schema})
    assert api("GET", "/pim/products/1/")["data"] == {"price": money(3, "EUR")}
    assert api("GET", "/pim/schema/").items() >= defaults.items()


@pytest.mark.parametrize(("default", "currency"), [("CAD", "CAD"), ("EUR", "USD")])
def test_a_sign_of_several_currencies_means_the_default_if_it_can(api: Api, default: str, currency: str) -> None:
    api("PUT", "/pim/schema/", {"fields": [], "default_currency": default})
    assert column(api, "price", "$3") == [money(3, currency)]
    assert column(api, "price", "3") == [money(3, default)]


@pytest.mark.parametrize(
    "texts",
    [
        ("0012345678905", "12345678905"),
        ("12345", "01067"),
        ("1E5", "2E3"),
        ("1e5", "7"),
        ("9007199254740993", "1"),
        ("0.1234567890123456789", "1"),
        ("+4912345", "1"),
        ("1_000", "1"),
        ("١٢", "1"),
        ("inf", "nan"),
        ("-007", "1"),
        ("5.", "1"),
        ("NO", "NO"),
        ("1,5", "2,5"),
    ],
)
def test_what_a_number_or_a_truth_value_would_lose_is_text(api: Api, texts: tuple[str, ...]) -> None:
    assert column(api, "code", "x", *texts)[1:] == list(texts)
    for number in range(1, len(texts) + 2):
        api("DELETE", f"/pim/products/{number}/")
    rows = [["sku", "field"], *([f"T{number}", text] for number, text in enumerate(texts))]
    assert [data["field"] for data in imported(api, rows)] == list(texts)


def test_the_last_of_many_rows_makes_a_column_text(api: Api) -> None:
    texts = [str(number) for number in range(1000, 1199)] + ["0012"]
    assert column(api, "zip", *texts) == texts


def test_numbers_are_numbers(api: Api) -> None:
    assert column(api, "weight", "0", "-1", "0.5", "9007199254740992", "1.10") == [0, -1, 0.5, 2**53, 1.1]


def test_a_declared_type_is_kept_to(api: Api) -> None:
    schema = [{"name": "n", "type": "number"}, {"name": "p", "type": "multi_price"}]
    data = imported(
        api, [["sku", "n", "p"], ["A", "1e3", "€1,50|2 CHF"], ["B", "007", "3"], ["C", "1.234,5", "4"]], schema
    )
    assert [each["n"] for each in data] == [1000, 7, 1234.5]
    assert data[0]["p"] == [money(1.5, "EUR"), money(2, "CHF")]


@pytest.mark.parametrize(("kind", "text"), [("number", "€5"), ("number", "9007199254740993"), ("price", "1,234")])
def test_a_declared_type_that_would_lose_something_is_an_error_of_the_row(api: Api, kind: str, text: str) -> None:
    body, content_type = multipart(f'sku,n\nA,"{text}"\nB,1\n'.encode())
    job = api("POST", "/pim/import/csv/", body, content_type=content_type)
    given = {"mapping": {"sku": "sku", "n": "n"}, "schema": [{"name": "n", "type": kind}]}
    done = api("POST", f"/pim/import/{job['job_id']}/confirm/", given)
    assert (done["created"], done["failed"]) == (1, 1)
    assert text in str(done["errors"])


def test_a_list_is_cut_at_one_sign(api: Api) -> None:
    assert column(api, "tags", "Salt &amp; Pepper|Oil", "a|b") == [["Salt &amp; Pepper", "Oil"], ["a", "b"]]


SHOPIFY = "Handle,Title,Vendor,Variant SKU,Variant Price\nhat,Hat,Ada,{},19.99\ncap,Cap,Ada,{},9.99\n"


def test_shopify_s_columns_are_known(api: Api) -> None:
    body, kind = multipart(SHOPIFY.format("H-1", "C-1").encode())
    job = api("POST", "/pim/import/csv/", body, content_type=kind)
    assert (job["suggested_mapping"]["Variant SKU"], job["suggested_mapping"]["Title"]) == ("sku", "name")
    assert api("POST", "/pim/import/1/confirm/", {"confirmed": True})["created"] == 2
    assert api("GET", "/pim/products/1/")["data"]["variant_price"] == money(19.99, "USD")


@pytest.mark.parametrize("content", [SHOPIFY.format("", ""), "Handle,Title,Vendor\nhat,Hat,Ada\n"])
def test_without_an_sku_the_error_names_the_columns_and_the_option(api: Api, content: str) -> None:
    body, kind = multipart(content.encode())
    api("POST", "/pim/import/csv/", body, content_type=kind)
    _, response = api.status("POST", "/pim/import/1/confirm/", {"confirmed": True})
    for part in ("'Handle'", "'Vendor'", "--mapping"):
        assert part in str(response.get("error", response)).replace("\\", "")


@pytest.mark.parametrize(
    ("content", "hint"),
    [
        (b"sku;name\nA;x\n", "--delimiter ';'"),
        (b"sku\tname\nA\tx\n", "--delimiter '\\t'"),
        (b"sku|name\nA|x\n", "--delimiter '|'"),
        (b"sep=;\nsku;name\nA;x\n", "--delimiter ';'"),
        ("sku,name\nA,Hüt\n".encode("cp1252"), "--encoding cp1252"),
        ("sku,name\nA,x\n".encode("utf-16"), "--encoding"),
        (b"\x1f\x8b\x08\x00", "gzip"),
        (b'[{"sku": "A"}]', "/api/pim/products/bulk/"),
        (b'{"sku": "A"}\n{"sku": "B"}\n', "/api/pim/products/bulk/"),
    ],
)
def test_a_file_that_the_service_does_not_document_is_rejected_with_the_remedy(
    api: Api, content: bytes, hint: str
) -> None:
    body, kind = multipart(content)
    status, errors = api.status("POST", "/pim/import/csv/", body, content_type=kind)
    assert (status, hint in errors["file"][0]) == (400, True), errors
