"""`segops send --checkpoint`: killed at any moment, it loses nothing and repeats one request at most, byte for byte."""

from __future__ import annotations

import gzip
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pyarrow as pa
import pytest
import zstandard
from pyarrow import parquet

from segops.cli.program import main
from segops.emulator import LocalSegOps
from tests.rig.fault_server import Call, FaultServer, raw, respond
from tests.rig.plugins import SitePackages
from tests.rig.ports import lasting_port
from tests.rig.programs import SEGOPS, Run, unconfigured, unmeasured
from tests.rig.wire import Received

KILLS = int(os.environ.get("SEGOPS_KILL_ROUNDS", "10"))
FEW = 3
BATCH = 500
POISON = b'"payload":{"is_poison":true}'

Start = Callable[..., "subprocess.Popen[str]"]


class Accepted(NamedTuple):
    """A request that the server accepted.

    Attributes:
        run: Which run of the program it came from.
        key: Its Idempotency-Key.
        body: Its body.
    """

    run: int
    key: str
    body: bytes

    @property
    def events(self) -> list[tuple[str, str]]:
        return [(event["user_id"], event["event_type"]) for event in msgspec.json.decode(self.body)["events"]]


class Killer:
    """A server that counts, refuses batches with poison, and kills its client at a request of each run."""

    def __init__(self, seed: int) -> None:
        self.accepted: list[Accepted] = []
        self.refused: list[Accepted] = []
        self.kills = Counter[str]()
        self._random = random.Random(seed)
        self._run = 0
        self._victim: subprocess.Popen[str] | None = None
        self._left = 0
        self._moment = ""

    def aim(self, victim: subprocess.Popen[str], *, spare: bool) -> None:
        """Expect requests of a new run, and kill it at the n-th, unless it is to be spared."""
        self._run += 1
        self._victim = victim
        self._left = 10**9 if spare else self._random.randint(1, 4)
        self._moment = self._random.choice(["unread", "unanswered", "answered", "later"])

    def __call__(self, call: Call) -> None:
        self._left -= 1
        moment = self._moment if self._left == 0 else ""
        if moment == "unread":
            self._kill(call)
            return
        received = call.read()
        is_accepted = POISON not in received.body
        request = Accepted(self._run, received.headers["idempotency-key"], received.body)
        (self.accepted if is_accepted else self.refused).append(request)
        if moment == "unanswered":
            self._kill(call)
            return
        call.peer.send(raw(202 if is_accepted else 400))
        if moment == "later":
            time.sleep(self._random.random() * 0.01)
        if moment:
            self._kill(call)

    def _kill(self, call: Call) -> None:
        assert self._victim is not None
        self.kills[self._moment] += 1  # first: the next run begins when the victim is dead
        self._victim.kill()
        call.peer.close()


