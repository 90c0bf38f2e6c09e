"""`segops dev` and its actions, each in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from segops import SegOpsClient, SegOpsTransportError
from segops.devserver.listen import listen
from segops.devserver.server import DevServer
from segops.emulator import LocalSegOps
from tests.devserver.dev_rig import ask
from tests.rig.ports import lasting_port, refused_port
from tests.rig.programs import SEGOPS, DevProcess, importing

Run = Callable[..., "subprocess.CompletedProcess[str]"]

BATCH = "POST /api/ingestion/track/batch/"


def note(environment: dict[str, str]) -> Path:
    """Return the note of the server that was started last."""
    notes = Path(environment["XDG_RUNTIME_DIR"]).glob("segops-dev.*.json")
    return max(notes, key=lambda path: path.stat().st_mtime_ns)


def test_it_says_where_it_is_and_with_which_keys(running: DevProcess, environment: dict[str, str]) -> None:
    assert running.url.startswith("http://127.0.0.1:")
    assert running.secret_key.startswith("sk_")
    assert running.public_key.startswith("pk_")
    assert "signing secret" in running.said
    with SegOpsClient(running.url, running.secret_key) as client:
        client.track(user_id="u", event_type="t")
        assert client.flush(50)
    assert ask(running.url, "/_dev/overview")[1]["events"] == 1
    assert note(environment).stat().st_mode & 0o777 == 0o600
    assert running.secret_key not in note(environment).read_text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_in_good_order(environment: dict[str, str], number: int) -> None:
    with DevProcess(environment) as process:
        kept = note(environment)
        code, complaints = process.stop(number)
    assert (code, complaints) == (0, "segops: stopped\n")
    assert not kept.exists()


def test_the_note_of_a_newer_one_stays(environment: dict[str, str]) -> None:
    with DevProcess(environment) as first, DevProcess(environment) as second:
        assert first.stop()[0] == 0
        assert json.loads(note(environment).read_text())["url"] == second.url


def test_it_runs_where_nothing_can_be_noted(environment: dict[str, str]) -> None:
    Path(environment["XDG_RUNTIME_DIR"]).write_text("a file, no directory")
    with DevProcess(environment) as process:
        assert ask(process.url, "/_dev/info")[0] == 200
        code, complaints = process.stop()
    assert code == 0
    assert f"other commands cannot find this server without --url {process.url}" in complaints


def test_what_is_stored_in_a_file_stays(environment: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "segops.db"
    keys = []
    for _ in range(2):
        with DevProcess(environment, "--db", str(path)) as process, SegOpsClient(process.url, process.secret_key) as c:
            c.track(user_id="u", event_type="t")
            keys.append(process.secret_key)
    assert keys[0] == keys[1]
    with LocalSegOps(path) as local:
        assert local.summary().events == 2


def test_faults_can_be_asked_for(environment: dict[str, str]) -> None:
    with DevProcess(environment, "--fault", f"{BATCH} 503 x2", "--fault", "GET * 500") as process:
        assert ask(process.url, "/_dev/faults")[1] == {"faults": [f"{BATCH} 503 x2", "GET * 500 x1"]}
        assert f"fault           {BATCH} 503 x2" in process.said


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--fault", "nonsense"], "invalid fault 'nonsense'"),
        (["--port", "99999"], "--port must be at most 65535, got 99999"),
        (["--port", "-1"], "--port"),
        (["--port", "x"], "must be a whole number, got 'x'"),
        (["--db", "/"], "cannot use '/'"),
        (["--port", "0", "--seed", "/no/such/file"], "cannot read '/no/such/file'"),
        (["--host", "no.such.host.invalid"], "cannot listen on no.such.host.invalid"),
        (["run"], "no command to run"),
        (["run", "--"], "no command to run"),
        (["listen"], "no `segops dev` is running"),
        (["trigger", "order_placed"], "no `segops dev` is running"),
        (["trigger", "order_plaiced"], "no `segops dev` is running"),
        (["seed", "cdnow", "--url", "ftp://x"], "invalid URL of a `segops dev`"),
        (["seed", "cdnow", "--url", "http://127.0.0.1:x"], "invalid URL of a `segops dev`"),
        (["nonsense"], "nonsense"),
    ],
)
def test_what_cannot_be_done_is_said(run: Run, words: list[str], complaint: str) -> None:
    done = run(*words)
    assert done.returncode == 2
    assert complaint in done.stderr


def test_without_the_extra_it_says_what_to_install(run: Run, tmp_path: Path) -> None:
    tmp_path.joinpath("uvicorn.py").write_text("raise ModuleNotFoundError('x', name='uvicorn')\n")
    done = run(**importing(tmp_path))
    assert done.returncode == 2
    assert "needs uvicorn" in done.stderr
    assert "pip install 'segops-sdk[dev]'" in done.stderr


def test_a_note_of_one_that_is_gone_is_not_believed(run: Run, environment: dict[str, str]) -> None:
    with DevProcess(environment) as process:
        kept = note(environment)
        process.stop(signal.SIGKILL)
    assert kept.exists()
    assert "no `segops dev` is running" in run("listen").stderr
    kept.write_text("{")
    assert "no `segops dev` is running" in run("listen").stderr
    with DevProcess(environment) as another:
        note(environment).write_text(json.dumps({"url": another.url, "instance": "other"}))
        assert "no `segops dev` is running" in run("listen").stderr


def test_something_else_at_the_url_is_no_segops(run: Run, running: DevProcess) -> None:
    done = run("listen", "--url", f"http://127.0.0.1:{refused_port()}")
    assert done.returncode == 5
    assert "does not respond" in done.stderr
    ask(running.url, "/_dev/faults", {"faults": ["GET * 500 x*"]})
    assert run("trigger", "order_placed", "--url", running.url).returncode == 0


PROGRAM = """
import sys
from segops import SegOpsClient
with SegOpsClient() as client:
    client.track(user_id="child", event_type="ran", payload={"words": sys.argv[1:]})
    sys.exit(7 if client.flush(50) else 1)
