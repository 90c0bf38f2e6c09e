"""Pages of lists: mappings with attributes that iterate over their items."""

from __future__ import annotations

import asyncio
import copy
import json
from typing import Any

import msgspec
import pytest

from segops import AsyncSegOpsAdmin, SegOpsAdmin
from segops.plugins.admin import Page, Record, load_resources, methods_of
from segops.transports.memory import MemoryTransport
from tests.admin.admin_rig import KEY, ok, scripted
from tests.admin.test_names import required

LISTS = {
    f"{each.namespace}.{each.name}": each for each in methods_of(load_resources()) if each.pagination and not each.uses
}
ITEMS = [{"id": 1, "sku": "A"}, {"id": 2, "sku": "B"}]
ENVELOPE = {"count": 5, "next": "https://x/?page=2", "previous": None, "results": ITEMS}
SHAPES: dict[str, tuple[Any, dict[str, Any]]] = {
    "envelope": (ENVELOPE, ENVELOPE),
    "array": (ITEMS, {"count": 2, "next": None, "previous": None, "results": ITEMS}),
    "cursor": (
        {"members": ITEMS, "next_cursor": "YQ=="},
        {"members": ITEMS, "next_cursor": "YQ==", "count": 2, "next": "YQ==", "previous": None, "results": ITEMS},
    ),
    "count": ({"count": 9, "results": ITEMS}, {"count": 9, "results": ITEMS, "next": None, "previous": None}),
    "more": ({**ENVELOPE, "took_ms": 3}, {**ENVELOPE, "took_ms": 3}),
}


def fetch(name: str, body: Any, *, is_async: bool) -> Any:
    transport = MemoryTransport(ok(body), offline=False)
    namespace, _, method = name.partition(".")
    if not is_async:
        return getattr(getattr(SegOpsAdmin(KEY, transport=transport), namespace), method)(**required(LISTS[name]))

    async def work() -> Any:
        admin = AsyncSegOpsAdmin(KEY, transport=transport)
        return await getattr(getattr(admin, namespace), method)(**required(LISTS[name]))

    return asyncio.run(work())


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", LISTS)
def test_a_page_is_the_envelope(name: str, shape: str, *, is_async: bool) -> None:
    body, expected = SHAPES[shape]
    page = fetch(name, body, is_async=is_async)
    assert page == dict(page) == {**page} == expected
    assert json.loads(json.dumps(page)) == json.loads(json.dumps(page, indent=2)) == expected
    assert msgspec.json.decode(msgspec.json.encode(page)) == msgspec.to_builtins(page) == expected
    assert (set(page.keys()), len(page)) == (set(expected), len(expected))
    assert "results" in page
    assert 0 not in page
    for key, value in expected.items():
        assert page[key] == page.get(key) == getattr(page, key) == value
    assert page.get("nothing", 7) == 7
    with pytest.raises(KeyError):
        page["nothing"]
    assert page.to_dict() == body


@pytest.mark.parametrize("is_async", [False, True])
def test_iterating_gives_the_items_which_are_records(*, is_async: bool) -> None:
    page = fetch("products.list", ENVELOPE, is_async=is_async)
    for items in (list(page), [*page], page.results, page["results"], page[:], [page[0], page[-1]]):
        assert items == ITEMS
        assert all(isinstance(item, Record) for item in items)
        assert [item.sku for item in items] == [item["sku"] for item in items] == ["A", "B"]
    with pytest.raises(IndexError):
        page[2]
    first, second = page
    assert (first.sku, second.sku) == ("A", "B")


def test_code_for_the_envelope_of_a_plain_dict_runs(admin: SegOpsAdmin) -> None:
    for number in range(3):
        admin.segments.create(name=f"Segment {number}")
    found, number = [], 1
    while True:
        page = admin.segments.list({"page": number, "page_size": 2})
        found += [row["name"] for row in page["results"]]
        if not page["next"]:
            break
        number += 1
    assert found == ["Segment 0", "Segment 1", "Segment 2"]
    assert json.loads(json.dumps({"pages": [page]}))["pages"][0]["results"][0]["name"] == "Segment 2"


def test_an_empty_page_is_a_mapping_too() -> None:
    page = scripted(ok([]))[0].segments.list()
    assert page
    assert (list(page), page["results"], page.next_page()) == ([], [], None)


def test_a_copy_keeps_the_items_and_the_neighbour() -> None:
    admin, _, _ = scripted(ok(ENVELOPE), ok(ITEMS))
    page = copy.copy(admin.products.list())
    assert isinstance(page, Page)
    assert page.results == ITEMS
    assert [product.sku for product in page] == ["A", "B"]
    second = page.next_page()
    assert second is not None
    assert second["results"] == ITEMS


def test_a_repr_shows_no_item() -> None:
    assert repr(scripted(ok(ENVELOPE))[0].products.list()) == "<Page of 2 Product, 5 in total>"
