"""Bad input and bad servers get an exit code and a message that says what to do, without a traceback."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from segops import SegOpsAdmin
from segops.emulator import LocalSegOps, LocalServer
from tests.rig.fault_server import Call, Fault, FaultServer, cut, hang_up, hold, raw, respond
from tests.rig.programs import SEGOPS, Run, unmeasured
from tests.rig.waiting import wait_until

BINARY = b"\x89PNG\r\n\x1a\n\x00\x00\xff"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["segments"], "VERB"),
        (["segments", "nonsense"], "nonsense"),
        (["segments", "get"], "ID is missing"),
        (["segments", "get", "1", "2"], "too many arguments: '2'"),
        (["segments", "get", "1", "--nonsense=1"], "unknown option --nonsense=1"),
        (["segments", "get", "-x"], "unknown option -x"),
        (["segments", "list", "--=1"], "unknown option --=1"),
        (["segments", "list", "--page=x"], "--page must be a whole number, got 'x'"),
        (["segments", "list", "-o", "xml"], "xml"),
        (["segments", "list", "-o"], "expected one argument"),
        (["segments", "list", "--request-timeout=0"], "must be a number of seconds above 0"),
        (["segments", "list", "--request-timeout=x"], "must be a number of seconds above 0"),
        (["segments", "list", "--max-retries=-1"], "must be a whole number"),
        (["identity", "merge", "a"], "INTO-USER-ID is missing"),
        (["api", "GET", "segments/"], "must start with a single /"),
        (["api", "GET", "/segments/../users/"], "a . or .. segment"),
        (["api", "G3T", "/segments/"], "unsupported HTTP method"),
        (["completion", "tcsh"], "tcsh"),
    ],
)
def test_words_that_cannot_be_used(ask: Run, local: LocalSegOps, words: list[str], message: str) -> None:
    done = ask(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert local.requests() == []


@pytest.mark.parametrize("number", ["", ".", ".."])
def test_ids_that_cannot_stand_in_a_path(ask: Run, local: LocalSegOps, number: str) -> None:
    done = ask("segments", "get", number)
    assert (done.returncode, done.stdout) == (2, "")
    assert "must be the id of a record" in done.stderr
    assert local.requests() == []


@pytest.mark.parametrize("number", ["a/b", "%2e%2e", "?x=", "🦊", "99", "x" * 3000, "-5"])
def test_ids_of_nothing_are_not_found(ask: Run, local: LocalSegOps, number: str) -> None:
    done = ask("segments", "get", number)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.endswith(" not found (404)\n")
    assert len(local.requests()) == 1
    assert local.requests()[0].path.startswith("/api/segments/")


def test_an_id_that_looks_like_a_flag_goes_after_two_hyphens(ask: Run) -> None:
    assert ask("users", "events", "--limit=1", "--", "--yes").returncode == 3


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "No such file"),
        (b"", "is empty"),
        (b"name: x", "is not valid JSON"),
        (b'{"name": ', "is not valid JSON"),
        (BINARY, "is not valid JSON"),
        (b'["name"]', "must contain a JSON object"),
        (b"[" * 100_000, "is not valid JSON"),
    ],
)
def test_bodies_that_are_no_json(
    ask: Run, local: LocalSegOps, tmp_path: Path, content: bytes | None, message: str
) -> None:
    file = tmp_path / "body.json"
    if content is not None:
        file.write_bytes(content)
    done = ask("segments", "create", "-f", str(file))
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert local.requests() == []


def test_a_file_with_a_byte_order_mark_is_json(ask: Run, tmp_path: Path) -> None:
    (tmp_path / "body.json").write_bytes(b'\xef\xbb\xbf{"name": "x"}')
    done = ask("segments", "create", str(tmp_path / "body.json"), "--description=y", "--name=z")
    assert (json.loads(done.stdout)["name"], json.loads(done.stdout)["description"]) == ("z", "y")


def test_a_directory_is_no_file(ask: Run, tmp_path: Path) -> None:
    for words in (
        ["segments", "create", str(tmp_path)],
        ["products", "import", str(tmp_path)],
        ["send", str(tmp_path)],
        ["segments", "export", "1", "--to", str(tmp_path)],
        ["segments", "download-export", "1", str(tmp_path)],
        ["segments", "list", "--api-key-file", str(tmp_path)],
    ):
        done = ask(*words)
        assert (done.returncode, done.stdout) == (2, ""), words
        assert "directory" in done.stderr


def test_a_file_is_given_once(ask: Run, tmp_path: Path) -> None:
    (tmp_path / "body.json").write_text("{}")
    name = str(tmp_path / "body.json")
    assert "given twice" in ask("segments", "create", name, "-f", name).stderr
    assert ask("segments", "create", name, "-f", name).returncode == 2


@pytest.mark.parametrize(("content", "message"), [(None, "cannot be read"), (b"", "is empty"), (BINARY, "not a CSV")])
def test_files_that_are_no_csv(
    ask: Run, local: LocalSegOps, tmp_path: Path, content: bytes | None, message: str
) -> None:
    file = tmp_path / "products.csv"
    if content is not None:
        file.write_bytes(content)
    done = ask("products", "import", str(file))
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert local.requests() == []


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("", "api_key is missing: pass a secret key (sk_…) or set SEGOPS_API_KEY"),
        ("pk_live_1", "requires a secret key (sk_…)"),
        ("mk_1", "requires a secret key (sk_…)"),
        ("nonsense", "requires a secret key (sk_…)"),
        ("sk_\u00e9", "copy it again"),
    ],
)
def test_keys_that_cannot_be_used(ask: Run, local: LocalSegOps, key: str, message: str) -> None:
    done = ask("segments", "list", SEGOPS_API_KEY=key)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert "pk_live_1" not in done.stderr
    assert local.requests() == []


def test_the_key_may_be_in_a_file(ask: Run, local: LocalSegOps, server: LocalServer, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{local.secret_key}\n")
    words = ["segments", "list", "--api-key-file", str(tmp_path / "key"), f"--api-url={server.url}/api/"]
    assert ask(*words, SEGOPS_API_KEY="", SEGOPS_API_URL="").returncode == 0
    (tmp_path / "key").write_text("sk_wrong")
    done = ask(*words)
    assert (done.returncode, done.stdout) == (4, "")
    assert "check the API key" in done.stderr


HTML = b"<html><body>Welcome to nginx</body></html>"
PAGE = {"Content-Type": "text/html"}


@pytest.mark.parametrize(
    ("fault", "code", "message"),
    [
        (respond(200, HTML, PAGE), 1, "check that the base URL points to a SegOps API"),
        (respond(200, b""), 1, "check that the base URL points to a SegOps API"),
        (respond(200, b'{"count": 1, "resu'), 1, "check that the base URL points to a SegOps API"),
        (respond(502, HTML, PAGE), 1, "this is a server error"),
        (respond(302, b"", {"Location": "https://example.org/"}), 1, "check the URL"),
        (respond(400, b'{"detail": "bad"}'), 1, "bad"),
        (respond(401, b"{}"), 4, "check the API key"),
        (respond(403, b"{}"), 4, "use another one"),
        (respond(404, HTML, PAGE), 3, "check the URL"),
        (respond(429, b"{}", {"Retry-After": "1"}), 6, "wait a minute"),
        (hang_up(), 5, "check the URL, and that the server is running"),
        (cut(len(raw(200)) - 4, raw(200)), 5, "check the URL, and that the server is running"),
        (hold(), 7, "allow more time"),
    ],
)
def test_servers_that_answer_badly(run: Run, fault: Fault, code: int, message: str) -> None:
    with FaultServer(fault) as server:
        words = ["--max-retries=0", "--request-timeout=3", "--api-url", server.url]
        done = run("segments", "list", *words, SEGOPS_API_KEY="sk_1")
    assert (done.returncode, done.stdout) == (code, "")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_work_that_takes_too_long(run: Run) -> None:
    pending = respond(200, b'{"export_id": 4, "id": 4, "status": "pending"}')
    with FaultServer(*[pending] * 20) as server:
        words = ["segments", "export", "1", "--wait", "--timeout=0.1", "--api-url", server.url]
        done = run(*words, SEGOPS_API_KEY="sk_1")
    assert (done.returncode, done.stdout) == (7, "")
    assert "check again later" in done.stderr


def test_a_bad_second_page_leaves_no_half_document(run: Run) -> None:
    first = respond(200, b'{"count": 2, "next": "/api/segments/?page=2", "results": [{"id": 1}]}')
    with FaultServer(first, respond(500, b"{}")) as server:
        words = ["segments", "list", "--all", "--max-retries=0", "--api-url", server.url]
        done = run(*words, SEGOPS_API_KEY="sk_1")
    assert (done.returncode, done.stdout) == (1, "")


def half(call: Call) -> None:
    """Send half of a file and no more."""
    call.read()
    call.peer.send(raw(200, b"u-1\n" * 50_000)[:100_000])
    call.peer.wait_until_gone(call.server.stopping)


@pytest.mark.parametrize("words", [["segments", "download-export", "4"], ["segments", "export", "4", "--to"]])
def test_an_interrupted_download_leaves_no_file(
    environment: Mapping[str, str], tmp_path: Path, words: list[str]
) -> None:
    job = respond(200, b'{"export_id": 4, "status": "complete"}')
    folder = tmp_path / "downloads"
    folder.mkdir()
    with FaultServer(*([job] if "export" in words else []), half) as server:
        more = {"SEGOPS_API_URL": server.url, "SEGOPS_API_KEY": "sk_1"}
        with subprocess.Popen(
            [*SEGOPS, *words, str(folder / "members.csv")],
            env={**unmeasured(environment), **more},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert wait_until(lambda: any(file.stat().st_size for file in folder.iterdir()))
            process.send_signal(signal.SIGINT)
            output, complaint = process.communicate(timeout=100)
    assert (process.returncode, output, complaint) == (130, "", "segops: interrupted\n")
    assert list(folder.iterdir()) == []


def test_rows_that_are_not_taken_are_reported(ask: Run, local: LocalSegOps, server: LocalServer) -> None:
    done = ask("products", "bulk-upsert", '[{"sku": "A", "name": "A"}, {"name": "no sku"}, 7]')
    assert done.returncode == 1
    assert json.loads(done.stdout)["created"] == 1
    assert [error["index"] for error in json.loads(done.stdout)["errors"]] == [1, 2]
    assert "2 rows were rejected" in done.stderr
    with SegOpsAdmin(local.secret_key, base_url=server.url) as admin:
        assert [product.sku for product in admin.products.iterate()] == ["A"]
