"""The pytest plugin in runs of its own: its guard, its fixtures, and what it costs."""

from __future__ import annotations

import os
import re
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rig.fault_server import FaultServer

pytest_plugins = ["pytester"]

REMOTE = 'SegOpsClient("https://api.segops.ai", "sk_test_1")'


class Runs:
    """Runs pytest in processes of their own, as a user does who has set nothing."""

    def __init__(self, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
        self._pytester = pytester
        self._monkeypatch = monkeypatch
        self.temporary = pytester.mkdir("temporary")

    def write(self, **files: str) -> None:
        for name, source in files.items():
            (self._pytester.path / f"{name}.py").write_text(textwrap.dedent(source), "utf-8")

    def set_ini(self, text: str) -> None:
        self._pytester.makeini(f"[pytest]\n{text}\n")

    def run(self, *words: str, **variables: str) -> pytest.RunResult:
        return self.run_without_plugin("-p", "segops_pytest", *words, **variables)

    def run_without_plugin(self, *words: str, **variables: str) -> pytest.RunResult:
        """Run pytest without other plugins than xdist, because those that are installed here take seconds to load."""
        words = ("-p", "xdist", *words)
        variables["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        with self._monkeypatch.context() as patch:
            for name in list(os.environ):
                if name.startswith(("SEGOPS_", "PYTEST_")):
                    patch.delenv(name)
            for name, value in {"TMPDIR": str(self.temporary), **variables}.items():
                patch.setenv(name, value)
            return self._pytester.runpytest_subprocess("-p", "no:cacheprovider", *words)


@pytest.fixture
def runs(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Runs:
    return Runs(pytester, monkeypatch)


@pytest.fixture
def proxy() -> Iterator[FaultServer]:
    """Yield an HTTP proxy on this machine, which records the requests for all others."""
    with FaultServer() as server:
        yield server


def through(proxy: FaultServer) -> dict[str, str]:
    return {"http_proxy": proxy.url, "no_proxy": ""}


def lines_of_guard(result: pytest.RunResult) -> list[str]:
    """Return the lines of the section in the summary, without the advice."""
    text = result.outlines
    starts = [number for number, line in enumerate(text) if "= segops guard =" in line]
    if not starts:
        return []
    [start] = starts
    end = next(number for number, line in enumerate(text) if line.startswith("Use the fixture segops"))
    return [line for line in text[start + 1 : end] if line]


# What it costs.

LIST_MODULES = """
    import atexit, sys
    atexit.register(lambda: open("modules.txt", "w").write("\\n".join(sys.modules)))
"""


def modules_of(runs: Runs, path: Path, *words: str) -> set[str]:
    runs.write(lister=LIST_MODULES)
    assert runs.run_without_plugin("-p", "lister", *words).ret == 0
    return {*(path / "modules.txt").read_text("utf-8").split()}


@pytest.mark.parametrize("words", [["-VV"], [], ["-n1"]])
def test_a_run_without_fixtures_loads_one_module(runs: Runs, pytester: pytest.Pytester, words: list[str]) -> None:
    runs.write(test_it="def test_it(): pass")
    without = modules_of(runs, pytester.path, *words)
    assert modules_of(runs, pytester.path, "-p", "segops_pytest", *words) - without == {"segops_pytest"}


def test_the_version_of_pytest_loads_nothing(runs: Runs, pytester: pytest.Pytester) -> None:
    runs.write(lister=LIST_MODULES)
    runs.write(sitecustomize="import lister")
    assert runs.run_without_plugin("--version", PYTHONPATH=str(pytester.path)).ret == 0
    modules = (pytester.path / "modules.txt").read_text("utf-8").split()
    assert "pytest" in modules
    assert [name for name in modules if name.startswith("segops")] == []


def test_the_fixture_of_a_client_loads_no_local_segops(runs: Runs, pytester: pytest.Pytester) -> None:
    runs.write(test_it="def test_it(): pass")
    before = modules_of(runs, pytester.path, "-p", "segops_pytest")
    runs.write(test_it="def test_it(segops, segops_events, segops_faults): segops_events.assert_nothing_tracked()")
    added = modules_of(runs, pytester.path, "-p", "segops_pytest") - before
    assert "segops.testing" in added
    assert added & {"segops.emulator.service", "sqlite3", "urllib3", "ssl"} == set()


@pytest.mark.parametrize(
    ("words", "code"), [(["test_it.py"], 0), (["-VV"], 0), (["--help"], 0), (["bad"], 4), (["no-such"], 4)]
)
def test_nothing_is_left_behind(runs: Runs, pytester: pytest.Pytester, words: list[str], code: int) -> None:
    runs.write(test_it="def test_it(): pass")
    (pytester.mkdir("bad") / "conftest.py").write_text("raise ValueError", "utf-8")
    assert runs.run(*words).ret == code
    assert list(runs.temporary.glob("segops*")) == []


# Fixtures.

FIXTURES = """
    import pytest
    from segops import SegOpsEventError
    from segops.testing import Response

    def test_events_of_one_test(segops, segops_events, segops_clock):
        segops.track(user_id="u-1", event_type="order_placed", payload={"total": 5})
        segops_clock.advance(60)
        segops.track(user_id="u-1", event_type="order_paid")
        segops_events.assert_tracked("order_placed", user_id="u-1", payload={"total": 5})
        assert [event["occurred_at"] for event in segops_events] == ["2027-01-15T08:00:00Z", "2027-01-15T08:01:00Z"]

    def test_and_not_of_another(segops_events):
        segops_events.assert_nothing_tracked()

    def test_it_is_strict(segops):
        with pytest.raises(SegOpsEventError):
            segops.track(user_id="", event_type="order_placed")

    def test_page_views_are_enriched(segops, segops_events):
        segops.track_page_view("u-1", url="https://shop.example/", referrer="https://chatgpt.com/")
        segops_events.assert_ai_referral("chatgpt", user_id="u-1")

    def test_faults(segops, segops_events, segops_faults, segops_clock):
        segops_faults(503, Response(429, {"retry-after": "120"}), TimeoutError())
        segops.track(user_id="u-1", event_type="order_placed")
        assert segops.flush()
        assert segops.stats().retries == 3
        assert segops_clock.monotonic() >= 120
        segops_events.assert_tracked("order_placed", times=1)

    def test_a_server_that_never_recovers_ends_the_test(segops, segops_faults):
        segops_faults(*[503] * 10_000)
        segops.track(user_id="u-1", event_type="order_placed")

    def test_a_local_segops(segops_local):
        import os, subprocess, sys
        program = "import segops; c = segops.SegOpsClient(); c.track(user_id='u-1', event_type='x'); c.close()"
        subprocess.run([sys.executable, "-c", program], env={**os.environ, **segops_local.environment}, check=True)
        segops_local.events.assert_tracked("x", user_id="u-1")

    def test_async_applications(segops, segops_events):
        import asyncio
        async def main():
            segops.track(user_id="u-1", event_type="order_placed")
            segops_events.assert_tracked("order_placed")
            assert await segops.aflush()
        asyncio.run(main())
"""


@pytest.mark.parametrize("words", [[], ["-n2"]])
def test_the_fixtures_work(runs: Runs, words: list[str]) -> None:
    runs.write(test_fixtures=FIXTURES)
    runs.run("-W", "error", "--strict-markers", *words, SEGOPS_DISABLED="1").assert_outcomes(passed=8)


def test_a_failure_shows_the_nearest_event_and_no_code_of_the_sdk(runs: Runs) -> None:
    runs.write(
        test_it="""
        def test_it(segops, segops_events):
            segops.track(user_id="u-1", event_type="order_placed", payload={"total": 7})
            segops_events.assert_tracked("order_placed", payload={"total": 5})
        """
    )
    result = runs.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "E *AssertionError: no tracked event matches",
            "E *expected: order_placed, payload={'total': 5}",
            "E *nearest:  order_placed, user_id='u-1', *payload={'total': 7} (event 1 of 1)",
            "E *payload?'total'?: expected 5, got 7",
            "test_it.py:4: AssertionError",
        ]
    )


APPLICATION = """
    from segops import SegOpsClient

    client = SegOpsClient()

    def order():
        client.track(user_id="u-1", event_type="order_placed")
"""


def test_an_application_with_a_client_of_its_own_is_tested(runs: Runs) -> None:
    runs.write(
        shop=APPLICATION,
        conftest="""
        import os
        import pytest

        os.environ["SEGOPS_API_URL"] = "memory:"

        @pytest.fixture
        def segops():
            import shop
            return shop.client
        """,
        test_shop="""
        import pytest
        import shop

        @pytest.mark.parametrize("number", [1, 2])
        def test_an_order(segops_events, number):
            shop.order()
            segops_events.assert_tracked("order_placed", times=1)

        def test_no_order(segops_events):
            segops_events.assert_nothing_tracked()
        """,
    )
    result = runs.run("-W", "error", "--segops-guard=block")
    result.assert_outcomes(passed=3)
    assert lines_of_guard(result) == []


# The guard.


def test_the_summary_names_each_test_once_and_no_result_changes(runs: Runs) -> None:
    runs.write(
        test_it=f"""
        import subprocess, sys
        import pytest
        from segops import SegOpsAdmin, SegOpsClient

        collected = {REMOTE}

        @pytest.fixture
        def finalized():
            yield
            {REMOTE}

        def test_clients():
            {REMOTE}
            {REMOTE}
            SegOpsAdmin("sk_test_1", base_url="https://other.example:8443/secret-path")

        def test_finalizer(finalized):
            pass

        def test_a_program():
            subprocess.run([sys.executable, "-c", 'from segops import SegOpsClient; {REMOTE}'], check=True)

        def test_on_this_machine():
            for url in ("memory:", "local:", "stdout:", "http://localhost:1", "http://127.0.0.1:1", "http://[::1]:1"):
                SegOpsClient(url, "sk_test_1").shutdown(0)
        """
    )
    result = runs.run("-W", "error", "-v")
    result.assert_outcomes(passed=4)
    assert lines_of_guard(result) == [
        "outside of a test made a client for https://api.segops.ai",
        "test_it.py::test_a_program (call) made a client for https://api.segops.ai",
        "test_it.py::test_clients (call) made a client for https://api.segops.ai",
        "test_it.py::test_clients (call) made a client for https://other.example:8443",
        "test_it.py::test_finalizer (teardown) made a client for https://api.segops.ai",
    ]
    assert "warning" not in result.stdout.str().lower()


def test_a_long_report_is_cut(runs: Runs) -> None:
    runs.write(
        test_it=f"""
        import pytest
        from segops import SegOpsClient

        @pytest.mark.parametrize("number", range(25))
        def test_it(number):
            {REMOTE}
        """
    )
    lines = lines_of_guard(runs.run())
    assert len(lines) == 21
    assert lines[-1] == "… and 5 more"


def test_workers_of_xdist_report_to_the_one_summary(runs: Runs) -> None:
    runs.write(
        test_it=f"""
        import pytest
        from segops import SegOpsClient

        @pytest.mark.parametrize("number", range(4))
        def test_it(number):
            {REMOTE}
        """
    )
    result = runs.run("-n2", "-W", "error")
    result.assert_outcomes(passed=4)
    assert lines_of_guard(result) == [
        f"test_it.py::test_it[{number}] (call) made a client for https://api.segops.ai" for number in range(4)
    ]
    runs.run("-n2", "--segops-guard=block").assert_outcomes(failed=4)


def test_a_client_in_a_test_is_blocked(runs: Runs) -> None:
    runs.set_ini("segops_guard = block")
    runs.write(
        test_it=f"""
        import subprocess, sys
        from segops import SegOpsAdmin, SegOpsClient

        def test_client():
            {REMOTE}

        def test_admin():
            SegOpsAdmin("sk_test_1")

        def test_a_program():
            done = subprocess.run(
                [sys.executable, "-m", "segops", "whoami"], capture_output=True, text=True, env=with_key()
            )
            assert done.returncode == 2, done
            assert "segops_guard blocks" in done.stderr

        def with_key():
            import os
            return {{**os.environ, "SEGOPS_API_KEY": "sk_test_1"}}
        """
    )
    result = runs.run()
    result.assert_outcomes(passed=1, failed=2)
    assert (
        "SegOpsConfigError: segops_guard blocks clients for https://api.segops.ai in tests: "
        "use the fixture segops, set SEGOPS_API_URL=memory:, or mark the test with segops_live"
    ) in result.stdout.str()


def test_a_test_that_clears_the_environment_is_still_guarded(runs: Runs) -> None:
    runs.write(
        test_it=f"""
        import os
        from unittest.mock import patch
        import pytest
        from segops import SegOpsClient

        def test_it():
            with patch.dict(os.environ, clear=True), pytest.raises(ValueError, match="segops_guard blocks"):
                {REMOTE}

        @pytest.mark.segops_live
        def test_live():
            with patch.dict(os.environ, clear=True):
                {REMOTE}
        """
    )
    runs.run("--segops-guard=block").assert_outcomes(passed=2)


def test_a_client_of_an_imported_module_is_blocked(runs: Runs) -> None:
    runs.write(
        shop=f"from segops import SegOpsClient\nclient = {REMOTE}\n",
        test_it="import shop\ndef test_it(): pass\n",
    )
    result = runs.run("--segops-guard=block")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["E *SegOpsConfigError: segops_guard blocks clients*"])


