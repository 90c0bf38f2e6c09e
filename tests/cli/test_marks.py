"""Byte order marks and other encodings in the files that commands read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.rig.programs import Run

BOM = b"\xef\xbb\xbf"


def test_a_key_may_come_from_notepad(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "key.txt"
    (tmp_path / "events").write_text('{"user_id": "u", "event_type": "a_b"}\n')
    for content in (BOM + b"sk_test_x\r\n", b"sk_test_x\n", b"  sk_test_x"):
        file.write_bytes(content)
        done = run("send", str(tmp_path / "events"), "--api-url", "memory:", "--api-key-file", str(file))
        assert done.returncode == 0, done.stderr
    file.write_bytes("sk_test_x\r\n".encode("utf-16"))
    done = run("send", str(tmp_path / "events"), "--api-url", "memory:", "--api-key-file", str(file))
    assert (done.returncode, "UTF-16: save it as UTF-8" in done.stderr) == (2, True)
    assert "sk_test" not in done.stderr
    done = run("send", str(tmp_path / "events"), "--api-url", "memory:", SEGOPS_API_KEY="\ufeffsk_test_x\r\n")
    assert done.returncode == 0, done.stderr


BODIES = {
    "argument": ["segments", "create", "{file}"],
    "flag": ["segments", "create", "-f", "{file}"],
    "api": ["api", "POST", "/segments/", "-f", "{file}"],
}


@pytest.mark.parametrize("words", BODIES.values(), ids=BODIES)
def test_a_body_may_have_a_mark_and_no_other_encoding(ask: Run, tmp_path: Path, words: list[str]) -> None:
    file = tmp_path / "body.json"
    words = [word.replace("{file}", str(file)) for word in words]
    file.write_bytes(BOM + b'{"name": "Big"}\r\n')
    assert json.loads(ask(*words).stdout)["name"] == "Big"
    for content, message in (
        (json.dumps({"name": "x"}).encode("utf-16"), "UTF-16"),
        (b"\x1f\x8bxx", "gzip"),
        (b'{"name": "\xe4"}', "byte 10"),
    ):
        file.write_bytes(content)
        done = ask(*words)
        assert (done.returncode, message in done.stderr) == (2, True), done.stderr


def test_a_file_of_seeds_and_of_purchases(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "events"
    file.write_bytes(BOM + b'{"user_id": "u", "event_type": "a_b"}\n')
    assert run("dev", "run", "--seed", str(file), "--", "true").stderr.endswith("s\n")
    file.write_bytes(BOM + b"00004 1 19970101 2 29.33\r\n")
    assert run("demo", "--data", str(file)).returncode == 0
    file.write_bytes("00004 1 19970101 2 29.33\r\n".encode("utf-16"))
    assert "UTF-16" in run("demo", "--data", str(file)).stderr


def test_options_for_files_need_one(run: Run) -> None:
    for words in (["--enrich"], ["--ignore-key=x"], ["--seed", "cdnow", "--enrich"]):
        done = run("dev", "run", *words, "--", "true")
        assert (done.returncode, "apply to a file of events" in done.stderr) == (2, True)
