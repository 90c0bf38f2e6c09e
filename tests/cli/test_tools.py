"""Commands without a namespace: api, send, whoami, doctor."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from segops import SegOpsAdmin
from segops.delivery import IS_COMPILED
from segops.emulator import LocalSegOps, LocalServer
from tests.rig.fault_server import FaultServer, hold, respond
from tests.rig.plugins import SitePackages
from tests.rig.programs import SEGOPS, Run, unmeasured
from tests.rig.terminal import on_terminal
from tests.rig.tls import TLS
from tests.rig.waiting import wait_until

CLI_PAGE = Path(__file__).parents[2] / "docs" / "cli.md"

DEFINITION = '{"logic": "AND", "conditions": [{"type": "monetary", "operator": "gte", "value": 200}]}'


def lines(*events: object) -> str:
    return "".join(f"{json.dumps(event)}\n" for event in events)


def order(user: str, total: int = 300) -> dict[str, object]:
    return {"user_id": user, "event_type": "order_placed", "payload": {"total": total}}


def test_the_quick_start_from_end_to_end(ask: Run, tmp_path: Path) -> None:
    events, target = tmp_path / "events.ndjson", tmp_path / "members.csv"
    events.write_text(lines(order("ada"), order("bob", 20), order("eve", 500)))
    assert json.loads(ask("send", str(events)).stdout)["delivered"] == 3
    segment = json.loads(ask("segments", "create", "--name=High-value buyers", f"--definition={DEFINITION}").stdout)
    number = str(segment["id"])
    assert json.loads(ask("segments", "recompute", number, "--wait").stdout)["member_count"] == 2
    listed = json.loads(ask("segments", "list", "--all", "--fields=id,name,member_count").stdout)
    assert listed == [{"id": segment["id"], "name": "High-value buyers", "member_count": 2}]
    members = ask("segments", "members", number, "--all", "--limit=1", "-o", "csv", "--fields=user_id").stdout
    assert sorted(members.splitlines()) == ["ada", "eve", "user_id"]
    saved = json.loads(ask("segments", "export", number, "--to", str(target)).stdout)
    assert saved == {"file": str(target), "bytes": target.stat().st_size}
    assert sorted(line.partition(",")[0] for line in target.read_text().split()) == ["ada", "eve", "user_id"]
    waited = json.loads(ask("segments", "export", number, "--wait", "--timeout=100").stdout)
    assert (waited["status"], "download_url" in waited) == ("complete", True)


def test_the_samples_of_the_documentation_run(
    environment: Mapping[str, str], local: LocalSegOps, server: LocalServer, tmp_path: Path
) -> None:
    (tmp_path / "events.ndjson").write_text(lines(order("ada")))
    (tmp_path / "segment.json").write_text(f'{{"name": "Twelfth", "definition": {DEFINITION}}}')
    (tmp_path / "products.csv").write_text("sku,name\nA,Axe\n")
    with SegOpsAdmin(local.secret_key, base_url=server.url) as admin:
        for number in range(11):
            admin.segments.create(name=f"Segment {number}")
            admin.pages.create(slug=f"page-{number}", title="Page")
    blocks = re.findall(r"^```console\n(.*?)^```", CLI_PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    commands = [line[2:] for block in blocks for line in block.splitlines() if line.startswith("$ segops")]
    assert len(commands) > 8
    for command in commands:
        words = [*SEGOPS, *shlex.split(command)[1:]]
        more = {"SEGOPS_API_URL": f"{server.url}/api", "SEGOPS_API_KEY": local.secret_key}
        done = subprocess.run(
            words, cwd=tmp_path, env={**environment, **more}, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, ""), command
    assert (tmp_path / "members.csv").read_text().startswith("user_id,computed_at")
    assert "<html" in (tmp_path / "page.html").read_text()


def test_an_import_can_be_waited_for(ask: Run, tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("code,title,price\nA,Axe,3\n")
    mapping = '{"code": "sku", "title": "name", "price": "price"}'
    done = ask("products", "import", str(tmp_path / "p.csv"), "--wait", f"--mapping={mapping}", "--filename=x.csv")
    assert json.loads(done.stdout)["status"] == "done"
    assert json.loads(ask("products", "list", "--fields=sku,name").stdout)["results"] == [{"sku": "A", "name": "Axe"}]
    piped = subprocess_with_input(ask, "sku,name\nB,Bow\n", "products", "import", "-", "--wait")
    assert piped["status"] == "done"


def subprocess_with_input(ask: Run, text: str, *words: str) -> dict[str, object]:
    reading, writing = os.pipe()
    os.write(writing, text.encode())
    os.close(writing)
    kept = os.dup(0)
    os.dup2(reading, 0)
    try:
        found: dict[str, object] = json.loads(ask(*words).stdout)
    finally:
        os.dup2(kept, 0)
        os.close(kept)
        os.close(reading)
    return found


def test_any_endpoint_can_be_called(ask: Run, tmp_path: Path) -> None:
    (tmp_path / "body.json").write_text('{"name": "By hand"}')
    made = json.loads(ask("api", "post", "/segments/", "-f", str(tmp_path / "body.json")).stdout)
    assert made["name"] == "By hand"
    piped = subprocess_with_input(ask, '{"name": "Piped"}', "api", "PATCH", f"/segments/{made['id']}/", "-f", "-")
    assert piped["name"] == "Piped"
    done = ask("api", "GET", "/api/segments/?page_size=1", "-i", "-o", "csv", "--fields=id,name")
    assert done.stdout == f"id,name\n{made['id']},Piped\n"
    assert done.stderr.startswith("HTTP 200\n")
    assert "content-type: application/json" in done.stderr
    assert json.loads(ask("api", "GET", "/segments/").stdout)["count"] == 1
    assert ask("api", "GET", "/nothing/").returncode == 3
    (tmp_path / "body.json").write_text("{")
    done = ask("api", "POST", "/segments/", "-f", str(tmp_path / "body.json"))
    assert (done.returncode, done.stdout) == (2, "")


def test_an_answer_that_is_no_json_is_printed_as_it_came(run: Run) -> None:
    with FaultServer(respond(200, b"a,b\n", {"Content-Type": "text/csv"})) as server:
        done = run("api", "GET", "/file/", SEGOPS_API_URL=server.url, SEGOPS_API_KEY="sk_1")
    assert (done.returncode, done.stdout) == (0, "a,b\n")


def test_bad_lines_are_counted_with_their_numbers(ask: Run, local: LocalSegOps, tmp_path: Path) -> None:
    file = tmp_path / "events.ndjson"
    bad = ["nonsense", "[1]", '{"user_id": ""}', json.dumps({**order("big"), "payload": {"x": "y" * 40_000}})]
    file.write_text(lines(order("ada")) + "\n" + "\n".join(bad) + "\n" + lines(order("eve")))
    done = ask("send", str(file))
    assert done.returncode == 1
    report = json.loads(done.stdout)
    assert (report["events"], report["delivered"]) == (6, 2)
    assert report["dropped"] == {"invalid": 3, "too_large": 1}
    assert [each["line"] for each in report["bad_lines"]] == [3, 4, 5, 6]
    assert "4 of 6 events were dropped:\n  line 3: not valid JSON" in done.stderr
    assert local.summary().events == 2


def test_many_events_and_many_bad_lines(ask: Run, local: LocalSegOps, tmp_path: Path) -> None:
    file = tmp_path / "events.ndjson"
    file.write_text(lines(*[order(f"u-{number}") for number in range(6000)]) + "nonsense\n" * 1100)
    done = ask("send", str(file), "-o", "json")
    report = json.loads(done.stdout)
    assert (report["delivered"], report["dropped"], len(report["bad_lines"])) == (6000, {"invalid": 1100}, 1000)
    assert "and 1090 more lines" in done.stderr
    assert local.summary().events == 6000


def test_events_that_the_server_refuses(ask: Run, local: LocalSegOps, tmp_path: Path) -> None:
    local.faults.add("POST /api/ingestion/track/batch/ skip=1")
    (tmp_path / "events.ndjson").write_text(lines(order("a"), order("b")))
    done = ask("send", str(tmp_path / "events.ndjson"))
    assert (done.returncode, json.loads(done.stdout)["dropped"]) == (1, {"rejected": 1})
    assert "1 of 2 events were dropped: the server rejected them" in done.stderr


def test_events_may_be_piped_in_and_a_bar_shows_on_a_terminal(
    ask: Run, environment: Mapping[str, str], local: LocalSegOps, server: LocalServer, tmp_path: Path
) -> None:
    assert subprocess_with_input(ask, lines(order("a")), "send", "-")["delivered"] == 1
    (tmp_path / "events.ndjson").write_text(lines(order("b")))
    more = {"SEGOPS_API_URL": server.url, "SEGOPS_API_KEY": local.secret_key}
    shown = on_terminal("send", str(tmp_path / "events.ndjson"), environment={**environment, **more})
    assert "[##############################]" in shown.text
    assert shown.code == 0


@pytest.mark.parametrize(
    ("more", "code", "message"),
    [
        ({"SEGOPS_API_KEY": "pk_live_1"}, 2, "use a secret key (sk_)"),
        ({"SEGOPS_API_KEY": "sk_wrong"}, 4, "check the API key"),
        ({"SEGOPS_API_KEY": ""}, 2, "SEGOPS_API_KEY"),
        ({"SEGOPS_API_URL": "http://127.0.0.1:9"}, 5, "check the URL"),
        ({"SEGOPS_DISABLED": "1"}, 2, "SEGOPS_DISABLED"),
    ],
)
def test_events_that_cannot_be_sent(  # noqa: PLR0917 - an argument a column
    ask: Run, local: LocalSegOps, tmp_path: Path, more: dict[str, str], code: int, message: str
) -> None:
    (tmp_path / "events.ndjson").write_text(lines(order("a")))
    done = ask("send", str(tmp_path / "events.ndjson"), "--patience=0.2", **more)
    assert (done.returncode, done.stdout) == (code, "")
    assert message in done.stderr
    assert local.summary().events == 0


def test_sending_can_be_interrupted(environment: Mapping[str, str], tmp_path: Path) -> None:
    (tmp_path / "events.ndjson").write_text(lines(order("a")))
    with FaultServer(hold()) as server:
        more = {"SEGOPS_API_URL": server.url, "SEGOPS_API_KEY": "sk_1"}
        command = [*SEGOPS, "send", str(tmp_path / "events.ndjson")]
        everything = {**unmeasured(environment), **more}
        with subprocess.Popen(command, env=everything, stderr=subprocess.PIPE, text=True) as process:
            assert wait_until(lambda: server.journal)
            process.send_signal(signal.SIGINT)
            _, complaint = process.communicate(timeout=100)
    assert (process.returncode, complaint) == (130, "segops: interrupted\n")


def test_whoami(ask: Run, server: LocalServer, tmp_path: Path, local: LocalSegOps) -> None:
    known = json.loads(ask("whoami").stdout)
    assert (known["api_url"], known["key_from"], known["accepted"]) == (server.url, "SEGOPS_API_KEY", True)
    assert known["segment_count"] == 0
    assert local.secret_key not in ask("whoami").stdout
    (tmp_path / "key").write_text(local.secret_key)
    assert json.loads(ask("whoami", "--api-key-file", str(tmp_path / "key")).stdout)["key_from"] == "--api-key-file"
    assert ask("whoami", SEGOPS_API_KEY="sk_wrong").returncode == 4


def findings(ask: Run, code: int, *words: str, **more: str) -> dict[str, tuple[str, str]]:
    done = ask("doctor", *words, **more)
    assert (done.returncode, done.stderr) == (code, "")
    return {each["check"]: (each["status"], each["detail"]) for each in json.loads(done.stdout)}


def test_a_healthy_server(ask: Run, server: LocalServer, site: SitePackages) -> None:
    site.add("slow", SLOW)
    site.add("broken", "raise RuntimeError('no')")
    found = findings(ask, 0)
    assert {name: found[name][0] for name in ("key", "url", "proxy", "server", "latency", "clock")} == {
        "key": "ok", "url": "ok", "proxy": "ok", "server": "ok", "latency": "ok", "clock": "ok"
    }  # fmt: skip
    assert found["url"][1] == server.url
    assert found["tls"][0] == "warning"
    assert ("in Python" in found["track()"][1]) != IS_COMPILED
    assert "loads in" in found["plugin ai_referrer"][1]
    assert "µs per event" in found["plugin ai_referrer"][1]
    assert found["plugin slow"][0] == "warning"
    assert "slow-dist" in found["plugin slow"][1]
    assert "broken-dist" in found["plugin"][1]


SLOW = """
import time
from segops.core import Enricher, hookimpl
def enrich(event):
    time.sleep(0.0005)
    raise KeyError(event)