EARLY = """
    from segops import SegOpsClient
    errors = []
    client = SegOpsClient("http://shop.segops.test", "pk_test_1", worker={worker!r}, on_error=errors.append)
"""
"""A plugin of `-p`, which is imported before the guard is on."""


TRACKS_UNTIL_THE_EXIT = """
        import early

        def test_it():
            early.client.track(user_id="u-1", event_type="order_placed")
"""


def test_requests_of_an_earlier_client_are_blocked(runs: Runs, proxy: FaultServer) -> None:
    runs.write(
        early=EARLY.format(worker="thread"),
        test_it="""
        import early

        def test_flush():
            early.client.track(user_id="u-1", event_type="order_placed")
            assert not early.client.flush()
            assert "segops_guard blocks requests to http://shop.segops.test" in str(early.errors[0])
        """,
    )
    result = runs.run("-p", "early", "--segops-guard=block", **through(proxy))
    result.assert_outcomes(passed=1)
    assert lines_of_guard(result) == ["test_it.py::test_flush (call) sent a request to http://shop.segops.test"]
    assert proxy.journal == []


def test_a_flush_at_the_exit_is_blocked(runs: Runs, proxy: FaultServer) -> None:
    runs.write(early=EARLY.format(worker="thread"), test_it=TRACKS_UNTIL_THE_EXIT)
    runs.run("-p", "early", "--segops-guard=block", **through(proxy)).assert_outcomes(passed=1)
    assert proxy.journal == []


