"""AI queries, simulated answers, and metrics."""

from __future__ import annotations

import pytest

from segops.emulator import LocalSegOps
from segops.emulator.simulator import PROVIDERS, simulate
from tests.emulator.api_client import Api
from tests.emulator.local_service import Clock, Service

P = "/ai-reach/queries/"
C = "/ai-reach/competitors/"

RESULT = {
    "id",
    "query",
    "provider",
    "raw_response",
    "mentioned_brands",
    "mentioned_products",
    "position",
    "sentiment",
    "is_simulated",
    "captured_at",
}


def test_a_query_lives_and_dies(both: Api) -> None:
    made = both("POST", P, {"query_text": "best shoes", "tags": ["a", "a"], "providers": ["grok", "claude", "grok"]})
    assert made == {
        "id": 1,
        "query_text": "best shoes",
        "category": "",
        "tags": ["a"],
        "providers": ["grok", "claude"],
        "is_active": True,
        "schedule": "daily",
        "last_run_at": None,
        "created_at": "2026-01-01T00:00:00.000000Z",
        "updated_at": "2026-01-01T00:00:00.000000Z",
    }
    assert both("PATCH", f"{P}1/", {"is_active": False, "schedule": "weekly"})["is_active"] is False
    assert both("GET", P)["results"][0]["schedule"] == "weekly"
    ran = both("PATCH", f"{P}1/", {"last_run_at": "2025-05-01T10:00:00+02:00"})
    assert ran["last_run_at"] == "2025-05-01T08:00:00.000000Z"
    assert both.status("POST", P, {"query_text": "best shoes"})[0] == 400
    assert both.status("DELETE", f"{P}1/") == (204, None)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "query_text"),
        ({"query_text": "x" * 1001}, "query_text"),
        ({"query_text": "  "}, "query_text"),
        ({"query_text": "a", "providers": ["bing"]}, "providers"),
        ({"query_text": "a", "schedule": "never"}, "schedule"),
        ({"query_text": "a", "tags": "x"}, "tags"),
        ({"query_text": "a", "last_run_at": "soon"}, "last_run_at"),
        ({"query_text": "a", "is_active": 1}, "is_active"),
    ],
)
def test_a_bad_query_is_rejected(api: Api, body: object, field: str) -> None:
    status, errors = api.status("POST", P, body)
    assert (status, set(errors)) == (400, {field})


def test_lists_are_bare_on_request() -> None:
    clock = Clock()
    with LocalSegOps(clock=clock, bare_lists=True) as segops:
        api = Api(Service(segops, clock, segops.handle))
        api("POST", P, {"query_text": "a"})
        api("POST", "/ai-pages/pages/", {"slug": "a"})
        assert [each["query_text"] for each in api("GET", P)] == ["a"]
        assert [each["slug"] for each in api("GET", "/ai-pages/pages/")] == ["a"]
        assert api("GET", C) == []
        assert api("GET", "/schemas/")["count"] == 0


def test_run_and_results(both: Api) -> None:
    both(
        "POST", "/pim/products/bulk/", {"products": [{"sku": "S1", "name": "Trail shoe"}, {"sku": "S2", "name": "Hat"}]}
    )
    both("POST", P, {"query_text": "best trail shoes"})
    assert both.status("POST", f"{P}1/run/") == (200, {"status": "queued", "query_id": 1})
    results = both("GET", f"{P}1/results/")
    assert [each["provider"] for each in results] == list(reversed(PROVIDERS))
    assert all(set(each) == RESULT and each["is_simulated"] is True and each["query"] == 1 for each in results)
    assert both("GET", f"{P}1/")["last_run_at"] == "2026-01-01T00:00:00.000000Z"
    for each in results:
        own = [mention for mention in each["mentioned_brands"] if mention["name"] == "Your brand"]
        assert each["position"] == (own[0]["position"] if own else None)
        assert each["mentioned_products"] == (["S1"] if own else [])
    for _ in range(11):
        both("POST", f"{P}1/run/")
    assert len(both("GET", f"{P}1/results/")) == 50
    for action, method in (("run", "POST"), ("results", "GET")):
        assert both.status(method, f"{P}9/{action}/") == (404, {"detail": "Not found."})


