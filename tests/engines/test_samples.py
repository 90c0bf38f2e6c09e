"""The samples for Spark and Dask in docs/history.md run from top to bottom."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.engines.conftest import Counting

PAGE = Path(__file__).parents[2] / "docs" / "history.md"
SAMPLE = re.compile(r"^```py\n(.*?)^```$", re.MULTILINE | re.DOTALL)
URL = "https://api.segops.ai"

pytestmark = pytest.mark.filterwarnings(
    "ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::ResourceWarning"
)


def test_samples(spark: Any, counting: Counting, url: str, tmp_path: Path) -> None:
    pytest.importorskip("dask.dataframe")
    columns = ["cast(concat('u-', id) as string) user_id", "'order_placed' event_type"]
    frame = spark.range(700, numPartitions=2).selectExpr(*columns, "'2026-01-05T09:30:00Z' occurred_at")
    frame.write.parquet(str(tmp_path / "orders.parquet"))
    samples = SAMPLE.findall(PAGE.read_text("utf-8"))
    assert len(samples) == 4
    names: dict[str, Any] = {"__name__": "__main__"}
    for number, sample in enumerate(samples):
        here = sample.replace(URL, url)
        for name in ("orders.parquet", "report.json"):  # Spark works in the directory that it was started in
            here = here.replace(f'"{name}"', repr(str(tmp_path / name)))
        exec(compile(here, f"sample {number + 1}", "exec"), names)
        is_dask = number == len(samples) - 1  # which has partitions of its own
        assert set(counting.users.values()) == {2 if is_dask else 1}
        assert len(counting.users) == 700
    assert json.loads((tmp_path / "report.json").read_text())["delivered"] == 700
    assert names["result"].delivered.sum() == 700
