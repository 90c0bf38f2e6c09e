"""Create, list, filter, upsert, and score products."""

from __future__ import annotations

from typing import Any

import pytest

from segops.emulator.products import readability
from tests.emulator.api_client import Api

P = "/pim/products/"


def test_a_product_lives_and_dies(both: Api) -> None:
    made = both("POST", P, {"sku": "TR-01", "name": "Trail Runner", "data": {"price": 120}, "id": 9, "source": "csv"})
    assert made == {
        "id": 1,
        "sku": "TR-01",
        "name": "Trail Runner",
        "data": {"price": 120},
        "source": "api",
        "ai_readability_score": None,
        "created_at": "2026-01-01T00:00:00.000000Z",
        "updated_at": "2026-01-01T00:00:00.000000Z",
    }
    both.clock.now += 5
    assert both("PATCH", f"{P}1/", {"name": "Runner"})["data"] == {"price": 120}
    changed = both("PUT", f"{P}1/", {"sku": "TR-02", "name": "Runner"})
    assert (changed["sku"], changed["data"], changed["updated_at"]) == ("TR-02", {}, "2026-01-01T00:00:05.000000Z")
    assert both("GET", f"{P}1/") == changed
    assert both.status("DELETE", f"{P}1/") == (204, None)
    for method in ("GET", "DELETE", "PATCH"):
        assert both.status(method, f"{P}1/", {}) == (404, {"detail": "Not found."})


def test_errors_of_a_product_name_each_field(api: Api) -> None:
    status, errors = api.status("POST", P, {"name": "", "data": []})
    assert status == 400
    assert errors["sku"] == ["This field is required."]
    assert set(errors) == {"sku", "name", "data"}
    api("POST", P, {"sku": "A", "name": "a"})
    assert api.status("POST", P, {"sku": "A", "name": "b"}) == (
        400,
        {"sku": ["Another one with this sku exists already."]},
    )
    api("POST", P, {"sku": "B", "name": "b"})
    assert api.status("PATCH", f"{P}2/", {"sku": "A"})[0] == 400
    assert api("PATCH", f"{P}2/", {"sku": "B"})["sku"] == "B"


def test_lists_come_in_pages_with_real_links(both: Api) -> None:
    both("POST", f"{P}bulk/", {"products": [{"sku": f"S{n:03}", "name": f"Shoe {n}"} for n in range(120)]})
    seen, path = [], P
    sizes = []
    while path:
        page = both("GET", path)
        assert page["count"] == 120
        sizes.append(len(page["results"]))
        seen += [each["sku"] for each in page["results"]]
        assert page["next"] is None or page["next"].startswith("http://")
        path = page["next"] and page["next"].split("/api", 1)[1]
    assert seen == sorted(seen)
    assert sizes == [50, 50, 20]
    assert len(both("GET", f"{P}?page_size=1000")["results"]) == 120
    linked = both("GET", f"{P}?q=shoe&page=2&page_size=7", Host="shop.example.org:81")
    assert linked["previous"] == "http://shop.example.org:81/api/pim/products/?q=shoe&page=1&page_size=7"
    for page in ("0", "4", "x", "-1", "9" * 50):
        assert both.status("GET", f"{P}?page={page}") == (404, {"detail": "Invalid page."})


@pytest.mark.parametrize(
    ("query", "skus"),
    [
        ("q=caf%C3%89", ["A"]),
        ("q=o", ["B", "C"]),
        ("color=red", ["A", "C"]),
        ("color=RED", []),
        ("price=120", ["A"]),
        ("price=120.0", ["A"]),
        ("sale=true", ["B"]),
        ("sale=True", ["B"]),
        ("tags=new", ["B"]),
        ("tags=5", ["B"]),
        ("color=red&price=120", ["A"]),
        ("nothing=", []),
        ("q=%25", []),
        ("x%27%22)--=1", []),
        ("nested=1", []),
    ],
)
def test_filters(api: Api, query: str, skus: list[str]) -> None:
    rows = [
        {"sku": "A", "name": "Café chair", "data": {"color": "red", "price": 120, "nested": {"a": 1}}},
        {"sku": "B", "name": "Door", "data": {"tags": ["new", 5], "sale": True, "price": 99.5}},
        {"sku": "C", "name": "Book", "data": {"color": ["red", "blue"], "sale": False}},
    ]
    api("POST", f"{P}bulk/", {"products": rows})
    assert [each["sku"] for each in api("GET", f"{P}?{query}")["results"]] == skus


def test_bulk_rows_are_stored_unless_they_are_bad(both: Api) -> None:
    rows: list[Any] = [
        {"sku": "A", "name": "a", "data": {"x": 1}, "color": "red"},
        {"sku": "", "name": "b"},
        {"name": "c"},
        "text",
        {"sku": "D"},
        {"sku": "E", "data": 5},
    ]
    response = both("POST", f"{P}bulk/", {"products": rows})
    assert (response["created"], response["updated"]) == (2, 0)
    assert [(each["index"], each["sku"], *each["errors"]) for each in response["errors"]] == [
        (1, "", "sku"),
        (2, None, "sku"),
        (3, None, "non_field_errors"),
        (5, "E", "data"),
    ]
    assert both("GET", f"{P}1/")["data"] == {"color": "red", "x": 1}
    assert both("GET", f"{P}2/")["name"] == "D"
    again = both("POST", f"{P}bulk/", {"products": [{"sku": "A", "data": {"x": 2}}]})
    assert again == {"created": 0, "updated": 1, "errors": []}
    assert (both("GET", f"{P}1/")["data"], both("GET", f"{P}1/")["name"]) == ({"color": "red", "x": 2}, "a")
    assert both.status("POST", f"{P}bulk/", {"products": {}})[0] == 400


