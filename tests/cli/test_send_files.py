"""Files for `segops send`: byte order marks, gzip, JSON arrays, and events of other products."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import zstandard

from segops import SegOpsClient
from segops.emulator import LocalSegOps, LocalServer
from tests.rig.fault_server import FaultServer
from tests.rig.plugins import SitePackages
from tests.rig.programs import SEGOPS, Run
from tests.rig.terminal import on_terminal
from tests.rig.waiting import wait_until

BOM = b"\xef\xbb\xbf"
ONE = b'{"user_id":"u1","event_type":"order_placed"}'
TWO = b'{"user_id":"u2","event_type":"order_placed"}'
LINES = ONE + b"\n" + TWO + b"\n"
ARRAY = b"[" + ONE + b",\n " + TWO + b"]"

READABLE = {
    "mark": BOM + LINES,
    "mark and CRLF": BOM + LINES.replace(b"\n", b"\r\n"),
    "mark on each line, as of joined files": BOM + ONE + b"\n" + BOM + TWO + b"\n",
    "mark on a line of its own": BOM + b"\n\n" + LINES,
    "no line break at the end": LINES.rstrip(),
    "array": ARRAY,
    "array with a mark": BOM + ARRAY,
    "array after blank lines": b"\n  \n" + ARRAY,
    "pretty array": json.dumps(json.loads(ARRAY), indent=2).encode(),
    "body of a request": b'{\n"events": ' + ARRAY + b"\n}",
    "gzip": gzip.compress(LINES),
    "gzip of an array": gzip.compress(BOM + ARRAY),
    "zstd": zstandard.compress(LINES),
    "zstd of an array": zstandard.compress(BOM + ARRAY),
    "zstd in two frames": zstandard.compress(ONE + b"\n") + zstandard.compress(TWO + b"\n"),
    "gzip in two members": gzip.compress(ONE + b"\n") + gzip.compress(TWO + b"\n"),
}

NAMED = {
    "UTF-16 of PowerShell": (LINES.decode().encode("utf-16"), "UTF-16: save it as UTF-8"),
    "UTF-16 big-endian": (b"\xfe\xff" + LINES.decode().encode("utf-16-be"), "UTF-16: save it as UTF-8"),
    "UTF-16 without a mark": (LINES.decode().encode("utf-16-le"), "UTF-16"),
    "UTF-16 in gzip": (gzip.compress(LINES.decode().encode("utf-16")), "UTF-16"),
    "zip": (b"PK\x03\x04" + LINES, "a ZIP archive: unpack it first"),
    "zstd that is damaged": (b"\x28\xb5\x2f\xfd" + LINES, "to the end ("),
    "array that breaks off": (ARRAY[:-5], "neither JSON ("),
    "pretty objects, one after another": (b'{\n"user_id": "u1"\n}\n{\n"user_id": "u2"\n}\n', "`jq -c`"),
    "gzip that breaks off at once": (gzip.compress(LINES)[:12], "to the end ("),
    "gzip that breaks off": (gzip.compress(LINES) + gzip.compress(LINES * 20_000)[:-100], "nothing was sent; get a"),
    "zstd that breaks off": (zstandard.compress(LINES * 20_000)[:-10], "nothing was sent; get a complete copy"),
    "zstd that breaks off in its second frame": (
        zstandard.compress(LINES) + zstandard.compress(LINES)[:-1],
        "before the end of its last zstd frame",
    ),
}

FOREIGN: dict[str, list[dict[str, Any]]] = {
    "Segment": [
        {"type": "track", "userId": "u", "event": "Order", "properties": {"a": 1}, "timestamp": "2026-01-01T00:00:00Z"},
        {"messageId": "m", "type": "identify", "userId": "u", "traits": {}},
        {"anonymousId": "a", "event": "Order", "properties": {}},
    ],
    "Mixpanel": [{"event": "Order", "properties": {"distinct_id": "u", "time": 1700000000, "$insert_id": "i"}}],
    "PostHog": [
        {"event": "$pageview", "distinct_id": "u", "properties": {}, "timestamp": "2026-01-01T00:00:00Z"},
        {"event": "x", "properties": {"distinct_id": "u"}, "timestamp": "2026-01-01T00:00:00Z"},
    ],
    "Amplitude": [
        {"user_id": "u", "event_type": "a_b", "event_time": "2026-01-01 00:00:00", "event_properties": {"a": 1}},
        {"device_id": "d", "event_type": "a_b", "time": 1700000000000, "insert_id": "i"},
    ],
}


def piped(environment: Mapping[str, str], server: LocalServer, key: str, content: bytes) -> dict[str, Any]:
    done = subprocess.run(
        [*SEGOPS, "send", "-"],
        input=content,
        env={**environment, "SEGOPS_API_URL": server.url, "SEGOPS_API_KEY": key},
        capture_output=True,
        timeout=100,
        check=False,
    )
    return {**json.loads(done.stdout), "code": done.returncode}


@pytest.mark.parametrize("content", READABLE.values(), ids=READABLE)
def test_events_are_read_however_they_were_written(  # noqa: PLR0917 - a fixture a column
    ask: Run,
    environment: Mapping[str, str],
    local: LocalSegOps,
    server: LocalServer,
    tmp_path: Path,
    content: bytes,
) -> None:
    (tmp_path / "events").write_bytes(content)
    done = ask("send", str(tmp_path / "events"))
    assert (done.returncode, json.loads(done.stdout)["delivered"]) == (0, 2), done.stderr
    report = piped(environment, server, local.secret_key, content)
    assert (report["code"], report["delivered"]) == (0, 2)
    assert local.summary().events == 4


@pytest.mark.parametrize(("content", "message"), NAMED.values(), ids=NAMED)
def test_what_cannot_be_read_is_named(
    ask: Run, local: LocalSegOps, tmp_path: Path, content: bytes, message: str
) -> None:
    (tmp_path / "events").write_bytes(content)
    done = ask("send", str(tmp_path / "events"))
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert local.summary().events == 0


def test_what_came_before_a_damage_in_a_stream_is_sent_and_told(
    environment: Mapping[str, str], server: LocalServer, local: LocalSegOps
) -> None:
    content = gzip.compress(LINES) + gzip.compress(LINES * 20_000)[:-100]
    report = piped(environment, server, local.secret_key, content)
    assert report["code"] == 1
    assert report["delivered"] == local.summary().events > 2


def test_a_stream_is_sent_while_it_goes_on(environment: Mapping[str, str]) -> None:
    with FaultServer() as server:
        more = {"SEGOPS_API_URL": server.url, "SEGOPS_API_KEY": "sk_test_1"}
        with subprocess.Popen(
            [*SEGOPS, "send", "-"], env={**environment, **more}, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as process:
            assert process.stdin is not None
            for count in (1, 2):
                process.stdin.write(LINES)
                process.stdin.flush()
                assert wait_until(lambda: len(server.journal) == count)  # noqa: B023 - it is called at once
            out, _ = process.communicate(LINES, timeout=100)
    assert json.loads(out)["delivered"] == 6
    assert len(server.journal) == 3


@pytest.mark.parametrize("words", [["one", "two"], ["two", "one"]])
def test_several_files_are_sent_in_their_order(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "one").write_bytes(LINES + b"nonsense\n")
    (tmp_path / "two").write_bytes(gzip.compress(b"[" + TWO.replace(b"u2", b"u3") + b", 7]"))
    with FaultServer() as server:
        done = run("send", *words, SEGOPS_API_URL=server.url, SEGOPS_API_KEY="sk_test_1")
    report = json.loads(done.stdout)
    assert (done.returncode, report["files"], report["delivered"], report["dropped"]) == (1, words, 3, {"invalid": 2})
    assert {(bad["file"], bad.get("line") or bad.get("item")) for bad in report["bad_lines"]} == {
        ("one", 3),
        ("two", 2),
    }
    assert "\n  two, item 2: must be a JSON object, got int" in done.stderr
    [request] = server.journal
    users = [event["user_id"] for event in json.loads(request.body)["events"]]
    assert users == (["u1", "u2", "u3"] if words[0] == "one" else ["u3", "u1", "u2"])


@pytest.mark.parametrize("damaged", ["two", "three"])
def test_no_file_is_sent_if_one_cannot_be(ask: Run, local: LocalSegOps, tmp_path: Path, damaged: str) -> None:
    names = [str(tmp_path / name) for name in ("one", "two", "three")]
    for name in names:
        Path(name).write_bytes(gzip.compress(LINES))
    (tmp_path / damaged).write_bytes(gzip.compress(LINES)[:-3])
    done = ask("send", *names)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{damaged}' to the end (" in done.stderr
    assert "get a complete copy of it, or pipe in what is readable: zcat FILE | segops send -" in done.stderr
    assert local.requests() == []


def test_keys_that_a_mapping_does_not_take_are_counted(ask: Run, tmp_path: Path) -> None:
    (tmp_path / "events").write_text("".join(f"{json.dumps(event)}\n" for event in FOREIGN["Segment"]))
    report = json.loads(ask("send", str(tmp_path / "events"), "--map", "segment").stdout)
    assert report["unmapped_keys"] == {"messageId": 1}
    report = json.loads(ask("send", str(tmp_path / "events"), "--map=segment", "--ignore-key=messageId").stdout)
    assert ("unmapped_keys" in report, report["ignored_keys"]) == (False, {"messageId": 1})
    done = ask("send", str(tmp_path / "events"), "--map", "segmant")
    assert (done.returncode, done.stdout) == (2, "")
    assert "cannot map from 'segmant': did you mean segment?" in done.stderr


def test_a_rate_and_the_time_left_are_shown(
    environment: Mapping[str, str], local: LocalSegOps, server: LocalServer, tmp_path: Path
) -> None:
    (tmp_path / "events").write_bytes(LINES * 1000)
    more = {"SEGOPS_API_URL": server.url, "SEGOPS_API_KEY": local.secret_key}
    words = ("send", str(tmp_path / "events"), "--rate=120/min")
    shown = on_terminal(*words, environment={**environment, **more}, columns=120)
    assert shown.code == 0
    assert re.search(r"\] [\d,]+ of 2,000 events, [\d,]+/s, \d+ s left", shown.text)


def test_items_of_an_array_are_counted(ask: Run, tmp_path: Path) -> None:
    (tmp_path / "events.json").write_bytes(b"[" + ONE + b', 7, {"user_id": ""}]')
    done = ask("send", str(tmp_path / "events.json"))
    report = json.loads(done.stdout)
    assert (done.returncode, report["delivered"], report["dropped"]) == (1, 1, {"invalid": 2})
    assert [bad["item"] for bad in report["bad_lines"]] == [2, 3]
    assert "\n  item 2: must be a JSON object, got int" in done.stderr


@pytest.mark.parametrize("product", FOREIGN)
def test_events_of_other_products_are_recognised(ask: Run, local: LocalSegOps, tmp_path: Path, product: str) -> None:
    (tmp_path / "events").write_text("".join(f"{json.dumps(event)}\n" for event in FOREIGN[product]))
    done = ask("send", str(tmp_path / "events"))
    count = len(FOREIGN[product])
    assert (done.returncode, json.loads(done.stdout)["dropped"]) == (1, {"invalid": count})
    assert done.stderr.count(f"an event of {product}: read it with `segops send --map {product.lower()}`") == count
    assert local.summary().events == 0
    done = ask("send", str(tmp_path / "events"), "--map", product.lower())
    assert (done.returncode, json.loads(done.stdout)["delivered"]) == (0, count), done.stderr
    assert local.summary().events == count


def test_an_unknown_key_is_a_bad_line_unless_it_is_to_be_ignored(ask: Run, local: LocalSegOps, tmp_path: Path) -> None:
    file = tmp_path / "events"
    file.write_text('{"userId": "u", "eventType": "a_b", "properties": {"a": 1}, "id": 7}\n' + ONE.decode())
    done = ask("send", str(file))
    assert (done.returncode, json.loads(done.stdout)["delivered"]) == (1, 1)
    assert "properties" in done.stderr
    assert "payload" in done.stderr
    assert "--ignore-key NAME" in done.stderr
    done = ask("send", str(file), "--ignore-key", "properties", "--ignore-key=id", "--ignore-key=never")
    report = json.loads(done.stdout)
    assert (done.returncode, report["delivered"]) == (0, 2)
    assert report["ignored_keys"] == {"properties": 1, "id": 1, "never": 0}
    assert local.summary().events == 3


THIRD_PARTY = """
from dataclasses import dataclass
from segops.core import Enricher, Event, hookimpl

