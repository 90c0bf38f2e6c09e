"""Data from servers, files and arguments cannot control the terminal."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from segops import SegOpsClient, SegOpsTransportError
from segops.emulator import LocalSegOps, LocalServer
from tests.rig.fault_server import Call, FaultServer, raw, respond
from tests.rig.programs import Run
from tests.rig.terminal import on_terminal

EVIL = "n\x1b]0;pwned\x07\x1b[2J\x9b31m\u202egpj\u2028\u2066\u061c\u200b\ufeff\U000e0041\x00\x7f\r\n=1"
HARMLESS = "Ünï 日本語 👩\u200d💻 a\u00a0b"
STEERING = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\U000e0000-\U000e0fff]"
)

FORMS = ["table", "json", "jsonl", "csv"]


def segment(**more: Any) -> dict[str, Any]:
    return {"id": 1, "name": EVIL, "description": HARMLESS, EVIL: {EVIL: [EVIL]}, "created_at": EVIL, **more}


def evil(call: Call) -> None:
    path = call.read().target.partition("?")[0]
    if path.endswith("/9/"):
        call.peer.send(raw(404, json.dumps({"detail": EVIL}).encode(), {"X-Request-Id": "r\x1b[31m"}))
    elif path.endswith("/8/"):
        call.peer.send(raw(400, EVIL.encode(), {"Content-Type": "text/plain"}))
    elif path.endswith("/7/"):
        call.peer.send(raw(200, EVIL.encode(), {"Content-Type": "text/csv", "X-\x1b[1m": "\x1b[2J"}))
    elif path.endswith("/1/"):
        call.peer.send(raw(200, json.dumps(segment()).encode()))
    else:
        page = {"count": 2, "next": EVIL, "previous": None, "results": [segment(), segment(id=2)]}
        call.peer.send(raw(200, json.dumps(page).encode()))


@pytest.fixture
def seen(environment: Mapping[str, str]) -> dict[str, str]:
    return {**environment, "NO_COLOR": "1", "TERM": "xterm", "SEGOPS_API_KEY": "sk_test_1", "PYTHONUTF8": "1"}


def shown(*words: str, environment: Mapping[str, str]) -> str:
    text = on_terminal(*words, environment=environment).text.replace("\r  [", "  [")  # the bar is ours
    found = STEERING.findall(text)
    assert not found, (found, text)
    return text


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("words", [["list"], ["get", "1"], ["list", "--fields", f"name,{EVIL[1:4]}"]], ids=str)
def test_results(seen: dict[str, str], form: str, words: list[str]) -> None:
    with FaultServer(evil) as server:
        text = shown("segments", *words, "-o", form, environment={**seen, "SEGOPS_API_URL": server.url})
    if "--fields" not in words and form != "table":
        assert HARMLESS in text
    if form == "json" and words == ["get", "1"]:
        assert json.loads(text) == segment()


@pytest.mark.parametrize(
    "words",
    [
        ["segments", "get", "9"],
        ["segments", "get", "8"],
        ["segments", "get", "7"],
        ["segments", "get", EVIL.replace("\0", "")],
        ["segments", "list", "--page", "\x1b[31m"],
        ["segments", f"get{EVIL[:-5]}".replace("\0", "")],
        ["\x1b[31m"],
        ["segments", "get", "1", "--\x1b[31m=x"],
        ["segments", "get", "1", "-o", "\x1b[31m"],
        ["segments", "get", "1", "--request-timeout", "\x9b31m"],
        ["segments", "delete", "\x1b[31m", "--yes=\x1b[31m"],
        ["segments", "create", "-f", "/\x1b[31m"],
        ["api", "-i", "GET", "/7/"],
        ["api", "GET", "/9/"],
        ["api", "\x1b[31m", "/"],
        ["segments", "download-export", "/7/", "-"],
        ["send", "/\x1b[31m"],
        ["dev", "trigger", "\x1b[31m"],
        ["dev", "--fault", "\x1b[31m"],
        ["spool", "inspect", "--path", "/\x1b[31m"],
        ["demo", "--data", "/\x1b[31m"],
        ["doctor", "--api-url", "http://\x1b[31m/"],
        ["whoami", "--api-key-file", "/\x1b[31m"],
        ["completion", "\x1b[31m"],
    ],
    ids=str,
)
def test_errors_headers_and_raw_bodies(seen: dict[str, str], words: list[str]) -> None:
    with FaultServer(evil) as server:
        shown(*words, environment={**seen, "SEGOPS_API_URL": server.url})


def test_bad_lines_and_events_on_a_terminal(seen: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "events"
    file.write_text(
        json.dumps({"user_id": EVIL, "event_type": EVIL, "payload": {EVIL: EVIL}}, ensure_ascii=False)
        + "\n"
        + json.dumps({"user_id": "u", "event_type": "t", EVIL: 1, "x": EVIL})
        + "\n\x1b[31m\n"
    )
    text = shown("send", str(file), "--api-url", "stdout:", environment=seen)
    assert "2 of 3 events were dropped" in text


def test_a_spool_on_a_terminal(seen: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir(mode=0o700)
    spool = tmp_path / "spool" / "events"
    with SegOpsClient("http://127.0.0.1:9", "sk_1", spool=spool) as client:
        client.track(user_id=HARMLESS, event_type=EVIL, payload={EVIL: EVIL})
        client.shutdown(0.01)
    text = shown("spool", "export", "--path", str(spool), environment=seen)
    assert json.loads(text)["event_type"] == EVIL
    shown("spool", "inspect", "--path", str(spool), environment=seen)


def test_a_csv_in_a_file_is_data_and_safe_on_request(run: Run) -> None:
    names = ["=HYPERLINK(1)", "+1-2", "-5", "-1.5", "@SUM(A1)", "\t=1", " =1", "=1", "plain", "a=b", EVIL, None, -7]
    page = {"count": 1, "next": None, "previous": None, "results": [{"=id": 1, "name": name} for name in names]}
    with FaultServer(*[respond(200, json.dumps(page).encode())] * 2) as server:
        more = {"SEGOPS_API_URL": server.url, "SEGOPS_API_KEY": "sk_1", "PYTHONUTF8": "1"}
        data = run("segments", "list", "-o", "csv", **more).stdout
        safe = run("segments", "list", "-o", "csv", "--safe-csv", **more).stdout
        refused = run("segments", "list", "-o", "json", "--safe-csv", **more)
    plain = [row[1] for row in csv.reader(io.StringIO(data, newline=""))]
    assert plain[:11] == ["name", *names[:10]]
    quoted = [row[1] for row in csv.reader(io.StringIO(safe, newline=""))]
    changed = {f"'{before}" for before in plain} & set(quoted)
    assert changed == {"'=HYPERLINK(1)", "'+1-2", "'@SUM(A1)", "'\t=1", "' =1", "'=1"}
    assert safe.startswith("'=id,name\n")
    assert (refused.returncode, "--safe-csv" in refused.stderr) == (2, True)


def test_the_words_of_a_proxy_are_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(call: Call) -> None:
        call.read()
        call.peer.send(b"HTTP/1.1 503 no\x1b[2J\x9b31m way\r\nContent-Length: 0\r\n\r\n")

    errors: list[Exception] = []
    with FaultServer(refuse) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        with SegOpsClient("https://segops.example", "sk_1", on_error=errors.append) as client:
            client.track(user_id="u", event_type="t")
            client.flush(1)
            client.shutdown(0.1)
    assert isinstance(errors[0], SegOpsTransportError)
    assert not STEERING.findall(str(errors[0]))


def test_event_types_and_answers_of_the_local_segops(
    seen: dict[str, str], local: LocalSegOps, server: LocalServer, tmp_path: Path
) -> None:
    with SegOpsClient(server.url, local.secret_key) as client:
        client.track(user_id=EVIL.replace("\0", ""), event_type=EVIL.replace("\0", ""), payload={"x": EVIL})
    assert local.summary().events == 1
    for form in FORMS:
        shown(
            "users",
            "list",
            "-o",
            form,
            environment={**seen, "SEGOPS_API_URL": server.url, "SEGOPS_API_KEY": local.secret_key},
        )
    database = tmp_path / "db"
    with (
        LocalSegOps(str(database)) as kept,
        LocalServer(kept) as other,
        SegOpsClient(other.url, kept.secret_key) as client,
    ):
        client.track(user_id="u", event_type="x\x1b[2J")
    shown("demo", "--limit", "3", "--db", str(database), environment=seen)
