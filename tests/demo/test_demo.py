"""`segops demo` against the SegOps that it starts itself."""

from __future__ import annotations

import os
import pty
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from segops.emulator import LocalSegOps
from tests.rig.plugins import SitePackages
from tests.rig.programs import SEGOPS, Run

SAMPLE = Path(__file__).parents[2] / "examples" / "data" / "cdnow_sample.txt"

PAGE_VIEWS = 12
REFERRALS = {"chatgpt": 2, "perplexity": 2, "claude": 1, "gemini": 1, "grok": 1}

ENRICHER = """
from segops.core import Enricher, hookimpl
def enrich(event):
    {body}
@hookimpl
def segops_register_enrichers():
    return [Enricher(name="extra", event_types=frozenset({{"order_placed"}}), enrich=enrich)]
"""

LIAR = """
from segops.core import Response, Transport, hookimpl
class Liar(Transport):
    url = "http://127.0.0.1"
    def send(self, request, *, timeout):
        return Response(202)
@hookimpl
def segops_register_transports():
    return {"http": lambda url: Liar()}
"""


def rows(count: int | None = None) -> list[list[str]]:
    return [line.split() for line in SAMPLE.read_text().splitlines()][:count]


def cents(purchases: list[list[str]]) -> int:
    return sum(int(row[4].replace(".", "")) for row in purchases)


def numbers(output: str) -> dict[str, str]:
    """Return the first number after each name of the summary."""
    found: dict[str, str] = {}
    for line in output.splitlines():
        name, _, rest = line.partition("  ")
        if name and rest:
            found[name] = rest.split()[0].replace(",", "")
    return found


def test_all_purchases_arrive_and_the_summary_says_so(run: Run) -> None:
    done = run("demo")
    assert done.returncode == 0, done.stderr
    purchases = rows()
    assert all(row[4][-3] == "." for row in purchases)
    events = len(purchases) + PAGE_VIEWS + sum(REFERRALS.values())
    said = numbers(done.stdout)
    assert (said["accepted"], said["delivered"], said["dropped"]) == (str(events), str(events), "0")
    assert int(said["events per second"]) > 0
    assert (said["stored events"], said["stored users"]) == (str(events), str(len({row[0] for row in purchases})))
    assert (len(purchases), said["stored users"]) == (6919, "2357")
    assert said["stored spend"] == f"${cents(purchases) / 100:.2f}"
    assert said["stored AI referrals"] == "7"
    assert ", ".join(f"{name} {count}" for name, count in REFERRALS.items()) in done.stdout


def test_progress_is_plain_lines_where_there_is_no_terminal(run: Run) -> None:
    lines = run("demo").stderr.splitlines()
    assert lines[0].startswith("Sending 6,919 purchases and 12 page views to http://127.0.0.1:")
    assert lines[-2:] == ["  6,919 of 6,919 purchases", "The data was in memory: add --db FILE to keep it."]
    assert 2 < len(lines) < 10
    assert all(line.isprintable() for line in lines)


def test_progress_is_a_bar_on_a_terminal(environment: Mapping[str, str]) -> None:
    ours, theirs = pty.openpty()
    try:
        subprocess.run(
            [*SEGOPS, "demo"], env=environment, stdout=subprocess.PIPE, stderr=theirs, timeout=200, check=True
        )
        os.close(theirs)
        shown = os.read(ours, 65536).decode()
    finally:
        os.close(ours)
    assert f"\r  [{'#' * 30}] 6,919 of 6,919 purchases\r\n" in shown
    assert "\x1b" not in shown


