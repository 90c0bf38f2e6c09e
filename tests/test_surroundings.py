"""Warn once about misspelled variables, and about two distributions that own one folder."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.rig.plugins import SitePackages
from tests.rig.programs import unconfigured

TWICE = """
from segops import SegOpsAdmin, SegOpsClient
for _ in range(2):
    SegOpsClient("memory:", "sk_test_1").shutdown()
    SegOpsAdmin("sk_test_1", base_url="local:").close()
"""


def said(folder: Path, **variables: str) -> list[str]:
    environment = {**unconfigured(), "PYTHONPATH": str(folder), **variables}
    done = subprocess.run(
        [sys.executable, "-c", TWICE], env=environment, capture_output=True, text=True, check=False, timeout=200
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    return done.stderr.splitlines()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("SEGOPS_APIKEY", "did you mean SEGOPS_API_KEY?"),
        ("SEGOPS_SECRET_KEY", "did you mean SEGOPS_API_KEY?"),
        ("SEGOPS_BASE_URL", "did you mean SEGOPS_API_URL?"),
        ("SEGOPS_DISABLE", "did you mean SEGOPS_DISABLED?"),
        ("segops_api_key", "did you mean SEGOPS_API_KEY?"),
        ("SEGOPS_", "the SDK reads SEGOPS_API_KEY, SEGOPS_API_URL"),
        ("SEGOPS_BATCHING", "the SDK reads SEGOPS_API_KEY, SEGOPS_API_URL"),
    ],
)
def test_a_variable_that_nobody_knows_is_named_once(tmp_path: Path, name: str, words: str) -> None:
    [line] = said(tmp_path, **{name: "sk_planted"})
    assert f"unknown environment variable {name}: {words}" in line
    assert "planted" not in line


def test_known_variables_and_those_of_others_are_not_named(tmp_path: Path) -> None:
    known = {"SEGOPS_API_KEY": "sk_test_1", "SEGOPS_API_URL": "memory:", "SEGOPS_DISABLED": "0", "SEGOPS_PLUGINS": ""}
    kubernetes = {
        "SEGOPS_SERVICE_HOST": "10.0.0.1",
        "SEGOPS_API_SERVICE_PORT_HTTP": "80",
        "SEGOPS_PORT": "tcp://10.0.0.1:80",
        "SEGOPS_API_PORT_80_TCP_ADDR": "10.0.0.1",
    }
    assert said(tmp_path, **known, **kubernetes, SEGOPS_TEST_QUEUE="c", XSEGOPS_API="1") == []


def test_the_other_distribution_of_the_same_folder_is_named_once(tmp_path: Path) -> None:
    SitePackages(tmp_path).install("segops", {}, {})
    [line] = said(tmp_path)
    assert "the distributions segops and segops-sdk are both installed" in line
    assert said(tmp_path, SEGOPS_PLUGINS="none") == [], "nothing is looked at"


def test_the_doctor_names_both(tmp_path: Path) -> None:
    SitePackages(tmp_path).install("segops", {}, {})
    environment = {**unconfigured(), "PYTHONPATH": str(tmp_path), "SEGOPS_APIKEY": "x"}
    command = [sys.executable, "-m", "segops", "doctor", "--api-url", "memory:", "-o", "json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=200)
    found = {finding["check"]: finding for finding in json.loads(done.stdout)}
    assert found["installation"]["status"] == found["environment"]["status"] == "warning"
    assert "pip uninstall segops segops-sdk" in found["installation"]["detail"]
    assert "SEGOPS_APIKEY" in found["environment"]["detail"]