def test_simulate(both: Api) -> None:
    for name in ("Acme", "Globex"):
        both("POST", C, {"name": name})
    fresh = both("POST", "/ai-reach/simulate/", {"query_text": "best hats"})
    assert set(fresh) == {"query_text", "providers", "timed_out", "results", "diff"}
    assert (fresh["providers"], fresh["timed_out"]) == (list(PROVIDERS), [])
    assert all(each["query"] is None and each["is_simulated"] for each in fresh["results"])
    assert all(each["previous_position"] is None for each in fresh["diff"])
    both("POST", P, {"query_text": "best hats"})
    both("POST", f"{P}1/run/")
    same = both("POST", "/ai-reach/simulate/", {"query_text": "best hats", "providers": []})
    assert {each["change"] for each in same["diff"]} == {0}
    names = [each["brand_name"] for each in same["diff"]]
    assert names == sorted({name.lower() for name in names})
    assert len(both("GET", f"{P}1/results/")) == 5  # simulations belong to no query
    assert both("POST", "/ai-reach/simulate/", {"query_text": "x", "providers": ["grok"]})["providers"] == ["grok"]
    assert set(both.status("POST", "/ai-reach/simulate/", {"providers": 5})[1]) == {"query_text", "providers"}


def test_the_figures_fit_the_results(both: Api) -> None:
    empty = both("GET", "/ai-reach/dashboard/")
    assert (empty["result_count"], empty["mention_rate"], empty["sentiment"], empty["providers"]) == (0, 0, None, [])
    assert both("GET", "/ai-reach/win-rate/") == []
    both("POST", C, {"name": "Acme", "brand_aliases": ["ACME Corp"]})
    both("POST", C, {"name": "Globex"})
    both("POST", C, {"name": "Asleep", "is_active": False})
    results = []
    for number, text in enumerate(("best shoes", "warm hats", "red bags"), 1):
        both("POST", P, {"query_text": text})
        both("POST", f"{P}{number}/run/")
        results += both("GET", f"{P}{number}/results/")
    mine = [each["position"] for each in results if each["position"]]
    shown = both("GET", "/ai-reach/dashboard/")
    assert (shown["query_count"], shown["result_count"]) == (3, 15)
    assert shown["mention_rate"] == pytest.approx(len(mine) / 15, abs=0.0001)
    assert shown["average_position"] == pytest.approx(sum(mine) / len(mine), abs=0.01)
    assert shown["is_simulated"] is True
    assert [each["provider"] for each in shown["providers"]] == list(PROVIDERS)
    rates = both("GET", "/ai-reach/win-rate/")
    assert {each["competitor_name"] for each in rates} == {"Acme", "Globex"}
    assert [each["win_rate"] for each in rates] == sorted((each["win_rate"] for each in rates), reverse=True)
    for rate in rates:
        wins = losses = 0
        for each in results:
            places = {mention["name"]: mention["position"] for mention in each["mentioned_brands"]}
            own, theirs = places.get("Your brand", 99), places.get(rate["competitor_name"], 99)
            wins += own < theirs
            losses += theirs < own
        assert (rate["wins"], rate["losses"], rate["ties"]) == (wins, losses, 0)
    narrowed = both("GET", "/ai-reach/win-rate/?provider=grok")
    assert all(each["wins"] + each["losses"] <= 3 for each in narrowed)


def test_the_same_place_is_a_tie(api: Api) -> None:
    api("POST", C, {"name": "Twin", "brand_aliases": ["your BRAND"]})
    api("PUT", "/settings/", {"brand_name": "YOUR brand"})
    for number in range(1, 9):
        api("POST", P, {"query_text": f"question {number}"})
        api("POST", f"{P}{number}/run/")
    (rate,) = api("GET", "/ai-reach/win-rate/")
    assert rate["ties"] > 0
    assert rate["wins"] == 0
    assert rate["win_rate"] == 0


def test_a_competitor_lives_and_dies(both: Api) -> None:
    assert both("POST", C, {"name": "Acme", "domain": "acme.example"})["brand_aliases"] == []
    assert both.status("POST", C, {"name": "Acme"})[0] == 400
    assert both("PATCH", f"{C}1/", {"brand_aliases": ["A"]})["brand_aliases"] == ["A"]
    assert both.status("DELETE", f"{C}1/") == (204, None)


def test_the_same_question_gets_the_same_answer() -> None:
    ask = ("best shoes", "claude", "Mine", ["Acme", "Globex"], [("S", "Shoes")])
    assert simulate(*ask) == simulate(*ask)
    answers = [simulate(f"question {n}", "claude", "Mine", ["Acme", "Globex"], []) for n in range(200)]
    named = sum(each.position is not None for each in answers)
    assert 80 < named < 160
    assert {each.position for each in answers} == {None, 1, 2, 3}
    assert any("No brand" in each.raw_response for each in answers)
