"""Cases for each command of the vendor's program `segops-admin`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.compat.vendor_desk import THIS_MONTH, Desk, did, fresh

Command = Callable[[Desk, Path], None]

COMMANDS: dict[str, Command] = {}
"""What is checked about each command. The folder is for files."""


def command(name: str) -> Callable[[Command], Command]:
    def note(function: Command) -> Command:
        assert name not in COMMANDS
        COMMANDS[name] = function
        return function

    return note


def write(folder: Path, content: object) -> str:
    path = folder / "given.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return str(path)


def lists(words: str, table: str, make: Callable[[Desk], object], *, flags: bool = False) -> None:
    """Note the case of a command that lists something, with flags if it takes them."""

    @command(words)
    def list_(desk: Desk, _folder: Path) -> None:
        for _ in range(2):
            make(desk)
        page = desk.command(*words.split(), *(["--page", "1", "--page_size=1"] if flags else []))
        assert page["count"] == desk.column(f"SELECT count(*) FROM {table}")[0] >= 2
        assert len(page["results"]) == (1 if flags else min(page["count"], 50))


def gets(words: str, table: str, make: Callable[[Desk], Any]) -> None:
    """Note the case of a command that shows one of something."""

    @command(words)
    def get(desk: Desk, _folder: Path) -> None:
        made = make(desk)
        shown = desk.command(*words.split(), str(made["id"]))
        assert (shown["id"], desk.stored(table, made["id"])["id"]) == (made["id"], made["id"])


def posts(path: str, body: Callable[[Desk], object]) -> Callable[[Desk], Any]:
    return lambda desk: desk.api("POST", path, body(desk))


make_segment = posts("/api/segments/", lambda _: {"name": fresh("Did"), "definition": did("x")})
make_schema = posts("/api/schemas/", lambda _: {"event_type": fresh("typed"), "properties": {"total": "number"}})
make_activation = posts(
    "/api/activations/", lambda desk: {"segment": desk.segment(fresh("ad"), "u-1"), "connector_type": "outbox"}
)
make_query = posts("/api/ai-reach/queries/", lambda _: {"query_text": fresh("best lamp")})
make_page = posts("/api/ai-pages/pages/", lambda _: {"slug": fresh("lamps"), "query": "brass lamp"})

lists("segments list", "segments", make_segment, flags=True)
lists("products list", "products", Desk.product, flags=True)
lists("schemas list", "event_schemas", make_schema)
lists("activations list", "activations", make_activation)
lists("queries list", "ai_queries", make_query)
lists("pages list", "pages", make_page)
gets("segments get", "segments", make_segment)
gets("products get", "products", Desk.product)
gets("pages get", "pages", make_page)


@command("segments create")
def create_segment(desk: Desk, folder: Path) -> None:
    body = {"name": fresh("Café"), "definition": did("order_placed")}
    made = desk.command("segments", "create", write(folder, body))
    assert desk.column("SELECT name FROM segments WHERE id = ?", made["id"]) == [body["name"]]


@command("segments recompute")
def recompute(desk: Desk, _folder: Path) -> None:
    number = desk.segment(event_type := fresh("looked"))
    desk.track("u-1", event_type)
    assert desk.command("segments", "recompute", str(number))["status"] == "queued"
    assert desk.column("SELECT user_id FROM segment_members WHERE segment_id = ?", number) == ["u-1"]


@command("segments members")
def members(desk: Desk, _folder: Path) -> None:
    number = desk.segment(fresh("looked"), "u-1", "u-2")
    found = desk.command("segments", "members", str(number), "--limit", "1")
    stored = desk.column("SELECT user_id FROM segment_members WHERE segment_id = ? ORDER BY 1", number)
    assert [row["user_id"] for row in found["results"]] == stored[:1]
    assert found["next_cursor"]


@command("segments membership")
def membership(desk: Desk, _folder: Path) -> None:
    number = desk.segment(fresh("looked"), user := fresh("user"))
    assert [each["id"] for each in desk.command("segments", "membership", user)["segments"]] == [number]
    assert desk.column("SELECT segment_id FROM segment_members WHERE user_id = ?", user) == [number]


@command("segments export")
def export_segment(desk: Desk, _folder: Path) -> None:
    job = desk.command("segments", "export", str(desk.segment(fresh("looked"), "u-1")), "--format=csv")
    (content,) = desk.column("SELECT content FROM segment_exports WHERE id = ?", job["id"])
    assert content.startswith(b"user_id,computed_at\r\nu-1,")


@command("segments delete")
def delete_segment(desk: Desk, _folder: Path) -> None:
    number = desk.segment(fresh("looked"))
    assert desk.command("segments", "delete", str(number)) == {"ok": True}
    assert desk.stored("segments", number) == {}


@command("products import")
def import_products(desk: Desk, folder: Path) -> None:
    path = folder / "lamps.csv"
    path.write_text("sku,name\nA,Lampe\n", encoding="utf-8")
    job = desk.command("products", "import", str(path))
    assert desk.stored("imports", job["job_id"])["filename"] == "lamps.csv"


@command("products bulk-upsert")
def bulk_upsert(desk: Desk, folder: Path) -> None:
    row = {"sku": fresh("SKU"), "name": "Lamp", "data": {"price": 1}}
    assert desk.command("products", "bulk-upsert", write(folder, [row]))["created"] == 1
    assert desk.column("SELECT name FROM products WHERE sku = ?", row["sku"]) == ["Lamp"]


@command("products score")
def score(desk: Desk, _folder: Path) -> None:
    product = desk.product(price=1)
    desk.command("products", "score", str(product["id"]))
    assert desk.stored("products", product["id"])["ai_readability_score"] is not None


@command("products score-all")
def score_all(desk: Desk, _folder: Path) -> None:
    desk.product(price=1)
    count = desk.command("products", "score-all")["product_count"]
    assert desk.column("SELECT count(*) FROM products WHERE ai_readability_score IS NOT NULL") == [count]


@command("products facets")
def facets(desk: Desk, _folder: Path) -> None:
    made = desk.product(shade="pale")
    assert "pale" in desk.command("products", "facets")["shade"]
    assert "pale" in desk.stored("products", made["id"])["data"]


@command("schemas validate")
def validate(desk: Desk, folder: Path) -> None:
    made = make_schema(desk)
    checked = desk.command("schemas", "validate", made["event_type"], write(folder, {"total": "text"}))
    assert (checked["valid"], checked["has_schema"]) == (False, True)
    assert desk.stored("event_schemas", made["id"])["event_type"] == made["event_type"]


@command("activations sync")
def sync(desk: Desk, _folder: Path) -> None:
    made = make_activation(desk)
    desk.command("activations", "sync", str(made["id"]))
    assert desk.rows("SELECT action, user_id FROM outbox WHERE activation_id = ?", made["id"]) == [("add", "u-1")]


@command("queries run")
def run_query(desk: Desk, _folder: Path) -> None:
    made = make_query(desk)
    assert desk.command("queries", "run", str(made["id"])) == {"status": "queued", "query_id": made["id"]}
    assert len(desk.rows("SELECT 1 FROM ai_results WHERE query = ?", made["id"])) == 5


@command("queries simulate")
def simulate(desk: Desk, folder: Path) -> None:
    done = desk.command("queries", "simulate", write(folder, {"query_text": "lamp", "providers": ["grok"]}))
    assert [desk.stored("ai_results", each["id"])["provider"] for each in done["results"]] == ["grok"]


@command("queries dashboard")
def dashboard(desk: Desk, _folder: Path) -> None:
    make_query(desk)
    assert [desk.command("queries", "dashboard")["query_count"]] == desk.column("SELECT count(*) FROM ai_queries")


@command("pages export")
def export_page(desk: Desk, _folder: Path) -> None:
    job = desk.command("pages", "export", str(make_page(desk)["id"]), "--format=tsx")
    assert desk.stored("page_exports", job["id"])["format"] == "tsx"


@command("pages publish")
def publish(desk: Desk, _folder: Path) -> None:
    made = make_page(desk)
    desk.command("pages", "publish", str(made["id"]))
    assert desk.stored("pages", made["id"])["builder_status"] == "published"


@command("pages regenerate")
def regenerate(desk: Desk, _folder: Path) -> None:
    made = make_page(desk)
    assert desk.command("pages", "regenerate", str(made["id"])) == {"status": "queued"}
    assert desk.stored("pages", made["id"])["builder_status"] == "built"


@command("users search")
def search(desk: Desk, _folder: Path) -> None:
    user = desk.track(fresh("searched"), "order_placed")
    found = desk.command("users", "search", f"--q={user}", "--limit", "5")
    assert [row["user_id"] for row in found["results"]] == desk.column(
        "SELECT user_id FROM events WHERE user_id = ?", user
    )


@command("users get")
def profile(desk: Desk, _folder: Path) -> None:
    user = desk.track(fresh("a/b@é"), "order_placed")
    assert desk.command("users", "get", user)["user_id"] == user
    assert desk.column("SELECT event_type FROM events WHERE user_id = ?", user) == ["order_placed"]


@command("users events")
def events(desk: Desk, _folder: Path) -> None:
    user = desk.track(fresh("user"), "order_placed", total=7)
    found = desk.command("users", "events", user, "--event_type", "order_placed")
    stored = desk.column("SELECT payload FROM events WHERE user_id = ?", user)
    assert [row["payload"] for row in found["results"]] == [json.loads(text) for text in stored] == [{"total": 7}]


@command("analytics overview")
def overview(desk: Desk, _folder: Path) -> None:
    desk.segment(fresh("looked"))
    assert [desk.command("analytics", "overview")["segment_count"]] == desk.column("SELECT count(*) FROM segments")


@command("analytics usage")
def usage(desk: Desk, _folder: Path) -> None:
    desk.track(fresh("user"), "order_placed")
    assert [desk.command("analytics", "usage")["event_count"]] == desk.column(THIS_MONTH)
