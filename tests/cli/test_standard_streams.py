"""Standard streams that are closed, full, or without a reader, as with cron, daemons and full disks."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from shlex import join

import pytest

from segops import SegOpsAdmin, SegOpsClient
from segops.emulator import LocalSegOps, LocalServer
from tests.rig.plugins import SitePackages
from tests.rig.ports import refused_port
from tests.rig.programs import SEGOPS

Shell = Callable[..., "subprocess.CompletedProcess[str]"]

pytestmark = pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")

READS: dict[str, list[str]] = {
    "namespace": ["segments", "list"],
    "table": ["segments", "list", "-o", "table"],
    "csv": ["segments", "list", "-o", "csv"],
    "api": ["api", "GET", "/segments/"],
    "whoami": ["whoami"],
    "completion": ["completion", "bash"],
    "plugins": ["plugins"],
    "plugins table": ["plugins", "-o", "table"],
    "samples": ["dev", "trigger"],
    "inspect": ["spool", "inspect"],
    "inspect table": ["spool", "inspect", "-o", "table"],
    "export": ["spool", "export"],
    "help": ["--help"],
    "help of a command": ["help", "segments", "list"],
    "no arguments": [],
    "version": ["--version"],
}
"""Commands whose output is what they are for."""

WRITES: dict[str, list[str]] = {
    "send": ["send", "{dir}/events.ndjson"],
    "create": ["segments", "create", "--name=x"],
    "api": ["api", "POST", "/segments/", "-f", "{dir}/segment.json"],
    "spool send": ["spool", "send"],
    "spool purge": ["spool", "purge", "--yes"],
    "doctor": ["doctor"],
    "demo": ["demo", "--limit", "3"],
    "dev run": ["dev", "run", "--seed", "{dir}/events.ndjson", "--", "true"],
}
"""Commands that do something; their output is only the report of it."""


@pytest.fixture
def shell(environment: Mapping[str, str], server: LocalServer, local: LocalSegOps, tmp_path: Path) -> Shell:
    (tmp_path / "events.ndjson").write_text('{"user_id": "u", "event_type": "order_placed"}\n')
    (tmp_path / "segment.json").write_text('{"name": "y"}')
    with SegOpsAdmin(local.secret_key, base_url=server.url) as admin:
        admin.segments.create(name="Big")
    spool = tmp_path / "spool"
    spool.mkdir(mode=0o700)
    spool /= "events"
    with SegOpsClient(f"http://127.0.0.1:{refused_port()}", local.secret_key, spool=spool) as client:
        client.track(user_id="u", event_type="spooled")
        client.shutdown(0.01)
    more = {"SEGOPS_API_URL": server.url, "SEGOPS_API_KEY": local.secret_key, "SEGOPS_SPOOL": str(spool)}

    def run(words: list[str], redirection: str, *, before: str = "") -> subprocess.CompletedProcess[str]:
        line = join([*SEGOPS, *(word.replace("{dir}", str(tmp_path)) for word in words)])
        done = subprocess.run(
            ["bash", "-c", f"{before} {line} {redirection}"],
            env={**environment, **more},
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
        assert "Traceback" not in done.stderr
        assert "bug in segops" not in done.stderr
        assert "Exception ignored" not in done.stderr
        return done

    return run


@pytest.mark.parametrize("words", [*READS.values(), *WRITES.values()], ids=str)
def test_without_stderr_everything_works(shell: Shell, words: list[str]) -> None:
    for redirection in ("2>&-", "2>/dev/full"):
        done = shell(words, redirection)
        assert done.returncode == 0
        assert done.stdout or words[:2] == ["dev", "run"]


@pytest.mark.parametrize("words", READS.values(), ids=str)
@pytest.mark.parametrize(
    ("redirection", "reason"), [(">&-", "Bad file descriptor"), (">/dev/full", "No space left on device")]
)
def test_a_result_that_cannot_be_written_is_a_failure(
    shell: Shell, words: list[str], redirection: str, reason: str
) -> None:
    done = shell(words, redirection)
    assert done.returncode == 1
    assert done.stderr == f"segops: cannot write to standard output: {reason}\n"


@pytest.mark.parametrize("words", WRITES.values(), ids=str)
def test_without_stdout_what_is_done_is_done(shell: Shell, words: list[str]) -> None:
    assert shell(words, ">&-").returncode == 0
    assert shell(words, "<&- >&- 2>&-").returncode == 0


@pytest.mark.parametrize("name", sorted(set(WRITES) - {"dev run"}))
def test_a_report_that_the_disk_has_no_room_for_is_a_failure(shell: Shell, name: str) -> None:
    done = shell(WRITES[name], ">/dev/full")
    assert done.returncode == 1
    assert "segops: cannot write to standard output: No space left on device\n" in done.stderr


@pytest.mark.parametrize("words", [*READS.values(), WRITES["send"]], ids=str)
def test_nobody_who_reads_ends_it_quietly(shell: Shell, words: list[str]) -> None:
    done = shell(words, ">&3; echo $? >&2", before="exec 3> >(:); sleep 0.2;")
    assert done.stderr == "141\n"


def test_sent_although_nothing_can_be_said(shell: Shell, local: LocalSegOps) -> None:
    for number, redirection in enumerate(("2>&-", ">&-", ">&- 2>&-", "<&- >&- 2>&-", "2>/dev/full"), start=1):
        assert shell(WRITES["send"], redirection).returncode == 0
        assert local.summary().events == number


def test_closed_streams_are_not_given_to_other_files(shell: Shell, tmp_path: Path) -> None:
    output = tmp_path / "out.ndjson"
    shell([*WRITES["send"], "--api-url", f"file:{output}"], "<&- >&- 2>&-")
    assert [json.loads(line)["user_id"] for line in output.read_text().splitlines()] == ["u"]


@pytest.mark.parametrize(
    "words",
    [["send", "-"], ["segments", "create", "-f", "-"], ["products", "import", "-"], ["api", "POST", "/x/", "-f", "-"]],
)
@pytest.mark.parametrize("redirection", ["<&-", "0>/dev/null"])
def test_a_stdin_that_cannot_be_read_is_told(shell: Shell, words: list[str], redirection: str) -> None:
    done = shell(words, redirection)
    assert done.returncode in {1, 2}
    assert "Bad file descriptor" in done.stderr


def test_questions_and_mistakes_need_no_stderr(shell: Shell) -> None:
    for words, code in ((["nonsense"], 2), (["segments", "get"], 2), (["segments", "delete", "1"], 2)):
        assert shell(words, "2>&-").returncode == code
        assert shell(words, "<&- >&- 2>&-").returncode == code


def test_a_plugin_that_prints_to_a_full_disk(shell: Shell, site: SitePackages) -> None:
    site.add("extra", COMMAND)
    done = shell(["extra"], ">/dev/full")
    assert (done.returncode, "No space left on device" in done.stderr) == (1, True)
    assert shell(["extra"], ">&-").returncode == 1


COMMAND = """
from segops.core import Command, hookimpl

def run(arguments):
    print("x" * 100_000)
    return 0

@hookimpl
def segops_register_commands():
    return [Command(name="extra", help="h", configure=lambda parser: None, run=run)]
"""
