"""The SDK in WebAssembly, without threads and sockets: Pyodide, run by Node.js."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.lifecycle.lifecycle_rig import PATIENCE, ROOT

PYODIDE = "pyodide@314.0.7"
PLATFORM = ["--python-version", "3.14", "--platform", "pyemscripten_2026_0_wasm32"]
NODE, NPM = shutil.which("node"), shutil.which("npm")

HOST = """
import { loadPyodide } from "pyodide";
const python = await loadPyodide();
for (const [at, root] of Object.entries(JSON.parse(process.argv[2]))) {
  python.FS.mkdirTree(at);
  python.FS.mount(python.FS.filesystems.NODEFS, { root }, at);
}
python.runPython(process.argv[3]);
"""

PROGRAM = """
import sys, threading
sys.dont_write_bytecode = True  # into the checkout
sys.path[:0] = ["/sdk", "/site"]
from segops import Limits, SegOpsClient
try:
    threading.Thread(target=print).start()
except RuntimeError:
    print("no threads in", sys.platform)
for worker in ("inline", "thread"):
    errors = []
    with SegOpsClient(f"file:/out/{worker}", worker=worker, batch_size=100, on_error=errors.append) as client:
        for number in range(1050):
            client.track(user_id=f"u-{number}", event_type="x", payload={"n": number})
    print(worker, client.stats().delivered, client.stats().dropped, *errors)
print([name for name in ("structlog", "urllib3", "segops.delivery._speedups") if name in sys.modules])
"""


@pytest.fixture
def pyodide(tmp_path: Path) -> Path:
    """Return a folder with Pyodide and the one dependency that is compiled, or skip where they cannot be had."""
    if NODE is None or NPM is None:
        pytest.skip("Node.js is not installed")
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", *PLATFORM, "msgspec"]
    for command in ([NPM, "install", "--no-audit", "--no-fund", PYODIDE], pip):
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE, check=False)
        if done.returncode:
            pytest.skip(f"{command[-1]} cannot be had: {done.stderr.strip()[-300:]}")
    for name in ("site", "out"):
        (tmp_path / name).mkdir()
    for wheel in tmp_path.glob("*.whl"):
        zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    found = find_spec("pluggy")
    assert found is not None
    assert found.origin is not None
    shutil.copytree(Path(found.origin).parent, tmp_path / "site" / "pluggy")
    (tmp_path / "host.mjs").write_text(HOST)
    return tmp_path


def test_events_reach_a_file_without_a_thread(pyodide: Path) -> None:
    """Row 31: there are none, whatever is asked for."""
    mounts = f'{{"/sdk": "{ROOT}", "/site": "{pyodide}/site", "/out": "{pyodide}/out"}}'
    command = [str(NODE), "host.mjs", mounts, PROGRAM]
    done = subprocess.run(command, cwd=pyodide, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    first, inline, thread, loaded = done.stdout.splitlines()
    assert first == "no threads in emscripten"
    assert inline == "inline 1050 {}"
    assert thread.startswith("thread 1050 {} could not start a thread")
    assert loaded == "[]"
    for worker in ("inline", "thread"):
        assert (pyodide / "out" / worker).read_bytes().count(b"\n") == 1050
