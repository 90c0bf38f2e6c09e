"""Help, versions, unknown words, errors of every kind, and readers that go away."""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

import segops
from segops.cli.namespaces import namespace_commands
from segops.cli.program import main
from segops.plugins.admin import load_resources
from tests.rig.plugins import SitePackages
from tests.rig.programs import SEGOPS, Run, unmeasured

COMMAND = """
from segops.core import *
def work(arguments):
    {work}
def words(parser):
    parser.add_argument("--number", type=int)
@hookimpl
def segops_register_commands():
    return [Command(name="extra", help="100% extra", configure=words, run=work)]
"""


def test_no_arguments_print_the_usage(run: Run) -> None:
    done = run()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: segops ")
    assert "demo" in done.stdout
    assert "plugins" in done.stdout


@pytest.mark.parametrize("words", [["help"], ["--help"], ["-h"]])
def test_help_is_the_usage(run: Run, words: list[str]) -> None:
    done = run(*words)
    assert (done.returncode, done.stdout, done.stderr) == (0, run().stdout, "")


def test_help_of_a_command_lists_its_arguments(run: Run) -> None:
    done = run("help", "demo")
    assert done.returncode == 0
    assert "usage: segops demo" in done.stdout
    assert "--api-url" in done.stdout
    assert done.stdout == run("demo", "--help").stdout


def test_version(run: Run) -> None:
    done = run("--version")
    assert (done.returncode, done.stdout) == (0, f"segops {segops.__version__}\n")


