"""Tables on a terminal, JSON in a pipe, the other formats, and confirmation of deletes."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping

import pytest

from segops import SegOpsAdmin
from segops.emulator import LocalSegOps, LocalServer
from tests.rig.fault_server import FaultServer, respond
from tests.rig.plugins import SitePackages
from tests.rig.programs import Run
from tests.rig.terminal import on_terminal

ESCAPE = "\x1b["


@pytest.fixture
def admin(local: LocalSegOps, server: LocalServer) -> Iterator[SegOpsAdmin]:
    with SegOpsAdmin(local.secret_key, base_url=server.url) as admin:
        for number in range(3):
            admin.products.create(sku=f"S-{number}", name=f"Shoe {number}", data={"price": number, "tags": ["a", "b"]})
        yield admin


@pytest.fixture
def seen(environment: Mapping[str, str], local: LocalSegOps, server: LocalServer) -> dict[str, str]:
    """Return the environment of somebody at a terminal."""
    kept = {name: value for name, value in environment.items() if name not in {"NO_COLOR", "COLUMNS", "LINES"}}
    return {**kept, "SEGOPS_API_URL": server.url, "SEGOPS_API_KEY": local.secret_key, "TERM": "xterm-256color"}


def test_a_pipe_gets_the_page_as_the_server_sent_it(ask: Run, admin: SegOpsAdmin) -> None:
    done = ask("products", "list", "--page_size", "2")
    assert done.stdout.startswith('{\n  "count": 3,\n  "next": "')
    assert json.loads(done.stdout) == admin.products.list(page_size=2).to_dict()


@pytest.mark.parametrize("words", [["list", "--all", "--page-size=1"], ["iterate", "--page-size=1"]])
def test_all_pages_are_one_document(ask: Run, admin: SegOpsAdmin, words: list[str]) -> None:
    done = ask("products", *words)
    assert json.loads(done.stdout) == [product.to_dict() for product in admin.products.iterate()]


def test_all_pages_as_lines(ask: Run, admin: SegOpsAdmin) -> None:
    lines = ask(
        "products", "list", "--all", "--page-size=1", "-o", "jsonl", "--fields=sku,data.price"
    ).stdout.splitlines()
    assert sorted(lines) == [f'{{"sku": "S-{number}", "data.price": {number}}}' for number in range(3)]
    assert len(list(admin.products.iterate())) == 3


def test_all_pages_as_csv(ask: Run, admin: SegOpsAdmin) -> None:
    admin.products.create(sku='quote"comma,', name="line\nbreak", data={})
    rows = list(csv.DictReader(io.StringIO(ask("products", "list", "--all", "-o", "csv").stdout)))
    assert {row["sku"]: row["name"] for row in rows}['quote"comma,'] == "line\nbreak"
    assert json.loads(rows[0]["data"]).keys() <= {"price", "tags"}
    narrow = ask("products", "list", "-o", "csv", "--fields", "sku,data.tags.1,nothing").stdout
    assert "S-0,b,\n" in narrow


def test_fields_of_one_record_in_each_form(ask: Run, admin: SegOpsAdmin) -> None:
    number = str(admin.products.list(q="Shoe 1")[0].id)
    words = ["products", "get", number, "--fields=sku,data.price"]
    assert json.loads(ask(*words).stdout) == {"sku": "S-1", "data.price": 1}
    assert ask(*words, "-o", "jsonl").stdout == '{"sku": "S-1", "data.price": 1}\n'
    assert ask(*words, "-o", "csv").stdout == "sku,data.price\nS-1,1\n"
    assert ask(*words, "-o", "table").stdout == "FIELD       VALUE\nsku         S-1\ndata.price  1\n"


def test_a_page_keeps_its_count_with_fields(ask: Run, admin: SegOpsAdmin) -> None:
    found = json.loads(ask("products", "list", "--q=Shoe 2", "--fields=sku").stdout)
    assert found == {"count": 1, "next": None, "previous": None, "results": [{"sku": "S-2"}]}
    assert len(admin.products.list().results) == 3


def test_filters_reach_the_server_as_they_are_written(run: Run) -> None:
    with FaultServer(respond(200, b'{"count": 0, "results": []}')) as server:
        words = ["--brand-name", "x y", "--price=1", "--flag", "--q=a", "--tag=1", "--tag=2"]
        done = run("products", "list", *words, SEGOPS_API_URL=server.url, SEGOPS_API_KEY="sk_1")
    assert done.returncode == 0
    path, _, query = server.journal[0].target.partition("?")
    assert path == "/api/pim/products/"
    assert sorted(query.split("&")) == ["brand-name=x+y", "flag=true", "price=1", "q=a", "tag=1", "tag=2"]


def test_a_terminal_gets_a_table_in_colour(seen: dict[str, str], admin: SegOpsAdmin) -> None:
    shown = on_terminal("products", "list", "--page-size=2", environment=seen)
    assert shown.code == 0
    assert f"{ESCAPE}1;36mSKU" in shown.text
    assert "Shoe 1" in shown.text
    assert "Showing 2 of 3: add --all for the rest." in shown.text
    assert "{" not in shown.text
    assert len(admin.products.list().results) == 3


@pytest.mark.parametrize("change", [{"NO_COLOR": "1"}, {"TERM": "dumb"}, {"without": "rich"}])
def test_a_plain_table_is_as_good(
    seen: dict[str, str], admin: SegOpsAdmin, site: SitePackages, change: dict[str, str]
) -> None:
    if "without" in change:
        package = site.folder / "rich"
        package.mkdir()
        (package / "__init__.py").write_text("raise ImportError('not installed')")
    shown = on_terminal("products", "list", environment={**seen, **change})
    assert ESCAPE not in shown.text
    heads = shown.text.splitlines()[0].split()
    assert heads[:3] == ["ID", "SKU", "NAME"]
    assert len(shown.text.splitlines()) == 4
    assert len(list(admin.products.iterate())) == 3


def test_a_table_is_no_wider_than_the_terminal_and_steers_nothing(seen: dict[str, str], admin: SegOpsAdmin) -> None:
    admin.products.create(sku="wide", name=f"\x1b[2J\u202e{'日本語' * 30}", data={})
    shown = on_terminal("products", "list", environment={**seen, "NO_COLOR": "1"}, columns=60)
    assert "\\x1b[2J" in shown.text
    assert "\u202e" not in shown.text
    assert "…" in shown.text
    assert max(len(line) for line in shown.text.splitlines()) <= 60
    whole = on_terminal("products", "get", str(admin.products.list(q="日")[0].id), environment=seen)
    assert "日本語" * 30 in whole.text


def test_an_empty_list_says_so_to_people_only(ask: Run, seen: dict[str, str]) -> None:
    assert on_terminal("segments", "list", environment=seen).text == "No results.\n"
    done = ask("segments", "list", "--all")
    assert (done.stdout, done.stderr) == ("[]\n", "")
    done = ask("segments", "list", "-o", "table")
    assert (done.stdout, done.stderr) == ("", "No results.\n")


@pytest.mark.parametrize(("typed", "code", "left"), [("y\n", 0, 2), ("n\n", 1, 3), ("\n", 1, 3), ("\x04", 1, 3)])
def test_a_delete_is_asked_about(seen: dict[str, str], admin: SegOpsAdmin, typed: str, code: int, left: int) -> None:
    number = admin.products.list()[0].id
    shown = on_terminal("products", "delete", str(number), environment=seen, typed=typed)
    assert f"Delete /pim/products/{number}/? [y/N]" in shown.text
    assert shown.code == code
    assert admin.products.list().count == left
    assert ("nothing was deleted" in shown.text) == (code == 1)


@pytest.mark.parametrize("words", [["products", "delete", "1"], ["api", "DELETE", "/pim/products/1/"]])
def test_without_a_terminal_nothing_is_deleted_unasked(ask: Run, admin: SegOpsAdmin, words: list[str]) -> None:
    done = ask(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert "add --yes" in done.stderr
    assert admin.products.list().count == 3
    assert json.loads(ask(*words, "--yes").stdout) == {"ok": True}
    assert admin.products.list().count == 2


def test_a_stdout_that_is_not_utf8_still_gets_json(ask: Run, admin: SegOpsAdmin) -> None:
    admin.products.create(sku="é", name="日本", data={})
    done = ask("products", "list", "--q=日本", "--fields=name", "-o", "jsonl", PYTHONIOENCODING="ascii")
    assert json.loads(done.stdout) == {"name": "日本"}


def test_a_download_shows_a_bar_on_a_terminal_only(seen: dict[str, str], admin: SegOpsAdmin, ask: Run) -> None:
    segment = str(admin.segments.create(name="All").id)
    target = str(seen["PYTHONPATH"].partition(":")[0]) + "/out.csv"
    shown = on_terminal("segments", "export", segment, "--to", target, environment=seen)
    assert " bytes\n" in shown.text
    assert shown.code == 0
    piped = ask("segments", "export", segment, "--to", "-")
    assert (piped.stdout.replace("\r", ""), piped.stderr) == ("user_id,computed_at\n", "")


def test_rows_show_a_bar_on_a_terminal(seen: dict[str, str]) -> None:
    shown = on_terminal("products", "bulk-upsert", '[{"sku": "N-1", "name": "New"}]', environment=seen)
    assert "1 rows\n" in shown.text