def test_a_flush_at_the_exit_is_reported_after_the_summary(runs: Runs, proxy: FaultServer) -> None:
    runs.write(early=EARLY.format(worker="thread"), test_it=TRACKS_UNTIL_THE_EXIT)
    result = runs.run("-p", "early", **through(proxy))
    result.assert_outcomes(passed=1)
    assert "segops guard: outside of a test sent a request to http://shop.segops.test" in result.stderr.str()
    assert proxy.journal != []


def test_the_marker_turns_the_guard_off_for_a_test(runs: Runs) -> None:
    runs.write(
        test_it=f"""
        import pytest
        from segops import SegOpsClient

        @pytest.fixture
        def client():
            yield {REMOTE}
            {REMOTE}

        @pytest.mark.segops_live
        def test_live(client):
            pass

        def test_other(client):
            pass
        """
    )
    result = runs.run("--segops-guard=block", "--strict-markers")
    result.assert_outcomes(passed=1, errors=1)
    assert all("test_other" in line for line in lines_of_guard(result))


@pytest.mark.parametrize(
    ("ini", "words", "variables", "outcome"),
    [
        ("", [], {}, "warn"),
        ("segops_guard = off", [], {}, "off"),
        ("segops_guard = block", [], {}, "block"),
        ("segops_guard = block", ["--segops-guard=off"], {}, "off"),
        ("segops_guard = block", ["--segops-guard", "warn"], {}, "warn"),
        ("addopts = --segops-guard=block", [], {}, "block"),
        ("", ["-o", "segops_guard=block"], {}, "block"),
        ("", [], {"SEGOPS_GUARD": "block"}, "block"),
        ("segops_guard = off", [], {"SEGOPS_GUARD": "block"}, "off"),
    ],
)
def test_the_option_goes_before_the_ini_setting_and_that_before_the_environment(
    runs: Runs, ini: str, words: list[str], variables: dict[str, str], outcome: str
) -> None:
    runs.set_ini(ini)
    runs.write(test_it=f"from segops import SegOpsClient\ndef test_it(): {REMOTE}\n")
    result = runs.run(*words, **variables)
    result.assert_outcomes(**({"failed": 1} if outcome == "block" else {"passed": 1}))
    assert bool(lines_of_guard(result)) is (outcome != "off")


