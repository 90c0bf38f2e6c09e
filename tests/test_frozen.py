"""Frozen and zipped programs: following imports finds all of the package, and data files are readable."""

from __future__ import annotations

import ast
import os
import shutil
import signal
import subprocess
import sys
import urllib.request
import zipapp
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

import segops
from tests.rig.programs import unconfigured, unmeasured

PACKAGE = Path(segops.__file__).parent
ROOTS = ("segops", "segops.cli.program")

# What nothing in a program needs, or what a program imports itself.
OTHERS = (
    *("segops.__main__", "segops.__pyinstaller"),
    *("segops.integrations", "segops.plugins.otel", "segops.testing"),
)

MODULES = {
    ".".join(("segops", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in PACKAGE.rglob("*.py")
}


def imports_of(tree: ast.AST) -> Iterator[str]:
    """Yield what is imported when a program runs, as a freezer sees it: without what only type checkers import."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        else:
            yield from imports_of(node)


def reached() -> set[str]:
    """Return the modules of the package to which imports lead from its front doors."""
    found: set[str] = set()
    waiting = list(ROOTS)
    while waiting:
        name = waiting.pop()
        if name in MODULES and name not in found:
            found.add(name)
            waiting += [name.rpartition(".")[0], *imports_of(ast.parse(MODULES[name].read_text("utf-8")))]
    return found


def test_import_statements_lead_to_every_module() -> None:
    others = {name for name in MODULES if name.startswith(OTHERS)}
    assert set(MODULES) - others - reached() == set()


FROZEN = """
import sys
sys.path.insert(0, sys.argv[1])
import segops
assert segops.__file__.startswith(sys.argv[1])
from segops import SegOpsAdmin, SegOpsClient, detect_ai_referrer, sign_user_id, verify_webhook
from segops.cli.program import main
for url in ("memory:", "local:", "stdout:", f"file:{sys.argv[1]}/e"):
    with SegOpsClient(url) as client:
        client.track(user_id="u-1", event_type="order_placed")
    assert client.stats().delivered == 1
SegOpsClient("https://segops.example", "sk_test_1", spool=f"{sys.argv[1]}/s/s.db").shutdown(0)
assert SegOpsAdmin(base_url="local:").segments.list() is not None
for words in (["--version"], ["plugins"], ["completion", "bash"], ["whoami", "--help"], ["send", "--help"]):
    assert main(words) == 0, words
"""


def test_a_program_runs_with_what_imports_lead_to(tmp_path: Path) -> None:
    for name in reached():
        target = tmp_path / MODULES[name].relative_to(PACKAGE.parent)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(MODULES[name], target)
    command = [sys.executable, "-c", FROZEN, str(tmp_path)]
    done = subprocess.run(
        command, env=unconfigured(unmeasured()), capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program `segops` as a zip: what an installation of it would hold, without what is compiled."""
    folder = tmp_path_factory.mktemp("zip")
    ignored = shutil.ignore_patterns("__pycache__", "*.so", "*.c")
    shutil.copytree(PACKAGE, folder / "app" / "segops", ignore=ignored)
    sample = PACKAGE.parent / "examples" / "data" / "cdnow_sample.txt"
    shutil.copy(sample, folder / "app" / "segops" / "plugins" / "demo")
    zipapp.create_archive(folder / "app", folder / "segops.pyz", main="segops.cli.program:main")
    return folder / "segops.pyz"


def zipped(archive: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(archive), *words]
    return subprocess.run(
        command, env=unconfigured(unmeasured()), capture_output=True, text=True, check=False, cwd=archive.parent
    )


def test_the_program_runs_from_a_zip(archive: Path) -> None:
    assert "segops" in zipped(archive, "--version").stdout
    assert "transports" in zipped(archive, "plugins").stdout
    done = zipped(archive, "demo", "--limit", "20")
    assert done.returncode == 0, done.stderr


def test_the_page_is_served_from_a_zip(archive: Path) -> None:
    command = [sys.executable, "-u", str(archive), "dev", "--port", "0"]
    with subprocess.Popen(
        command, env=unconfigured(unmeasured()), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        try:
            line = next(line for line in process.stdout if "http://127.0.0.1:" in line)
            url = "http://127.0.0.1:" + line.partition("http://127.0.0.1:")[2].split()[0].strip("/")
            with urllib.request.urlopen(f"{url}/", timeout=60) as page:
                assert (page.status, b"<script>" in page.read()) == (200, True)
        finally:
            process.send_signal(signal.SIGINT)
            process.stdout.read()


PROGRAM = """
import sys
from segops.cli.program import main
if sys.argv[1:]:
    sys.exit(main(sys.argv[1:]))
from segops import SegOpsClient
with SegOpsClient("memory:") as client:
    client.track(user_id="u-1", event_type="order_placed")
print(client.stats().delivered)
"""


@pytest.mark.skipif(find_spec("PyInstaller") is None, reason="PyInstaller is not installed")
def test_pyinstaller_finds_everything(tmp_path: Path) -> None:
    """Its hooks are found by an entry point, which an editable installation made before has not."""
    (tmp_path / "app.py").write_text(PROGRAM)
    freeze = [sys.executable, "-m", "PyInstaller", "--onefile", "--log-level", "ERROR", "app.py"]
    freeze += ["--additional-hooks-dir", str(PACKAGE / "__pyinstaller"), "--paths", str(PACKAGE.parent)]
    environment = unconfigured(unmeasured())
    subprocess.run(freeze, cwd=tmp_path, env=environment, check=True)
    program = str(tmp_path / "dist" / ("app.exe" if os.name == "nt" else "app"))
    environment.pop("PYTHONPATH", None)
    done = subprocess.run([program], capture_output=True, text=True, env=environment, check=False, cwd=tmp_path)
    assert done.stdout.split() == ["1"], done.stderr
    done = subprocess.run(
        [program, "whoami"], capture_output=True, text=True, env=environment, check=False, cwd=tmp_path
    )
    assert "api_key is missing" in done.stderr or "key" in done.stdout, done.stderr
