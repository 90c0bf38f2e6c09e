"""How commands find a running `segops dev` while several start and stop."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.devserver.dev_rig import ask
from tests.rig.ports import refused_port
from tests.rig.programs import DevProcess

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def events_of(process: DevProcess) -> int:
    return int(ask(process.url, "/_dev/overview")[1]["events"])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_an_earlier_one_is_found_when_a_later_one_has_stopped(
    run: Run, environment: dict[str, str], number: signal.Signals
) -> None:
    with DevProcess(environment) as first:
        with DevProcess(environment) as second, DevProcess(environment) as third:
            assert run("trigger", "order_placed").returncode == 0
            assert [events_of(each) for each in (first, second, third)] == [0, 0, 1]
            second.stop(number)
            third.stop(number)
        done = run("trigger", "order_placed")
        assert (done.returncode, done.stderr) == (0, "")
        assert events_of(first) == 1
        joined = run("run", "--join", "--", sys.executable, "-c", "import os; print(os.environ['SEGOPS_API_URL'])")
        assert joined.stdout.strip() == first.url
        notes = list(Path(environment["XDG_RUNTIME_DIR"]).glob("segops-dev*"))
        assert len(notes) == 1
    assert "no `segops dev` is running" in run("trigger", "order_placed").stderr


def test_the_environment_names_the_one_to_use(run: Run, environment: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "events.ndjson"
    file.write_text('{"user_id": "a", "event_type": "b"}\n')
    with DevProcess(environment) as first, DevProcess(environment) as second:
        for words in (["trigger", "order_placed"], ["seed", str(file)]):
            assert run(*words, SEGOPS_API_URL=f"{first.url}/api").returncode == 0
        run("trigger", "order_placed", "--url", second.url, SEGOPS_API_URL=first.url)
        assert (events_of(first), events_of(second)) == (2, 1)
        child = [sys.executable, "-c", "import os; print(os.environ['SEGOPS_API_URL'])"]
        assert run("run", "--join", "--", *child, SEGOPS_API_URL=first.url).stdout.strip() == first.url


@pytest.mark.parametrize("url", ["https://api.segops.ai", "memory:", "http://127.0.0.1:{port}"])
def test_an_environment_without_segops_dev_is_reported(run: Run, running: DevProcess, url: str) -> None:
    url = url.format(port=refused_port())
    done = run("trigger", "order_placed", SEGOPS_API_URL=url)
    assert done.returncode in {2, 5}
    assert "SEGOPS_API_URL" in done.stderr
    assert "--url URL" in done.stderr
    assert events_of(running) == 0


def test_options_for_a_server_of_its_own_do_not_go_with_join(run: Run) -> None:
    done = run("run", "--join", "--seed", "cdnow", "--", "true")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--seed" in done.stderr
