"""Files for `segops send`: byte order marks, gzip, JSON arrays, and events of other products."""

from __future__ import annotations

import gzip
import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import zstandard

from segops import SegOpsClient
from segops.emulator import LocalSegOps, LocalServer
from tests.rig.plugins import SitePackages
from tests.rig.programs import SEGOPS, Run

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