"""


def test_run_gives_the_command_a_segops_and_passes_on_its_exit_code(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "segops.db"
    done = run("run", "--db", str(path), "--", sys.executable, "-c", PROGRAM, "--port", "--", "x y")
    assert done.returncode == 7, done.stderr
    with LocalSegOps(path) as local:
        assert [event.payload for event in local.events()] == [{"words": ["--port", "--", "x y"]}]


def test_run_can_join_one_that_runs(run: Run, running: DevProcess) -> None:
    assert run("run", "--join", "--", sys.executable, "-c", PROGRAM).returncode == 7
    assert run("run", "--join", running.url, "--", sys.executable, "-c", PROGRAM).returncode == 7
    assert ask(running.url, "/_dev/overview")[1]["by_type"] == [["ran", 2]]


def test_run_says_why_a_command_cannot_be_run(run: Run, tmp_path: Path) -> None:
    done = run("run", "--", "no-such-command-here")
    assert (done.returncode, done.stderr) == (127, "segops: command not found: 'no-such-command-here'\n")
    done = run("run", "--", str(tmp_path))
    assert done.returncode == 126
    assert "Permission denied" in done.stderr


def test_run_seeds_and_injects_faults(run: Run, tmp_path: Path) -> None:
    events = tmp_path / "events.ndjson"
    events.write_text(
        '{"user_id": "a", "event_type": "b"}\n\n{"user_id": "c", "event_type": "d", "payload": {"x": 1}}\n'
    )
    path = tmp_path / "segops.db"
    words = ["--db", str(path), "--seed", str(events), "--fault", f"{BATCH} 503"]
    program = PROGRAM.replace("    sys.exit", "    client.flush(50)\n    print(client.stats().retries)\n    sys.exit")
    done = run("run", *words, "--", sys.executable, "-c", program)
    assert done.returncode == 7, done.stderr
    assert "loaded 2 events" in done.stderr
    assert done.stdout == "1\n"  # the fault is kept for the command
    with LocalSegOps(path) as local:
        assert [event.event_type for event in local.events()] == ["b", "d", "ran"]


SLEEPER = """
import signal, sys, time
def end(number, frame):
    print("got", signal.Signals(number).name, flush=True)
    sys.exit(3)
for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
    signal.signal(number, end)
print("ready", flush=True)
time.sleep(100)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_run_forwards_signals(environment: dict[str, str], number: signal.Signals) -> None:
    words = [*SEGOPS, "dev", "run", "--", sys.executable, "-c", SLEEPER]
    with subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        assert process.communicate(timeout=60)[0] == f"got {number.name}\n"
    assert process.returncode == 3


def test_ctrl_c_is_left_to_the_command(environment: dict[str, str]) -> None:
    words = [*SEGOPS, "dev", "run", "--", sys.executable, "-c", SLEEPER]
    with subprocess.Popen(
        words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        assert process.communicate(timeout=60) == ("got SIGINT\n", "")
    assert process.returncode == 3


def test_the_end_of_a_command_by_a_signal_is_told_as_a_shell_does(run: Run) -> None:
    done = run("run", "--", sys.executable, "-c", "import os; os.kill(os.getpid(), 9)")
    assert done.returncode == 128 + 9


def test_seed_loads_the_real_purchases(run: Run, running: DevProcess) -> None:
    done = run("seed", "cdnow")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("loaded 6,919 events in ")
    view = ask(running.url, "/_dev/overview")[1]
    assert (view["events"], view["users"]) == (6919, 2357)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "is empty"),
        (b"\xff", "line 1: not a valid event"),
        (b"\xff\xfe{\x00", "UTF-16"),
        (b'{"user_id": "a", "event_type": "b"}\n{"user_id": ""}\n', "line 2: not a valid event"),
        (b'{"user_id": "", "event_type": "b"}', "line 1: not a valid event"),
        (b"[]", "is empty"),
        (b"[1]", "item 1: not a valid event"),
        (b'{"user_id": "a", "event_type": "b", "kind": 1}', "kind"),
    ],
)
def test_a_file_that_holds_no_events_is_refused(
    run: Run, running: DevProcess, tmp_path: Path, content: bytes, complaint: str
) -> None:
    path = tmp_path / "events.ndjson"
    path.write_bytes(content)
    done = run("seed", str(path), "--url", running.url)
    assert done.returncode == 2
    assert complaint in done.stderr
    assert ask(running.url, "/_dev/overview")[1]["events"] == 0