@pytest.fixture
def start(environment: Mapping[str, str]) -> Start:
    def start_segops(*words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*SEGOPS, "send", *words, "--patience=30"],
            env={**unmeasured(environment), "SEGOPS_API_KEY": "sk_test_1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start_segops


def event(number: int, *, is_poison: bool = False) -> dict[str, Any]:
    payload = {"is_poison": True} if is_poison else {"number": number}
    return {"user_id": f"u-{number}", "event_type": "order_placed", "payload": payload}


def orders(numbers: Sequence[int]) -> list[tuple[str, str]]:
    return [(f"u-{number}", "order_placed") for number in numbers]


def lines(events: Sequence[Mapping[str, Any]]) -> bytes:
    return b"".join(msgspec.json.encode(each) + b"\n" for each in events)


def words(file: Path, checkpoint: Path, url: str) -> list[str]:
    return [str(file), f"--checkpoint={checkpoint}", "--api-url", url]


def send_under_kills(start: Start, killer: Killer, words: Sequence[str], kills: int) -> tuple[dict[str, Any], str]:
    """Run the program until it ends by itself, and return its report and its messages."""
    with FaultServer(default=killer) as server:
        while True:
            with start(*words, "--resume", "--api-url", server.url) as process:
                killer.aim(process, spare=killer.kills.total() >= kills)
                out, complaint = process.communicate(timeout=100)
            if process.returncode in {0, 1}:
                return json.loads(out), complaint
            assert process.returncode == -9, complaint


def check(killer: Killer, expected: Sequence[tuple[str, str]], kills: int) -> None:
    assert killer.kills.total() == kills
    keys_of_event: dict[tuple[str, str], set[str]] = {}
    body_of_key: dict[str, bytes] = {}
    order: list[tuple[str, str]] = []
    repeated = Counter[int]()
    for request in killer.accepted:
        is_known = request.key in body_of_key
        assert body_of_key.setdefault(request.key, request.body) == request.body, "the same key has the same bytes"
        repeated[request.run] += is_known
        order += [] if is_known else request.events
        for each in request.events:
            keys_of_event.setdefault(each, set()).add(request.key)
    assert order == list(expected), "none is lost, and they are in order"
    assert {len(keys) for keys in keys_of_event.values()} == {1}, "none comes again under another key"
    assert max(repeated.values()) <= 1, "one request at most is repeated by a run"


@pytest.mark.timeout(100 + 4 * KILLS)
def test_kills_lose_nothing_and_repeat_one_request_at_most(start: Start, tmp_path: Path) -> None:
    count = (3 * KILLS + 4) * BATCH
    poison = set(range(700, count, 4 * BATCH))
    events = [event(number, is_poison=number in poison) for number in range(count)]
    file = tmp_path / "events.ndjson"
    file.write_bytes(lines(events[:900]) + b"nonsense\n\n" + lines(events[900:]))
    killer = Killer(seed=KILLS)
    report, complaint = send_under_kills(start, killer, [str(file), f"--checkpoint={tmp_path / 'done'}"], KILLS)
    check(killer, orders([number for number in range(count) if number not in poison]), KILLS)
    assert len(killer.kills) > 2
    assert report["events"] == count + 1
    assert report["delivered"] == count - len(poison)
    assert report["dropped"] == {"invalid": 1, "rejected": len(poison)}
    assert "the server rejected it" in complaint
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith("done")) == ["done"]


FORMATS: Mapping[str, Callable[[Sequence[Mapping[str, Any]]], bytes]] = {
    "gzip": lambda events: gzip.compress(lines(events)),
    "zstd": lambda events: zstandard.compress(lines(events)),
    "array": msgspec.json.encode,
}


@pytest.mark.parametrize("kind", [*FORMATS, "parquet", "files"])
def test_all_formats_can_be_resumed(start: Start, tmp_path: Path, kind: str) -> None:
    events = [event(number) for number in range(20 * BATCH)]
    files = [tmp_path / "one", tmp_path / "two", tmp_path / "three"]
    if kind == "files":
        for file, part in zip(files, (events[:700], events[700:701], events[701:]), strict=True):
            file.write_bytes(lines(part))
    elif kind == "parquet":
        parquet.write_table(pa.Table.from_pylist(events), files[0])
    else:
        files[0].write_bytes(FORMATS[kind](events))
    names = [str(file) for file in files if file.exists()]
    killer = Killer(seed=1)
    report, _ = send_under_kills(start, killer, [*names, f"--checkpoint={tmp_path / 'done'}"], FEW)
    check(killer, orders(range(len(events))), FEW)
    assert report["delivered"] == len(events)
    assert {len(request.events) for request in killer.accepted} == {BATCH}, "requests span files"


TWICE = """
from segops.core import Enricher, Event, hookimpl

def twice(event):
    return [event, Event(event.user_id, "added", event.occurred_at, {}), Event(event.user_id, "more", None, {})]

@hookimpl
def segops_register_enrichers():
    return [Enricher(name="twice", enrich=twice, event_types=None)]
"""