def twice(event):
    return [event, Event(event.user_id, "added", event.occurred_at, {})]

@hookimpl
def segops_register_enrichers():
    return [Enricher(name="twice", enrich=twice, event_types=None)]
"""


def test_what_our_own_files_hold_is_not_enriched_again(
    ask: Run, local: LocalSegOps, site: SitePackages, tmp_path: Path
) -> None:
    file = tmp_path / "events.ndjson"
    with SegOpsClient(f"file:{file}") as client:
        client.track_page_view(user_id="u", url="https://x.example/", referrer="https://chatgpt.com/")
    assert file.read_text().count("ai_referral_session") == 1
    site.add("extra", THIRD_PARTY)
    assert json.loads(ask("send", str(file)).stdout)["delivered"] == 2
    assert local.summary().by_type == {"page_viewed": 1, "ai_referral_session": 1}
    assert json.loads(ask("send", str(file), "--enrich").stdout)["delivered"] > 4


def test_an_export_of_a_spool_is_not_enriched_again(
    ask: Run, environment: Mapping[str, str], local: LocalSegOps, server: LocalServer, tmp_path: Path
) -> None:
    (tmp_path / "spool").mkdir(mode=0o700)
    spool = tmp_path / "spool" / "events"
    with SegOpsClient("http://127.0.0.1:9", local.secret_key, spool=spool) as client:
        client.track_page_view(user_id="u", url="https://x.example/", referrer="https://chatgpt.com/")
        client.shutdown(0.01)
    exported = ask("spool", "export", "--path", str(spool)).stdout.encode()
    assert piped(environment, server, local.secret_key, exported)["delivered"] == 2
    assert local.summary().by_type == {"page_viewed": 1, "ai_referral_session": 1}


def test_what_waits_in_a_spool_goes_nowhere_else(ask: Run, local: LocalSegOps, tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir(mode=0o700)
    spool = tmp_path / "spool" / "events"
    with SegOpsClient("http://127.0.0.1:9", local.secret_key, spool=spool) as client:
        client.track(user_id="u", event_type="spooled")
        client.shutdown(0.01)
    (tmp_path / "events").write_bytes(LINES)
    report = json.loads(ask("send", str(tmp_path / "events"), SEGOPS_SPOOL=str(spool)).stdout)
    assert report["delivered"] == local.summary().events == 2
    assert ask("demo", "--limit", "3", SEGOPS_SPOOL=str(spool)).returncode == 0
    assert "spooled" in ask("spool", "export", "--path", str(spool)).stdout


BROKEN = """
from segops.core import Enricher, hookimpl

@hookimpl
def segops_register_enrichers():
    return [Enricher(name="broken", enrich=lambda event: 1 / 0, event_types=None)]
"""


def test_an_enricher_that_fails_is_reported(run: Run, site: SitePackages, tmp_path: Path) -> None:
    site.add("extra", BROKEN)
    (tmp_path / "events").write_bytes(LINES)
    done = run("send", str(tmp_path / "events"), "--enrich", "--api-url=memory:")
    assert (done.returncode, json.loads(done.stdout)["delivered"]) == (0, 2)
    assert "enricher 'broken' raised ZeroDivisionError" in done.stderr
