"""FileTransport and StdoutTransport write one event per line, whatever happens meanwhile."""

from __future__ import annotations

import fcntl
import io
import json
import os
import stat
import subprocess
import sys
import threading
import time
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from segops.core import (
    BATCH_PATH,
    SESSION_PATH,
    SINGLE_PATH,
    Request,
    SegOpsConfigError,
    SegOpsTimeoutError,
    SegOpsTransportError,
)
from segops.transports.ndjson import FileTransport, StdoutTransport

LONG = 60.0


def batch(*events: str) -> Request:
    return Request("POST", BATCH_PATH, {}, f'{{"events":[{",".join(events)}]}}'.encode())


def test_each_event_is_a_line_exactly_as_it_was_encoded(tmp_path: Path) -> None:
    transport = FileTransport(tmp_path / "events.ndjson")
    response = transport.send(batch('{"user_id": "zoë",  "n": 1.50}', '{"a":"\\n\\u00e9"}'), timeout=LONG)
    assert (response.status, json.loads(response.body)) == (202, {"queued": 2, "skipped": 0})
    response = transport.send(Request("POST", SINGLE_PATH, {}, b'{"user_id":"u"}'), timeout=LONG)
    assert (response.status, json.loads(response.body)) == (202, {"queued": True})
    assert (tmp_path / "events.ndjson").read_text() == (
        '{"user_id": "zoë",  "n": 1.50}\n{"a":"\\n\\u00e9"}\n{"user_id":"u"}\n'
    )
    assert stat.S_IMODE((tmp_path / "events.ndjson").stat().st_mode) == 0o600


def test_newlines_between_tokens_do_not_break_the_line(tmp_path: Path) -> None:
    FileTransport(tmp_path / "e").send(batch('{\r\n  "a": 1\n}', "{}"), timeout=LONG)
    assert [json.loads(line) for line in (tmp_path / "e").read_text().splitlines()] == [{"a": 1}, {}]


def test_an_empty_batch_writes_nothing(tmp_path: Path) -> None:
    assert FileTransport(tmp_path / "e").send(batch(), timeout=LONG).status == 202
    assert not (tmp_path / "e").exists()


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"events":1}', b'{"other":[]}', b'{"events":[1]}'])
def test_a_broken_batch_is_responseed_with_400(body: bytes, tmp_path: Path) -> None:
    response = FileTransport(tmp_path / "e").send(Request("POST", BATCH_PATH, {}, body), timeout=LONG)
    assert response.status == 400
    assert "detail" in json.loads(response.body)


@pytest.mark.parametrize(
    "request_", [Request("GET", "/api/segments/"), Request("POST", SESSION_PATH), Request("GET", BATCH_PATH)]
)
def test_anything_but_events_is_an_error(request_: Request, tmp_path: Path) -> None:
    with pytest.raises(SegOpsTransportError, match="accepts only events"):
        FileTransport(tmp_path / "e").send(request_, timeout=LONG)


def test_a_disk_error_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(SegOpsTransportError, match="missing") as caught:
        FileTransport(tmp_path / "missing" / "e").send(batch("{}"), timeout=LONG)
    assert isinstance(caught.value.__cause__, FileNotFoundError)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_an_error() -> None:
    with pytest.raises(SegOpsTransportError, match="No space left"):
        FileTransport("/dev/full").send(batch("{}"), timeout=LONG)


def test_a_disk_that_gets_full_within_a_request_leaves_none_of_it(tmp_path: Path) -> None:
    program = """
import resource, sys
from segops.core import BATCH_PATH, Request, SegOpsTransportError
from segops.transports.ndjson import FileTransport
transport, request = FileTransport("e"), Request("POST", BATCH_PATH, {}, b'{"events":[{"n":1},{"n":2},{"n":3}]}')
transport.send(request, timeout=60)
resource.setrlimit(resource.RLIMIT_FSIZE, (36, resource.RLIM_INFINITY))  # in the middle of the fifth line
try:
    transport.send(request, timeout=60)
except SegOpsTransportError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
transport.send(request, timeout=60)
"""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=True)
    assert "File too large" in done.stdout
    lines = (tmp_path / "e").read_text().splitlines()
    assert [json.loads(line)["n"] for line in lines] == [1, 2, 3, 1, 2, 3], "no event twice"


def test_a_torn_line_does_not_spoil_the_next(tmp_path: Path) -> None:
    (tmp_path / "e").write_bytes(b'{"user_id":"to')
    FileTransport(tmp_path / "e").send(batch('{"a":1}'), timeout=LONG)
    assert (tmp_path / "e").read_bytes() == b'{"user_id":"to\n{"a":1}\n'


def test_a_file_that_was_moved_away_is_recreated_also_after_close(tmp_path: Path) -> None:
    transport = FileTransport(tmp_path / "e")
    transport.send(batch('{"a":1}'), timeout=LONG)
    (tmp_path / "e").rename(tmp_path / "e.old")
    transport.close()
    transport.send(batch('{"a":2}'), timeout=LONG)
    assert (tmp_path / "e").read_bytes() == b'{"a":2}\n'


def test_a_relative_path_stays_where_it_was_after_chdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    transport = FileTransport("e")
    monkeypatch.chdir(tmp_path / "elsewhere")
    transport.send(batch("{}"), timeout=LONG)
    assert (tmp_path / "e").exists()


# Rotation


