"""Cases for AI queries and AI pages."""

from __future__ import annotations

import json

from tests.compat.vendor_desk import Desk, case, fresh


def ask(desk: Desk) -> int:
    number: int = desk.api("POST", "/api/ai-reach/queries/", {"query_text": fresh("best lamp")})["id"]
    return number


@case("queries.run")
def run(desk: Desk) -> None:
    query = ask(desk)
    assert desk.call("queries.run", query) == {"status": "queued", "query_id": query}
    assert len(desk.rows("SELECT 1 FROM ai_results WHERE query = ? AND is_simulated", query)) == 5
    assert desk.stored("ai_queries", query)["last_run_at"]


@case("queries.results")
def results(desk: Desk) -> None:
    query = ask(desk)
    desk.api("POST", f"/api/ai-reach/queries/{query}/run/")
    found = desk.call("queries.results", query)
    stored = desk.rows("SELECT id, provider FROM ai_results WHERE query = ? ORDER BY id DESC", query)
    assert sorted((each["id"], each["provider"]) for each in found) == sorted(stored)
    assert all(each["is_simulated"] is True for each in found)


@case("queries.simulate")
def simulate(desk: Desk) -> None:
    text = fresh("best lamp")
    done = desk.call("queries.simulate", {"query_text": text, "providers": ["claude", "grok"]})
    assert (done["query_text"], done["providers"]) == (text, ["claude", "grok"])
    stored = [desk.stored("ai_results", each["id"]) for each in done["results"]]
    assert [(row["query"], row["provider"]) for row in stored] == [(None, "claude"), (None, "grok")]


@case("queries.dashboard")
def dashboard(desk: Desk) -> None:
    desk.api("POST", f"/api/ai-reach/queries/{ask(desk)}/run/")
    found = desk.call("queries.dashboard")
    assert [found["query_count"]] == desk.column("SELECT count(*) FROM ai_queries")
    assert [found["result_count"]] == desk.column("SELECT count(*) FROM ai_results WHERE query IS NOT NULL")


@case("queries.win_rate")
def win_rate(desk: Desk) -> None:
    made = desk.api("POST", "/api/ai-reach/competitors/", {"name": fresh("Lumen")})
    desk.api("POST", f"/api/ai-reach/queries/{ask(desk)}/run/")
    found = desk.call("queries.win_rate", {"provider": "claude"})
    assert made["name"] in [each["competitor_name"] for each in found]
    assert sorted(each["competitor_id"] for each in found) == desk.column("SELECT id FROM competitors ORDER BY id")


def page(desk: Desk) -> int:
    number: int = desk.api("POST", "/api/ai-pages/pages/", {"slug": fresh("lamps"), "query": "brass lamp"})["id"]
    return number


@case("pages.bulk_generate")
def bulk_generate(desk: Desk) -> None:
    query = ask(desk)
    done = desk.call("pages.bulk_generate", {"queries": [query]})
    assert done["status"] == "queued"
    assert desk.column("SELECT builder_status FROM pages WHERE query = ?", str(query)) == ["built"]
    assert desk.column("SELECT page_count FROM page_jobs WHERE id = ?", done["job_id"]) == [1]


@case("pages.regenerate")
def regenerate(desk: Desk) -> None:
    number = page(desk)
    assert desk.stored("pages", number)["builder_status"] == "pending"
    assert desk.call("pages.regenerate", number) == {"status": "queued"}
    assert desk.stored("pages", number)["builder_status"] == "built"


@case("pages.build")
def build(desk: Desk) -> None:
    number = page(desk)
    desk.call("pages.build", number, {"template": "wide"})
    stored = desk.stored("pages", number)
    assert (stored["builder_status"], stored["template"]) == ("built", "wide")


@case("pages.publish")
def publish(desk: Desk) -> None:
    number = page(desk)
    desk.call("pages.publish", number)
    stored = desk.stored("pages", number)
    assert (stored["builder_status"], stored["published"]) == ("published", 1)


@case("pages.export")
def export(desk: Desk) -> None:
    number = page(desk)
    desk.api("POST", f"/api/ai-pages/pages/{number}/publish/")
    jobs = {kind: desk.call("pages.export", number, format=kind) for kind in ("html", "tsx", "json")}
    for kind, job in jobs.items():
        stored = desk.stored("page_exports", job["id"])
        assert (stored["page_id"], stored["format"]) == (number, kind)
        file = desk.call("http.request", "GET", job["download_url"].partition("/api")[2])
        assert (
            (json.dumps(file) == json.dumps(json.loads(stored["content"])))
            if kind == "json"
            else file.encode() == stored["content"]
        )


@case("pages.query")
def query_products(desk: Desk) -> None:
    word = fresh("brass").replace("-", "")
    made = desk.product(material=word)
    found = desk.call("pages.query", f"lamp of {word}", {"limit": 1})
    assert [each["sku"] for each in found["products"]] == [made["sku"]]
    assert desk.stored("products", made["id"])["sku"] == made["sku"]