@pytest.mark.parametrize(
    ("ini", "words", "variables"),
    [
        ("segops_guard = blok", [], {}),
        ("", ["--segops-guard=blok"], {}),
        ("", [], {"SEGOPS_GUARD": "blok"}),
    ],
)
def test_a_bad_mode_is_an_error(runs: Runs, ini: str, words: list[str], variables: dict[str, str]) -> None:
    runs.set_ini(ini)
    runs.write(test_it="def test_it(): pass")
    result = runs.run(*words, **variables)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "blok" in result.stderr.str()


def test_a_run_inside_a_run_leaves_the_guard_of_the_outer_one(runs: Runs) -> None:
    runs.write(
        conftest='pytest_plugins = ["pytester"]',
        test_outer=f"""
        import os
        from segops import SegOpsClient

        def test_inner(pytester):
            pytester.makepyfile("def test_it(): pass")
            pytester.runpytest_inprocess("-p", "segops_pytest", "--segops-guard=off").assert_outcomes(passed=1)
            assert os.environ["SEGOPS_GUARD"] == "warn"
            {REMOTE}

        def test_inner_program(pytester):
            pytester.makepyfile('from segops import SegOpsClient\\ndef test_it(): {REMOTE}')
            pytester.runpytest_subprocess("-p", "segops_pytest").assert_outcomes(passed=1)
        """,
    )
    result = runs.run()
    result.assert_outcomes(passed=2)
    assert len(lines_of_guard(result)) == 2


