"""A virtual environment with real application servers in it, made once per test session."""

from __future__ import annotations

import subprocess
import venv

import pytest

from tests.lifecycle.lifecycle_rig import DEPENDENCIES, SERVERS, Servers


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Servers:
    """Install gunicorn, Celery, gevent and uWSGI, from the package index that pip is set up for."""
    home = tmp_path_factory.mktemp("servers")
    venv.create(home / "venv", with_pip=True, symlinks=True)
    python = home / "venv" / "bin" / "python"
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *DEPENDENCIES, *SERVERS]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return Servers(python)