def test_a_record_whose_events_are_in_two_requests_can_be_resumed_between_them(
    start: Start, site: SitePackages, tmp_path: Path
) -> None:
    site.add("extra", TWICE)
    (tmp_path / "events").write_bytes(lines([event(number) for number in range(4 * BATCH)]))
    killer = Killer(seed=2)
    options = ["--enrich", f"--checkpoint={tmp_path / 'done'}"]
    report, _ = send_under_kills(start, killer, [str(tmp_path / "events"), *options], FEW)
    kinds = ("order_placed", "added", "more")
    check(killer, [(f"u-{number}", kind) for number in range(4 * BATCH) for kind in kinds], FEW)
    assert (report["events"], report["delivered"]) == (4 * BATCH, 12 * BATCH)


def test_without_a_checkpoint_the_same_file_has_the_same_keys(run: Run, tmp_path: Path) -> None:
    (tmp_path / "events").write_bytes(lines([{**event(1), "occurred_at": "2026-01-01T00:00:00Z"}]))
    with FaultServer() as server:
        for _ in range(2):
            done = run("send", str(tmp_path / "events"), "--api-url", server.url, SEGOPS_API_KEY="sk_1")
            assert done.returncode == 0
        (tmp_path / "other").write_bytes(b"\n" + (tmp_path / "events").read_bytes())
        run("send", str(tmp_path / "other"), "--api-url", server.url, SEGOPS_API_KEY="sk_1")
    first, second, third = server.journal
    assert (first.headers["idempotency-key"], first.body) == (second.headers["idempotency-key"], second.body)
    assert third.headers["idempotency-key"] != first.headers["idempotency-key"]


class Job:
    """A file with a checkpoint of its first request, and a way to run the rest."""

    def __init__(self, run: Run, directory: Path) -> None:
        self.file = directory / "events.ndjson"
        self.checkpoint = directory / "checkpoint"
        self.file.write_bytes(lines([event(number) for number in range(2 * BATCH)]))
        self.run = run
        with FaultServer(respond(202), default=respond(401), port=lasting_port()) as server:
            self.url = server.url
            self.port = server.port
            done = self.send()
        assert (done.returncode, done.stdout) == (4, "")
        assert "500 events are done: to go on from there, add --resume" in done.stderr

    def send(self, *words: str, file: Path | None = None) -> subprocess.CompletedProcess[str]:
        return self.run(
            "send",
            str(file or self.file),
            f"--checkpoint={self.checkpoint}",
            f"--api-url={self.url}",
            *words,
            SEGOPS_API_KEY="sk_1",
        )

    def refused(self, *words: str, file: Path | None = None) -> str:
        """Return the message, after a check that nothing was sent or changed."""
        before = self.checkpoint.read_bytes()
        with FaultServer(port=self.port) as server:
            done = self.send(*words, file=file)
        assert (done.returncode, done.stdout) == (2, ""), done.stderr
        assert server.journal == []
        assert self.checkpoint.read_bytes() == before
        return done.stderr

    def resumed(self, *words: str, file: Path | None = None) -> list[Received]:
        with FaultServer(port=self.port) as server:
            done = self.send("--resume", *words, file=file)
        assert done.returncode == 0, done.stderr
        self.report = json.loads(done.stdout)
        return server.journal


@pytest.fixture
def job(run: Run, tmp_path: Path) -> Job:
    return Job(run, tmp_path)


def test_a_job_goes_on_where_it_was_and_ends_once(job: Job) -> None:
    [request] = job.resumed()
    assert json.loads(request.body)["events"][0]["user_id"] == f"u-{BATCH}"
    assert (job.report["events"], job.report["delivered"], job.report["resumed_at"]) == (1000, 1000, 500)
    assert job.resumed() == [], "a complete job has nothing left to send"
    assert job.report["delivered"] == 1000
    assert "1,000 events done: add --resume" in job.refused()


