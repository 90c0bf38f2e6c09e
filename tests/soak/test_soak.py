"""Random faults for a long time: flat memory, descriptors and threads, and a balanced ledger. See also `make soak`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from statistics import median

import msgspec
import pytest

from tests.soak.application import KEY
from tests.soak.moody_server import MoodyServer

SECONDS = float(os.environ.get("SEGOPS_SOAK_SECONDS", "30"))
HERE = Path(__file__).parent


@pytest.mark.timeout(SECONDS + 120)
@pytest.mark.parametrize("spool", ["", "spool.db"], ids=["memory", "spool"])
def test_soak(tmp_path: Path, spool: str) -> None:
    with MoodyServer(seed=1) as server:
        done = subprocess.run(
            [sys.executable, str(HERE / "application.py"), server.url, str(SECONDS / 2), spool],
            capture_output=True,
            timeout=SECONDS + 90,
            check=False,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(HERE.parents[1])},
        )
        assert done.returncode == 0, done.stderr.decode()[-2000:]
        stored = len(server.stored)
    result = msgspec.json.decode(done.stdout)
    balance(result, stored)
    flat(result["seen"])
    assert KEY.encode() not in done.stdout + done.stderr, "the log shows the key"


def balance(result: dict[str, object], stored: int) -> None:
    """Check the ledger against the application's own count, the observer's, and the server's."""
    dropped = result["dropped"]
    assert isinstance(dropped, dict)
    assert result["unbalanced"] == 0
    assert result["accepted"] == result["tracked"]
    assert result["pending"] == 0
    assert result["accepted"] == result["delivered"] + sum(dropped.values())  # type: ignore[operator]
    assert result["observed"] == [result["delivered"], dropped]
    assert dropped["invalid"] > 0
    assert set(dropped) <= {"invalid", "rejected", "too_large"}
    # The client does not see a response that was lost on the way; a later rejection may then drop the event.
    assert 0 <= stored - result["delivered"] <= dropped.get("rejected", 0) + dropped.get("too_large", 0)  # type: ignore[operator]
    assert result["retries"] > 0  # type: ignore[operator]


def flat(seen: list[list[int]]) -> None:
    """Check that the second half of the time takes no more than the first, after a warm-up."""
    warm = seen[len(seen) // 5 :]
    half = len(warm) // 2
    for early, late, spare in zip(
        zip(*warm[:half], strict=True), zip(*warm[half:], strict=True), [4096, 4, 2], strict=True
    ):
        assert median(late) <= median(early) + spare, (early, late)
        assert max(late) <= max(early) + 2 * spare, (early, late)