def test_it_works_where_no_file_can_be_made(runs: Runs) -> None:
    runs.write(test_it=f"from segops import SegOpsClient\ndef test_it(): {REMOTE}\n")
    result = runs.run(SEGOPS_GUARD_REPORT=str(Path(tempfile.gettempdir()) / "no-such-folder" / "report"))
    result.assert_outcomes(passed=1)


def test_the_help_names_the_option_the_setting_and_the_marker(runs: Runs) -> None:
    helped = runs.run("--help").stdout.str()
    assert "--segops-guard" in helped
    assert "segops_guard (string)" in helped
    assert "@pytest.mark.segops_live: this test may use a real SegOps" in runs.run("--markers").stdout.str()
    assert "segops_events" in runs.run("--fixtures").stdout.str()


def test_the_samples_of_the_guide_run(runs: Runs) -> None:
    page = (Path(__file__).parents[1] / "docs" / "testing.md").read_text("utf-8")
    files = dict(re.findall(r"^```py\n# (\w+)\.py\n(.*?)^```$", page, re.MULTILINE | re.DOTALL))
    assert {"conftest", "test_shop", "test_application", "test_program", "test_live"} <= files.keys()
    runs.write(**{name: source for name, source in files.items() if "application" not in name and name != "conftest"})
    runs.run("-W", "error", "--strict-markers", "--segops-guard=block").assert_outcomes(passed=5)
    runs.write(**files)  # the fixture `segops` is now the client of the application
    runs.run("-W", "error", "test_application.py").assert_outcomes(passed=1)