@hookimpl
def segops_register_enrichers(): return [Enricher(name="slow", event_types=None, enrich=enrich)]
"""


@pytest.mark.parametrize(
    ("more", "code", "check", "status", "message"),
    [
        (
            {"SEGOPS_API_URL": "http://127.0.0.1:9"},
            5,
            "server",
            "failed",
            "check the URL, and that the server is running",
        ),
        ({"SEGOPS_API_URL": "https://127.0.0.1:9"}, 5, "tls", "failed", "cannot connect to 127.0.0.1:9"),
        ({"SEGOPS_API_URL": "gopher://x"}, 2, "url", "failed", "unknown URL scheme"),
        ({"SEGOPS_API_URL": "memory:"}, 0, "server", "warning", "no server at this URL"),
        ({"SEGOPS_API_URL": "local:"}, 4, "server", "failed", "refuses the key"),
        ({"SEGOPS_API_KEY": ""}, 2, "key", "failed", "set SEGOPS_API_KEY"),
        ({"SEGOPS_API_KEY": "mk_1"}, 2, "key", "failed", "MCP key"),
        ({"SEGOPS_API_KEY": "what"}, 2, "key", "failed", "unknown type"),
        ({"SEGOPS_API_KEY": "sk 1"}, 2, "key", "failed", "copy it again"),
        ({"SEGOPS_API_KEY": "sk_wrong"}, 4, "server", "failed", "refuses the key (401)"),
        ({"SEGOPS_API_KEY": "pk_1"}, 4, "key", "warning", "public key"),
    ],
)
def test_what_the_doctor_finds(  # noqa: PLR0917 - an argument a column
    ask: Run, more: dict[str, str], code: int, check: str, status: str, message: str
) -> None:
    found = findings(ask, code, **more)
    assert found[check][0] == status
    assert message in found[check][1]
    assert found["plugin local"][0] == "ok"


NOW = {"Date": "Tue, 05 Jan 2027 09:30:00 GMT"}


@pytest.mark.parametrize(
    ("status", "body", "headers", "code", "expected"),
    [
        (200, b"{}", NOW, 0, {"server": "ok", "clock": "warning"}),
        (200, b"{}", {"Date": "x"}, 0, {"clock": "warning"}),
        (200, b"<html>", {"Content-Type": "text/html"}, 1, {"server": "failed"}),
        (429, b"{}", {}, 0, {"server": "warning"}),
        (500, b"{}", {}, 1, {"server": "failed"}),
    ],
)
def test_odd_servers(  # noqa: PLR0917 - an argument a column
    ask: Run, status: int, body: bytes, headers: dict[str, str], code: int, expected: dict[str, str]
) -> None:
    with FaultServer(*[respond(status, body, headers)] * 2) as server:
        found = findings(ask, code, SEGOPS_API_URL=server.url)
    assert {name: found[name][0] for name in expected} == expected


def test_a_key_file_that_is_missing_and_a_proxy(ask: Run) -> None:
    found = findings(
        ask, 2, "--api-key-file=/nothing", "--api-url=https://segops.invalid", https_proxy="http://127.0.0.1:9"
    )
    assert "cannot read" in found["key"][1]
    assert found["proxy"][1] == "http://127.0.0.1:9 (from the environment)"
    assert "through the proxy" in found["tls"][1]
    assert found["server"][0] == "failed"


def test_tls_is_looked_at(ask: Run, tls: TLS) -> None:
    for context, trusted, status in (
        (tls.server(), True, "ok"),
        (tls.server(expired=True), True, "failed"),
        (tls.server(), False, "failed"),
    ):
        with FaultServer(*[respond(200, b"{}")] * 3, tls=context) as server:
            more = {"SSL_CERT_FILE": str(tls.ca_file)} if trusted else {}
            done = ask("doctor", SEGOPS_API_URL=server.url, **more)
        found = {each["check"]: each for each in json.loads(done.stdout)}
        assert found["tls"]["status"] == status
        assert done.returncode == (0 if status == "ok" else 5)