@pytest.mark.parametrize(
    "words",
    [["nonsense"], ["help", "nonsense"], ["--nonsense"], ["demo", "--nonsense"], ["demo", "--lim", "1"], ["demo", "x"]],
)
def test_unknown_words_are_a_usage_error(run: Run, words: list[str]) -> None:
    done = run(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert "usage: segops" in done.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["segmnts", "list"], "unknown command 'segmnts': did you mean 'segments'? see `segops help`"),
        (["help", "docter"], "unknown command 'docter': did you mean 'doctor'? see `segops help`"),
        (["hlep"], "did you mean 'help'?"),
        (["zzzzzz"], "unknown command 'zzzzzz': see `segops help`"),
        (["segments", "exprot"], "unknown verb 'exprot': did you mean 'export'? see `segops help segments`"),
        (["spool", "inspct"], "unknown action 'inspct': did you mean 'inspect'? see `segops help spool`"),
    ],
)
def test_an_unknown_command_or_verb_suggests_the_nearest(run: Run, words: list[str], message: str) -> None:
    done = run(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr


def test_help_shows_the_commands_in_groups(run: Run, site: SitePackages) -> None:
    site.add("extra", COMMAND.format(work="return 0"))
    sections = re.findall(r"^([a-z ]+):\n((?:  .*\n)+)", run("help").stdout, re.MULTILINE)
    groups = {title: re.findall(r"^  ([\w-]+)", lines, re.MULTILINE) for title, lines in sections}
    assert groups["events"] == ["send", "spool", "forward"]
    assert {"segments", "products", "identity"} <= set(groups["administration"])
    assert groups["local development"] == ["dev", "demo"]
    assert groups["tools"] == ["api", "whoami", "doctor", "plugins", "completion"]
    assert groups["plugins"] == ["extra"]


def test_help_of_a_verb(run: Run) -> None:
    assert run("help", "segments", "export").stdout == run("segments", "export", "--help").stdout


def test_the_installed_program_is_the_module(environment: Mapping[str, str]) -> None:
    program = shutil.which("segops", path=f"{Path(SEGOPS[0]).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    assert program is not None
    done = subprocess.run([program, "--version"], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == f"segops {segops.__version__}\n"


def test_a_third_party_command_runs_and_gives_the_exit_code(run: Run, site: SitePackages) -> None:
    site.add("extra", COMMAND.format(work="print(arguments.number); return 9"))
    assert "100% extra" in run("help").stdout
    done = run("extra", "--number", "4")
    assert (done.returncode, done.stdout) == (9, "4\n")


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        ("SegOpsConfigError('change it')", 2, "change it"),
        ("SegOpsTransportError('no answer')", 5, "no answer; check the URL, and that the server is running"),
        ("SegOpsTimeoutError('too late')", 7, "too late; try again, or allow more time"),
        ("SegOpsArgumentError('change that')", 2, "change that"),
        ("SegOpsJobError('it failed')", 1, "it failed"),
        ("SegOpsPluginError('bad plugin')", 1, "bad plugin"),
        ("api_error('GET /x', 401, b'who', {})", 4, "'who'; check the API key"),
        ("api_error('GET /x', 403, b'no', {})", 4, "'no'; this key lacks permission"),
        ("api_error('GET /x', 404, b'what', {})", 3, "'what'; check the URL and the arguments"),
        ("api_error('GET /x', 429, b'wait', {})", 6, "'wait'; wait a minute"),
        ("api_error('GET /x', 503, b'oh', {})", 1, "'oh'; this is a server error"),
        (
            "KeyError('lost')",
            1,
            "unexpected KeyError: 'lost' (extra.py:4); this is a bug in segops or in a plugin",
        ),
        ("KeyboardInterrupt()", 130, "interrupted"),
        ("SystemExit(7)", 7, ""),
        ("SystemExit('words')", 1, ""),
    ],
)
def test_an_error_is_a_message_and_an_exit_code(
    run: Run, site: SitePackages, error: str, code: int, message: str
) -> None:
    site.add("extra", COMMAND.format(work=f"raise {error}"))
    done = run("extra")
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith(f"segops: {message}" if message and "/x" not in error else "")
    assert message in done.stderr
    assert done.stderr.count("\n") <= 1


def test_a_broken_plugin_is_named_when_a_command_is_missing(run: Run, site: SitePackages) -> None:
    site.add("extra", "import module_that_does_not_exist")
    done = run("extra")
    assert done.returncode == 2
    assert "cannot use plugin 'extra' (extra-dist)" in done.stderr
    assert "unknown command 'extra'" in done.stderr
    assert run("--version").returncode == 0


def test_output_that_nobody_reads_ends_the_program_quietly(environment: Mapping[str, str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with subprocess.Popen([*SEGOPS, "plugins"], env=environment, stdout=writing, stderr=subprocess.PIPE) as process:
        os.close(writing)
        _, complaint = process.communicate(timeout=100)
    assert (process.returncode, complaint) == (141, b"")


def test_a_name_that_the_terminal_cannot_show_is_escaped(run: Run, site: SitePackages) -> None:
    site.add("extra", COMMAND.format(work=r"print('caf\u00e9'); return 0"))
    done = run("extra", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stdout) == (0, "caf\\xe9\n")


def test_main_takes_its_words_and_returns_the_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"segops {segops.__version__}\n"
    assert main(["nonsense"]) == 2
    assert main(["plugins", "-o", "json"]) == 0
    names = [plugin["name"] for plugin in json.loads(capsys.readouterr().out)["plugins"]]
    assert "demo" in names


def test_main_writes_to_whatever_stands_in_for_stdout() -> None:
    with contextlib.redirect_stdout(io.StringIO()) as shown:
        assert main(["plugins"]) == 0
    assert json.loads(shown.getvalue())["broken"] == []


def test_the_program_starts_without_what_only_some_commands_need(environment: Mapping[str, str]) -> None:
    code = "import sys; from segops.cli.program import main; main(['help']); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([SEGOPS[0], "-c", code], env=environment, capture_output=True, text=True, check=True)
    # coverage, when it measures this process, loads some of these itself
    assert not {"urllib3", "structlog", "segops.emulator.service", "segops.demo.data"} & set(done.stderr.split())


def test_the_version_costs_next_to_nothing(environment: Mapping[str, str]) -> None:
    code = "import sys; from segops.cli.program import main; main(['--version']); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run(
        [SEGOPS[0], "-c", code], env=unmeasured(environment), capture_output=True, text=True, check=True
    )
    assert not {"urllib3", "ssl", "segops.admin", "segops.cli.namespaces", "urllib.request"} & set(done.stderr.split())


def test_only_the_chosen_verb_is_defined() -> None:
    parser = argparse.ArgumentParser()
    namespace_commands(load_resources())["segments"].configure(parser)
    parser.parse_args(["get", "1"])
    verbs = next(action.choices for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    assert [name for name, verb in verbs.items() if len(verb._actions) > 1] == ["get"]


def test_a_client_does_not_pay_for_the_program(environment: Mapping[str, str]) -> None:
    code = "import sys, segops; segops.SegOpsClient('memory:'); print(*sys.modules)"
    done = subprocess.run(
        [SEGOPS[0], "-c", code], env=unmeasured(environment), capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert "segops.demo" in loaded
    assert not {"argparse", "logging", "sqlite3", "segops.demo.command"} & loaded