def test_the_database_is_kept_and_grows(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "kept.db"
    for times in (1, 2):
        done = run("demo", "--limit", "10", "--db", str(path))
        assert done.returncode == 0, done.stderr
        assert f"The data is in {path}." in done.stderr
        said = numbers(done.stdout)
        assert said["accepted"] == "29"
        assert said["stored events"] == str(29 * times)
        with LocalSegOps(path) as kept:
            summary = kept.summary()
            first = next(kept.events("order_placed"))
        assert summary.by_type == {
            "page_viewed": 12 * times,
            "order_placed": 10 * times,
            "ai_referral_session": 7 * times,
        }
        assert summary.users == len({row[0] for row in rows(10)})
        assert round(summary.total_spend * 100) == cents(rows(10)) * times
    assert (first.user_id, first.occurred_at) == ("cdnow-00004", "1997-01-01T00:00:00.000000Z")
    assert first.payload == {"total": 29.33, "quantity": 2, "currency": "USD"}


def test_other_purchases(run: Run, tmp_path: Path) -> None:
    data = tmp_path / "data.txt"
    data.write_text("7 1 20240229 1 12\n\n8 2 20240301 2 0.50\n")
    done = run("demo", "--data", str(data))
    assert done.returncode == 0, done.stderr
    assert numbers(done.stdout)["stored users"] == "2"
    assert numbers(done.stdout)["stored spend"] == "$12.50"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty: pass --data"),
        (b"1 1 19970101 2 9.99\n1 1 19970230 2 9.99\n", "line 2 of"),
        (b"1 1 19970101 2 nan\n", "line 1 of"),
        (b"1 1 19970101 2\n", "line 1 of"),
        (b"\xff\xfe\x00", "it is UTF-16: save it as UTF-8"),
        (b"\xff\x00", "it is UTF-16 or not text: save it as UTF-8"),
        (None, "(No such file or directory): pass --data"),
    ],
)
def test_data_that_cannot_be_used(run: Run, tmp_path: Path, content: bytes | None, message: str) -> None:
    data = tmp_path / "data.txt"
    if content is not None:
        data.write_bytes(content)
    done = run("demo", "--data", str(data))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("segops: ")
    assert message in done.stderr
    assert str(data) in done.stderr


@pytest.mark.parametrize("limit", ["0", "-1", "x", "1.5"])
def test_a_limit_is_a_whole_number_above_zero(run: Run, limit: str) -> None:
    done = run("demo", f"--limit={limit}")
    assert (done.returncode, done.stdout) == (2, "")
    assert f"must be a whole number above 0, got '{limit}'" in done.stderr


def test_a_database_that_cannot_be_used(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    path.write_text("this is not a database, but long enough to be read as one")
    done = run("demo", "--db", str(path))
    assert (done.returncode, done.stdout) == (2, "")
    assert str(path) in done.stderr


def test_the_sdk_turned_off(run: Run) -> None:
    done = run("demo", SEGOPS_DISABLED="1")
    assert (done.returncode, done.stdout) == (2, "")
    assert "the SDK is disabled: unset SEGOPS_DISABLED" in done.stderr


def test_events_that_a_plugin_drops_are_a_failure(run: Run, site: SitePackages) -> None:
    site.add("extra", ENRICHER.format(body="return event if event.payload['quantity'] > 2 else None"))
    done = run("demo", "--limit", "10")
    kept = sum(int(row[3]) > 2 for row in rows(10))
    assert done.returncode == 1
    assert numbers(done.stdout)["dropped"] == str(10 - kept)
    assert f"segops: {10 - kept} of 29 events were not delivered (plugin {10 - kept})" in done.stderr


def test_a_database_that_holds_something_else_is_a_failure(run: Run, site: SitePackages) -> None:
    body = "event.payload['total'] += 1; event.user_id += str(event.occurred_at); return event"
    site.add("extra", ENRICHER.format(body=body))
    done = run("demo", "--limit", "2")
    assert done.returncode == 1
    spend = cents(rows(2)) / 100
    assert f"the purchases add up to ${spend:.2f}, but ${spend + 2:.2f} are stored" in done.stderr
    assert "the events belong to 1 users, but 3 are stored" in done.stderr


def test_a_transport_that_lies_is_found_out(run: Run, site: SitePackages) -> None:
    site.add("extra", LIAR)
    done = run("demo", "--limit", "2")
    assert done.returncode == 1
    assert numbers(done.stdout)["delivered"] == "21"
    assert "segops: 21 events were delivered, but 0 are stored; " in done.stderr


def test_errors_of_plugins_are_shown_once(run: Run, site: SitePackages) -> None:
    site.add("extra", "import module_that_does_not_exist")
    done = run("demo", "--limit", "3")
    assert done.returncode == 0
    assert done.stderr.count("module_that_does_not_exist") == 1
