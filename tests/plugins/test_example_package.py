"""The example plugin, built, installed into a fresh environment, and used there."""

import json
import os
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "segops-plugin-example"


class Fresh:
    """A virtual environment with the SDK and the example, installed from their wheels."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
        sources = folder / "example"
        shutil.copytree(EXAMPLE, sources)
        wheels = folder / "wheels"
        pip = ("-m", "pip", "--disable-pip-version-check", "--quiet")
        self._run(sys.executable, *pip, "wheel", "--no-deps", "--no-build-isolation", "-w", wheels, ROOT, sources)
        venv.create(folder / "venv", with_pip=True)
        self._run(self.bin / "python", *pip, "install", "pytest", *wheels.glob("*.whl"))
        self.sources = sources

    def python(self, *arguments: str, **variables: str) -> str:
        return self._run(self.bin / "python", *arguments, **variables)

    def segops(self, *arguments: str, **variables: str) -> str:
        return self._run(self.bin / "segops", *arguments, **variables)

    def _run(self, *command: Path | str, **variables: str) -> str:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("SEGOPS_", "PYTHON", "COV"))}
        done = subprocess.run(
            list(map(str, command)),
            cwd=self.folder,
            env={**kept, **variables},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout


@pytest.fixture(scope="session")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Fresh:
    return Fresh(tmp_path_factory.mktemp("fresh"))


@pytest.mark.timeout(400)
def test_its_own_tests_pass(fresh: Fresh) -> None:
    report = fresh.python("-m", "pytest", "-q", "-p", "no:cacheprovider", str(fresh.sources))
    assert " passed" in report
    assert "skipped" not in report


@pytest.mark.timeout(400)
def test_it_is_listed_with_where_it_is_from_and_what_it_gives(fresh: Fresh) -> None:
    listed = json.loads(fresh.segops("plugins", "--output", "json"))
    assert listed["broken"] == []
    [entry] = [entry for entry in listed["plugins"] if entry["name"] == "example"]
    assert entry["origin"] == "segops-plugin-example"
    assert entry["provides"] == {"transports": ["sqlite-queue:"], "enrichers": ["campaign (page_viewed)"]}


PROGRAM = """
from segops import SegOpsClient
client = SegOpsClient("sqlite-queue:queue.db")
client.track_page_view("u-1", url="https://shop.example.org/?utm_source=news")
client.shutdown()
import sqlite3
database = sqlite3.connect("queue.db")
print(database.execute("SELECT event FROM events").fetchone()[0])
database.close()
"""


@pytest.mark.timeout(400)
def test_an_event_goes_through_its_enricher_and_its_transport(fresh: Fresh) -> None:
    event = json.loads(fresh.python("-c", PROGRAM))
    assert event["user_id"] == "u-1"
    assert event["payload"]["utm_source"] == "news"


@pytest.mark.timeout(400)
def test_the_samples_of_its_readme_run(fresh: Fresh) -> None:
    samples = re.findall(r"```python\n(.*?)```", (fresh.sources / "README.md").read_text(), re.DOTALL)
    assert len(samples) == 2
    [event] = map(json.loads, fresh.python("-c", "\n".join(samples)).splitlines())
    assert event["payload"]["utm_source"] == "news"


@pytest.mark.timeout(400)
def test_the_environment_turns_it_off(fresh: Fresh) -> None:
    listed = json.loads(fresh.segops("plugins", "--output", "json", SEGOPS_PLUGINS="-example"))
    assert "example" not in {entry["name"] for entry in listed["plugins"]}


@pytest.mark.timeout(400)
def test_the_pytest_plugin_of_the_wheel_is_found_and_accepts_an_imported_sdk(fresh: Fresh) -> None:
    (fresh.folder / "test_tracked.py").write_text(
        "def test_it(segops, segops_events):\n"
        "    segops.track(user_id='u-1', event_type='order_placed')\n"
        "    segops_events.assert_tracked('order_placed')\n"
    )
    run = "import segops, pytest, sys; sys.exit(pytest.main(sys.argv[1:]))"
    assert "1 passed" in fresh.python("-c", run, "-W", "error", "-p", "no:cacheprovider", "test_tracked.py")


def test_it_builds_on_public_names_alone() -> None:
    sources = "".join(path.read_text() for path in EXAMPLE.rglob("*.py"))
    imported = {line.split()[1] for line in sources.splitlines() if line.startswith("from segops")}
    assert imported <= {
        "segops",
        "segops.core",
        "segops.testing",
        "segops_plugin_example",
        "segops_plugin_example.campaigns",
        "segops_plugin_example.sqlite_queue",
    }
