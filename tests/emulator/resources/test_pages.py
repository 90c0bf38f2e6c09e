"""Create, build, publish, export, and read AI pages; search products."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from typing import Any

import pytest

from tests.emulator.api_client import Api

P = "/ai-pages/pages/"
Q = "/ai-pages/query"

PRODUCTS = [
    {"sku": "S1", "name": "Trail shoe", "data": {"color": "red", "use": "trail running"}},
    {"sku": "S2", "name": "Road shoe", "data": {"color": "blue", "sizes": ["41", "42"]}},
    {"sku": "H1", "name": "Hat", "data": {"color": "red", "note": "goes with every shoe"}},
]

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)> ${7*7} {7*7} `\\ \u2028 ' \" & <!--"


def stock(api: Api) -> None:
    api("POST", "/pim/products/bulk/", {"products": PRODUCTS})


def test_a_page_lives_and_dies(both: Api) -> None:
    both("POST", "/ai-reach/queries/", {"query_text": "best trail shoes"})
    made = both("POST", P, {"slug": "trail", "query": 1, "view_count": 99})
    assert made == {
        "id": 1,
        "slug": "trail",
        "query": 1,
        "title": "best trail shoes",
        "published": False,
        "builder_status": "pending",
        "view_count": 0,
        "last_ai_crawl_at": None,
        "intro_copy": "",
        "product_skus": [],
        "template": "default",
        "created_at": "2026-01-01T00:00:00.000000Z",
        "updated_at": "2026-01-01T00:00:00.000000Z",
    }
    assert both("POST", P, {"slug": "free", "query": "free text", "title": "Mine"})["title"] == "Mine"
    assert both("POST", P, {"slug": "no-query"})["title"] == "no query"
    (listed, *_) = both("GET", P)["results"]
    assert "intro_copy" not in listed
    assert "product_skus" not in listed
    assert both("PATCH", f"{P}1/", {"title": "New"})["title"] == "New"
    assert both.status("DELETE", f"{P}1/") == (204, None)
    for bad in ({}, {"slug": "A b"}, {"slug": "free"}, {"slug": "x", "query": 99}, {"slug": "x", "query": []}):
        assert both.status("POST", P, bad)[0] == 400


def test_build_regenerate_publish(both: Api) -> None:
    stock(both)
    both("POST", P, {"slug": "shoes", "query": "red shoe"})
    built = both("POST", f"{P}1/build/", {"template": "wide"})
    assert (built["builder_status"], built["template"], built["published"]) == ("built", "wide", False)
    assert built["product_skus"] == ["S1", "S2", "H1"]
    assert "Trail shoe" in built["intro_copy"]
    both("DELETE", "/pim/products/1/")
    assert both.status("POST", f"{P}1/regenerate/") == (202, {"status": "queued"})
    assert both("GET", f"{P}1/")["product_skus"] == ["S2", "H1"]
    published = both("POST", f"{P}1/publish/")
    assert (published["builder_status"], published["published"]) == ("published", True)
    assert both("POST", f"{P}1/build/")["builder_status"] == "published"
    assert both("PATCH", f"{P}1/", {"published": False})["builder_status"] == "built"
    assert both("PATCH", f"{P}1/", {"published": True})["builder_status"] == "published"
    assert both("PATCH", f"{P}1/", {"title": "New"})["builder_status"] == "published"
    both("POST", P, {"slug": "empty", "query": "nothing fits"})
    assert "no product" in both("POST", f"{P}2/publish/")["intro_copy"]
    for action in ("build", "regenerate", "publish", "export"):
        assert both.status("POST", f"{P}9/{action}/") == (404, {"detail": "Not found."})


def test_bulk_generate(both: Api) -> None:
    stock(both)
    for text in ("Best shoes?", "best shoes!", "ÄÖ", "asleep"):
        both("POST", "/ai-reach/queries/", {"query_text": text, "is_active": text != "asleep"})
    status, job = both.status("POST", f"{P}bulk-generate/")
    assert (status, job) == (202, {"job_id": 1, "status": "queued", "page_count": 3})
    slugs = [(each["slug"], each["builder_status"]) for each in both("GET", P)["results"]]
    assert slugs == [("best-shoes", "built"), ("best-shoes-2", "built"), ("page", "built")]
    assert both("POST", f"{P}bulk-generate/", {"segment_id": 1})["page_count"] == 0
    assert both("POST", f"{P}bulk-generate/", {"queries": [4, "free", "free"]})["page_count"] == 2
    assert set(both.status("POST", f"{P}bulk-generate/", {"queries": [77]})[1]) == {"queries"}
    assert both("GET", P)["count"] == 5


class Seen(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002 - signature of the base class
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def exported(api: Api, kind: str) -> Any:
    job = api("POST", f"{P}1/export/", {"format": kind})
    return api.ask("GET", job["download_url"].removeprefix("/api"))


def hostile(api: Api) -> None:
    api("POST", "/pim/products/", {"sku": HOSTILE, "name": f"shoe {HOSTILE}", "data": {HOSTILE: HOSTILE, "n": [1]}})
    api("POST", P, {"slug": "shoes", "query": "shoe", "title": HOSTILE})
    api("POST", f"{P}1/build/", {})


def test_export_html_is_escaped(both: Api) -> None:
    hostile(both)
    response = exported(both, "html")
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    seen = Seen()
    text = response.body.decode()
    seen.feed(text)
    assert seen.tags.count("script") == 1
    assert "img" not in seen.tags
    assert HOSTILE in seen.texts
    data = re.search(r'<script type="application/ld\+json">(.*?)</script>', text, re.DOTALL)
    assert data
    assert json.loads(data[1])["itemListElement"][0]["item"]["sku"] == HOSTILE


def test_export_tsx_is_quoted(both: Api) -> None:
    hostile(both)
    response = exported(both, "tsx")
    text = response.body.decode()
    (line,) = [each for each in text.splitlines() if each.startswith("const page")]
    literal = line.partition(" = ")[2].removesuffix(";")
    assert json.loads(literal)["products"][0]["name"] == f"shoe {HOSTILE}"
    assert "<script" not in text
    assert "\u2028" not in text
    assert text.count("{") == text.count("}")


def test_the_data_of_the_tsx_is_javascript(api: Api) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    hostile(api)
    text = exported(api, "tsx").body.decode()
    (line,) = [each for each in text.splitlines() if each.startswith("const page")]
    script = f"const page = {line.partition(' = ')[2]}\nprocess.stdout.write(page.title)"
    assert subprocess.run([node, "-e", script], capture_output=True, check=True).stdout.decode() == HOSTILE


def test_export_json_poll_and_download(both: Api) -> None:
    stock(both)
    both("POST", P, {"slug": "shoes", "query": "shoe"})
    both("POST", f"{P}1/build/")
    status, job = both.status("POST", f"{P}1/export/")
    assert (status, job["status"], job["format"], job["id"]) == (202, "pending", "html", job["export_id"])
    job = both("POST", f"{P}1/export/", {"format": "json"})
    polled = both("GET", f"{P}1/export/?export_id={job['id']}")
    assert (polled["status"], polled["expires_at"]) == ("complete", "2026-01-01T01:00:00Z")
    assert both("GET", f"{P}1/export/")["id"] == job["id"]
    document = both("GET", polled["download_url"].removeprefix("/api"))
    assert [each["sku"] for each in document["products"]] == ["S1", "S2", "H1"]
    assert set(both.status("POST", f"{P}1/export/", {"format": "pdf"})[1]) == {"format"}
    assert both.status("GET", f"{P}1/export/?export_id=99")[0] == 404
    assert both.status("GET", f"{P}1/export/?export_id=x")[0] == 404
    both.clock.now += 3600
    assert both.status("GET", polled["download_url"].removeprefix("/api"))[0] == 404
    assert both("GET", f"{P}1/export/")["status"] == "expired"


def test_the_public_reads_published_pages(both: Api) -> None:
    stock(both)
    both("POST", P, {"slug": "shoes", "query": "shoe"})
    public = "/ai-pages/public/pages/local/shoes/"
    assert both.status("GET", public, auth="") == (404, {"detail": "Not found."})
    both("POST", f"{P}1/publish/")
    page = both("GET", public, auth="")
    assert (page["view_count"], page["last_ai_crawl_at"], len(page["products"])) == (1, None, 3)
    seen = both("GET", public, auth="", User_Agent="Mozilla/5.0 (compatible; GPTBot/1.2)")
    assert (seen["view_count"], seen["last_ai_crawl_at"]) == (2, "2026-01-01T00:00:00.000000Z")
    assert both.segops._database.query("SELECT crawler FROM page_crawls") == [("GPTBot",)]
    for other in ("/ai-pages/public/pages/other/shoes/", "/ai-pages/public/pages/local/hats/"):
        assert both.status("GET", other, auth="")[0] == 404


def test_search(both: Api) -> None:
    stock(both)
    found = both("GET", f"{Q}?q=red+shoes")
    assert set(found) == {"query", "products", "filters", "metadata"}
    assert [(each["sku"], each["relevance_score"]) for each in found["products"]] == [
        ("S1", 0.75),
        ("S2", 0.5),
        ("H1", 0.5),
    ]
    assert found["filters"]["color"] == ["blue", "red"]
    assert found["metadata"]["match_count"] == 3
    assert len(both("GET", f"{Q}?q=shoe&limit=1")["products"]) == 1
    assert both("GET", f"{Q}?q=%21")["products"] == []
    assert set(both.status("GET", Q)[1]) == {"q"}
    assert set(both.status("GET", f"{Q}?q=a&segment_id=5")[1]) == {"segment_id"}
    assert both.status("GET", f"{Q}/?q=a")[0] == 404


def test_search_within_a_product_segment(api: Api) -> None:
    stock(api)
    condition = {"type": "product_attribute", "property": "color", "operator": "eq", "value": "red"}
    body = {"name": "Red", "definition": {"logic": "AND", "conditions": [condition]}}
    segment = api("POST", "/product-segments/", body)["id"]
    api("POST", f"/product-segments/{segment}/compute/")
    assert [each["sku"] for each in api("GET", f"{Q}?q=shoe&segment_id={segment}")["products"]] == ["S1", "H1"]


def test_the_search_is_limited_to_100_a_minute(both: Api) -> None:
    both.clock.now += 15
    for _ in range(100):
        assert both.status("GET", f"{Q}?q=a")[0] == 200
    response = both.ask("GET", f"{Q}?q=a")
    assert (response.status, response.headers["retry-after"]) == (429, "45")
    assert "detail" in json.loads(response.body)
    both.clock.now += 45
    assert both.status("GET", f"{Q}?q=a")[0] == 200