def test_facets_and_schema(both: Api) -> None:
    empty = both("GET", "/pim/schema/")
    assert (empty["fields"], empty["default_currency"], empty["created_at"]) == ([], "USD", None)
    fields = [{"name": "color", "type": "string", "required": True}, {"name": "price", "type": "price"}]
    stored = both("PUT", "/pim/schema/", {"fields": fields, "default_currency": "EUR"})
    assert stored == both("GET", "/pim/schema/")
    assert stored["fields"][0] == {"name": "color", "type": "string", "required": True, "description": ""}
    for bad in ({}, {"fields": [{"name": "a", "type": "tree"}]}, {"fields": fields + fields}, {"fields": 1}):
        assert set(both.status("PUT", "/pim/schema/", bad)[1]) == {"fields"}
    assert both.status("PUT", "/pim/schema/", {"fields": [], "default_currency": "euro"})[0] == 400
    rows = [
        {"sku": "A", "data": {"color": "red", "sizes": ["m", "s"], "price": 1}},
        {"sku": "B", "data": {"color": "blue", "many": [f"v{n:03}" for n in range(150)]}},
    ]
    both("POST", f"{P}bulk/", {"products": rows})
    facets = both("GET", "/pim/facets/")
    assert (facets["color"], facets["sizes"], len(facets["many"])) == (["blue", "red"], ["m", "s"], 100)
    assert "price" not in facets


GOOD = {
    "description": "A light shoe for long trails. " * 5,
    "price": {"amount": 120, "currency": "EUR"},
    "category": "running shoes",
    "brand": "Acme",
    "url": "https://shop.example.org/tr",
    "image": "https://shop.example.org/tr.png",
    "features": ["waterproof", "light"],
    "weight_g": 250,
    "vegan": True,
    "drop_mm": 6,
}


def test_a_product_is_scored_and_the_score_kept(both: Api) -> None:
    both("POST", P, {"sku": "A", "name": "Trail Runner", "data": GOOD})
    both("POST", P, {"sku": "B", "name": "Thing"})
    both("POST", "/ai-reach/queries/", {"query_text": "best trail running shoes"})
    assert both.status("GET", f"{P}1/score/") == (404, {"detail": "Not found."})
    assert both.status("POST", f"{P}1/score/")[0] == 202
    good = both("GET", f"{P}1/score/")
    assert set(good["dimension_scores"]) == {
        "schema_coverage",
        "answer_format",
        "factual_completeness",
        "ai_visibility_alignment",
    }
    assert good["score"] == pytest.approx(sum(good["dimension_scores"].values()))
    assert (good["score"], good["recommendations"]) == (100.0, [])
    status, response = both.status("POST", "/pim/score-all/")
    assert (status, response["product_count"]) == (202, 2)
    poor = both("GET", f"{P}2/score/")
    assert poor["score"] == both("GET", f"{P}2/")["ai_readability_score"] == 0
    assert {each["dimension"] for each in poor["recommendations"]} == set(poor["dimension_scores"])
    assert set(poor["recommendations"][0]) == {"dimension", "action", "estimated_impact", "priority"}
    assert both.status("POST", f"{P}9/score/")[0] == 404
    both("DELETE", f"{P}2/")
    assert both.status("GET", f"{P}2/score/")[0] == 404


def test_the_schema_decides_the_coverage(api: Api) -> None:
    fields = [
        {"name": "color", "required": True},
        {"name": "price", "type": "price"},
        {"name": "launch", "type": "datetime"},
        {"name": "prices", "type": "multi_price"},
        {"name": "tags", "type": "array"},
    ]
    api("PUT", "/pim/schema/", {"fields": fields})
    api("POST", P, {"sku": "A", "name": "A", "data": {"color": "red", "price": 5, "launch": "2026-01-01"}})
    api("POST", f"{P}1/score/")
    assert api("GET", f"{P}1/score/")["dimension_scores"]["schema_coverage"] == pytest.approx(25 * 3 / 6)


def test_what_fits_a_type() -> None:
    assert readability.fits(5, "number")
    assert not readability.fits(True, "number")  # noqa: FBT003 - a value, not a switch
    assert readability.fits("https://a.example", "url")
    assert not readability.fits("a.example", "url")
    assert not readability.fits("tomorrow", "datetime")
    assert readability.fits([{"amount": 1, "currency": "EUR", "locale": "de"}], "multi_price")
    assert not readability.fits([], "array")
    long = readability.score("A good name", {"description": "word " * 600})
    assert long.dimension_scores["answer_format"] < 10