def test_events_without_a_time_get_the_one_at_which_the_job_began(job: Job) -> None:
    [request] = job.resumed()
    times = {each["occurred_at"] for each in json.loads(request.body)["events"]}
    assert times == {json.loads(job.checkpoint.read_bytes())["started_at"]}


def test_a_file_may_move(job: Job, tmp_path: Path) -> None:
    job.file.rename(tmp_path / "moved")
    assert len(job.resumed(file=tmp_path / "moved")) == 1


def test_a_checkpoint_that_exists_is_not_overwritten(job: Job) -> None:
    assert "500 events done: add --resume to go on from there, or, to start over, pass another file" in job.refused()


def test_a_changed_file_is_refused(job: Job) -> None:
    with job.file.open("ab") as file:
        file.write(lines([event(1)]))
    message = job.refused("--resume")
    assert "events.ndjson' has changed since the checkpoint" in message
    assert "restore it, or, to start over, pass another file to --checkpoint" in message


def test_an_edit_that_keeps_size_and_time_is_refused(job: Job) -> None:
    status = job.file.stat()
    job.file.write_bytes(job.file.read_bytes().replace(b"u-700", b"u-800"))
    os.utime(job.file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert "has changed since" in job.refused("--resume")


def test_another_file_is_refused(job: Job, tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(lines([event(1)]))
    assert "belongs to other files, " in job.refused("--resume", file=tmp_path / "other")
    with FaultServer(port=job.port) as server:
        done = job.run("send", str(job.file), *words(tmp_path / "other", job.checkpoint, server.url), "--resume")
    assert "belongs to 1 files, " in done.stderr
    assert server.journal == []


def test_other_options_and_another_url_are_refused(job: Job) -> None:
    assert "got --map user_id=user_id: pass the same" in job.refused("--resume", "--map=user_id=user_id")
    assert "--enrich" in job.refused("--resume", "--enrich")
    assert "--ignore-key x" in job.refused("--resume", "--ignore-key=x")
    assert f"belongs to {job.url}" in job.refused("--resume", "--api-url=http://127.0.0.1:9")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not a checkpoint of segops send: pass another file to --checkpoint"),
        (lines([event(1)]), "is not a checkpoint"),
        (b"\x89PNG\r\n\x1a\n\x00\xff", "is not a checkpoint"),
        (b'{"segops_checkpoint": 1}', "is not a checkpoint"),
        (
            b'{"segops_checkpoint": 2, "more": 1}',
            "has the format 2, and this version of segops reads 1: resume it with",
        ),
    ],
)
def test_what_is_no_checkpoint_is_left_alone(job: Job, content: bytes, message: str) -> None:
    job.checkpoint.write_bytes(content)
    assert message in job.refused("--resume" if content else "--rate=9/min")


def test_flags_that_contradict_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SEGOPS_API_URL", "memory:")
    (tmp_path / "events").write_bytes(lines([event(1)]))
    for flags, message in (
        (["events", "--resume"], "--resume needs --checkpoint FILE"),
        (["-", "--checkpoint=c"], "standard input cannot be read again"),
        (["/dev/null", "--checkpoint=c"], "'/dev/null' cannot be read again"),
        (["events", "events"], "'events' is given twice"),
        (["events", "--checkpoint=no/such"], "cannot write the checkpoint 'no/such' (No such file or directory)"),
        (["events", "--checkpoint=."], "--checkpoint must be the name of a file, got '.'"),
        (["events", "--checkpoint="], "--checkpoint must be the name of a file, got ''"),
        (["events", f"{tmp_path}/./events"], "is given twice: its events would be sent twice"),
        (["events", "--rate=60"], "must be a number of requests per minute, such as 60/min, got '60'"),
        (["events", "--rate=0/min"], "got '0/min'"),
        (["events", "--rate=1e9/min"], "got '1e9/min'"),
    ):
        code = main(["send", *[str(tmp_path / word) if word == "events" else word for word in flags]])
        out, complaint = capsys.readouterr()
        assert (code, out) == (2, ""), flags
        assert message.replace("'events'", repr(str(tmp_path / "events"))) in complaint