def test_files_rotate_before_they_grow_too_large(tmp_path: Path) -> None:
    transport = FileTransport(tmp_path / "e", max_bytes=20, backups=2)
    for number in range(7):
        transport.send(batch(f'{{"n":{number}}}'), timeout=LONG)  # 8 bytes: two to a file
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "e": '{"n":6}\n',
        "e.1": '{"n":4}\n{"n":5}\n',
        "e.2": '{"n":2}\n{"n":3}\n',
    }


def test_a_request_larger_than_a_file_still_goes_into_one(tmp_path: Path) -> None:
    transport = FileTransport(tmp_path / "e", max_bytes=10)
    transport.send(batch('{"n":1}', '{"n":2}'), timeout=LONG)
    transport.send(batch('{"n":3}', '{"n":4}'), timeout=LONG)
    assert (tmp_path / "e.1").read_text() == '{"n":1}\n{"n":2}\n'
    assert (tmp_path / "e").read_text() == '{"n":3}\n{"n":4}\n'


@pytest.mark.parametrize("max_bytes", [None, 3000])
def test_threads_transports_and_processes_share_a_file(max_bytes: int | None, tmp_path: Path) -> None:
    def write(writer: int) -> None:
        transport = FileTransport(tmp_path / "e", max_bytes=max_bytes, backups=1000)
        for number in range(50):
            transport.send(batch(f'{{"w":{writer},"n":{number}}}', '{"filler":"' + "x" * 50 + '"}'), timeout=LONG)

    child = os.fork()
    if not child:
        status = 1
        try:
            write(0)
            status = 0
        finally:
            os._exit(status)
    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert os.waitpid(child, 0)[1] == 0
    files = list(tmp_path.iterdir())
    events = [json.loads(line) for path in files for line in path.read_text().splitlines()]
    written = sorted((event["w"], event["n"]) for event in events if "w" in event)
    assert written == [(writer, number) for writer in range(5) for number in range(50)]
    assert (len(files) > 1) == (max_bytes is not None)


def test_a_file_that_stays_locked_is_a_timeout(tmp_path: Path) -> None:
    transport = FileTransport(tmp_path / "e", max_bytes=100)
    with (tmp_path / "e").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(SegOpsTimeoutError, match="locked"):
            transport.send(batch("{}"), timeout=0.05)
    assert transport.send(batch("{}"), timeout=LONG).status == 202


def test_a_file_that_is_moved_away_while_waiting_for_it_is_left_alone(tmp_path: Path) -> None:
    with (tmp_path / "e").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        sender = threading.Thread(
            target=FileTransport(tmp_path / "e").send, args=(batch("{}"),), kwargs={"timeout": LONG}
        )
        sender.start()
        time.sleep(0.1)  # long enough to have opened the file
        (tmp_path / "e").rename(tmp_path / "e.old")
    sender.join()
    assert (tmp_path / "e.old").read_bytes() == b""
    assert (tmp_path / "e").read_bytes() == b"{}\n"


# URLs


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("file:/tmp/a%20b", "file:/tmp/a b"),
        ("file:///tmp/e?max_bytes=10&backups=2", "file:/tmp/e"),
        ("file://localhost/tmp/e", "file:/tmp/e"),
        ("file:e", f"file:{Path.cwd()}/e"),
    ],
)
def test_a_good_url(url: str, shown: str) -> None:
    assert repr(FileTransport.from_url(url)) == f"FileTransport({shown!r})"


def test_the_options_of_a_url_count(tmp_path: Path) -> None:
    transport = FileTransport.from_url(f"file:{tmp_path}/e?max_bytes=10&backups=1")
    for number in range(5):
        transport.send(batch(f'{{"n":{number}}}'), timeout=LONG)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["e", "e.1"]


@pytest.mark.parametrize(
    "url",
    [
        "file:",
        "file://",
        "file://events.ndjson",
        "file:e?max_bytes=ten",
        "file:e?max_bytes=",
        "file:e?max_bytes=-1",
        "file:e?max_bytes=0",
        "file:e?backups=0",
        "file:e?mode=600",
        "file:e%00f",
    ],
)
def test_a_bad_url_is_an_error(url: str) -> None:
    with pytest.raises(SegOpsConfigError):
        FileTransport.from_url(url)


# Standard output


def test_stdout_gets_the_lines(capfd: pytest.CaptureFixture[str]) -> None:
    transport = StdoutTransport.from_url("stdout:")
    print("before", end=" ")  # noqa: T201 - shares the stream
    assert transport.send(batch('{"user_id":"zoë"}', "{}"), timeout=LONG).status == 202
    assert capfd.readouterr().out == 'before {"user_id":"zoë"}\n{}\n'
    assert repr(transport) == "StdoutTransport('stdout:')"


def test_stdout_may_be_text_only() -> None:
    with redirect_stdout(io.StringIO()) as out:
        StdoutTransport().send(batch('{"user_id":"zoë"}'), timeout=LONG)
    assert out.getvalue() == '{"user_id":"zoë"}\n'


def test_a_closed_stdout_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO())
    stream.close()
    for closed in (stream, None):
        monkeypatch.setattr(sys, "stdout", closed)
        with pytest.raises(SegOpsTransportError, match="stdout: cannot be written"):
            StdoutTransport().send(batch("{}"), timeout=LONG)


def test_stdout_takes_no_options() -> None:
    with pytest.raises(SegOpsConfigError, match="write stdout:"):
        StdoutTransport.from_url("stdout:x")