def test_seeding_that_loses_events_fails(run: Run, running: DevProcess, tmp_path: Path) -> None:
    path = tmp_path / "events.ndjson"
    path.write_text('{"user_id": "a", "event_type": "b"}\n' * 3)
    ask(running.url, "/_dev/faults", {"faults": [f"{BATCH} skip=1"]})
    done = run("seed", str(path))
    assert done.returncode == 1
    assert "only 2 of 3 events were stored" in done.stderr


def test_trigger_sends_a_sample(run: Run, running: DevProcess) -> None:
    done = run("trigger", "order_placed", "--user-id", "zoë")
    assert (done.returncode, done.stdout) == (0, "sent order_placed for zoë\n")
    done = run("trigger", "ai_referral_session")
    assert done.stdout == "sent ai_referral_session for ada@example.com (2 events in total)\n"
    stored = ask(running.url, "/_dev/events")[1]["events"][::-1]
    assert [(each["event_type"], each["user_id"]) for each in stored] == [
        ("order_placed", "zoë"),
        ("page_viewed", "ada@example.com"),
        ("ai_referral_session", "ada@example.com"),
    ]
    assert stored[2]["added_to"] == "page_viewed"
    assert '"source_provider":"perplexity"' in stored[2]["preview"]


@pytest.mark.usefixtures("running")
def test_trigger_knows_the_events_of_the_documentation(run: Run) -> None:
    listed = run("trigger")
    assert listed.returncode == 0
    assert {"order_placed", "page_viewed", "context_identified", "segops_smoke_test"} <= set(listed.stdout.split())
    done = run("trigger", "order_plaiced")
    assert done.returncode == 2
    assert "did you mean 'order_placed'?" in done.stderr


def test_trigger_says_that_it_failed(run: Run, running: DevProcess) -> None:
    ask(running.url, "/_dev/faults", {"faults": ["POST * skip=1"]})
    done = run("trigger", "order_placed")
    assert done.returncode == 1
    assert "order_placed was not stored" in done.stderr


def test_listen_shows_events_and_refusals(run: Run, running: DevProcess) -> None:
    key = {"Authorization": f"ApiKey {running.secret_key}"}
    events = [{"user_id": "\x1b[31mred\u202e", "event_type": "t", "payload": {"x": "y" * 200}}, {"user_id": "u"}]
    listener = subprocess.Popen(
        [*SEGOPS, "dev", "listen", "--url", running.url, "--count", "2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with listener:
        assert listener.stderr is not None
        assert listener.stderr.readline() == f"segops: listening to {running.url}\n"
        ask(running.url, "/api/ingestion/track/batch/", {"events": events}, headers=key)
        shown, _ = listener.communicate(timeout=60)
    first, second = shown.splitlines()
    assert "\\x1b[31mred\\u202e" in first
    assert first.endswith("y…")
    assert "skipped: Object missing required field `event_type`" in second
    assert listener.returncode == 0
    done = run("listen", "--after", "0", "--count", "1", "--json")
    assert json.loads(done.stdout)["user_id"] == "\x1b[31mred\u202e"


def test_listen_takes_up_again_what_broke_off(environment: dict[str, str], tmp_path: Path) -> None:
    path = str(tmp_path / "segops.db")
    port = str(lasting_port())
    with DevProcess(environment, "--db", path, "--port", port) as first:
        listener = subprocess.Popen(
            [*SEGOPS, "dev", "listen", "--after", "0", "--count", "4", "--json"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert listener.stdout is not None
        with SegOpsClient(first.url, first.secret_key) as client:
            for number in range(2):
                client.track(user_id=f"u-{number}", event_type="t")
        seen = [json.loads(listener.stdout.readline())["id"] for _ in range(2)]
        first.stop()
    with LocalSegOps(path) as local, SegOpsClient(f"local://{path}", local.secret_key) as client:
        client.track(user_id="while it was away", event_type="t")
    with DevProcess(environment, "--db", path, "--port", port) as second, listener:
        with SegOpsClient(second.url, second.secret_key) as client:
            client.track(user_id="u-3", event_type="t")
        seen += [json.loads(line)["id"] for line in listener.communicate(timeout=60)[0].splitlines()]
    assert seen == [1, 2, 3, 4]


def test_listen_gives_up_when_nobody_is_there_any_more(local: LocalSegOps) -> None:
    with DevServer(local) as server:
        info = server.info
    with pytest.raises(SegOpsTransportError, match=f"lost the connection to {info.url}"):
        listen(info, patience=0.2)