def test_a_second_process_is_refused(start: Start, run: Run, tmp_path: Path) -> None:
    (tmp_path / "events").write_bytes(lines([event(1)]))
    words = [str(tmp_path / "events"), f"--checkpoint={tmp_path / 'c'}"]
    with FaultServer(default=lambda call: call.peer.wait_until_gone(call.server.stopping)) as server:
        with start(*words, "--api-url", server.url) as process:
            while not (tmp_path / "c").exists():
                time.sleep(0.01)
            done = run("send", *words, "--resume", "--api-url", server.url, SEGOPS_API_KEY="sk_1")
            process.kill()
        assert (done.returncode, done.stdout) == (2, "")
        assert "another process is using the checkpoint" in done.stderr


NO_LOCKS = """
import errno, fcntl, sys
def flock(descriptor, operation):
    raise OSError(errno.ENOSYS, "no locks here")
fcntl.flock = flock
from segops.cli.program import main
sys.exit(main())
"""


def test_a_file_system_without_locks_may_hold_the_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "events").write_bytes(lines([event(1)]))
    arguments = words(tmp_path / "events", tmp_path / "c", f"file:{tmp_path / 'out'}")
    command = [sys.executable, "-c", NO_LOCKS, "send", *arguments]
    done = subprocess.run(command, env=unconfigured(), capture_output=True, text=True, check=False)
    assert (done.returncode, len((tmp_path / "out").read_text().splitlines())) == (0, 1), done.stderr


def test_a_file_that_changes_while_it_is_sent_ends_the_job(start: Start, tmp_path: Path) -> None:
    file = tmp_path / "events"
    file.write_bytes(lines([event(number) for number in range(3 * BATCH)]))

    def append(call: Call) -> None:
        call.read()
        with file.open("ab") as more:
            more.write(b"\n")
        call.peer.send(raw())

    with FaultServer(append) as server, start(*words(file, tmp_path / "c", server.url)) as process:
        out, complaint = process.communicate(timeout=100)
    assert (process.returncode, out) == (2, "")
    assert "changed while it was read: send a copy of it" in complaint
    assert len(server.journal) == 1
    assert json.loads((tmp_path / "c").read_bytes())["progress"]["mark"]["read"] == BATCH


def test_a_checkpoint_that_cannot_be_written_ends_the_job_after_the_request(start: Start, tmp_path: Path) -> None:
    (tmp_path / "events").write_bytes(lines([event(number) for number in range(3 * BATCH)]))
    folder = tmp_path / "folder"
    folder.mkdir()

    def remove(call: Call) -> None:
        call.read()
        folder.rename(tmp_path / "gone")
        call.peer.send(raw())

    with FaultServer(remove) as server, start(*words(tmp_path / "events", folder / "c", server.url)) as process:
        out, complaint = process.communicate(timeout=100)
    assert (process.returncode, out) == (2, "")
    assert "cannot write the checkpoint" in complaint
    assert len(server.journal) == 1


def test_a_dry_run_sends_and_writes_nothing(job: Job, local: LocalSegOps) -> None:
    before = job.checkpoint.read_bytes()
    with FaultServer(port=job.port) as server:
        done = job.send("--resume", "--dry-run", "--rate=30/min")
    report = json.loads(done.stdout)
    assert (done.returncode, report["events"], report["valid"], report["requests"]) == (0, 1000, 1000, 1)
    assert report["time"] == "2 s at 30 requests per minute"
    assert server.journal == []
    assert job.checkpoint.read_bytes() == before
    assert local.requests() == []
