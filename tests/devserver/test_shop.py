"""The example shop: its own tests, and `make shop` with a person who clicks, in a real Chromium."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.devserver.browser import Browser, Page

ROOT = Path(__file__).parents[2]
ROWS = "[...document.querySelectorAll('#panel-events .row')]"


class Shop(NamedTuple):
    """The addresses that `make shop` printed."""

    shop: str
    events: str


@pytest.fixture
def make_shop(environment: dict[str, str]) -> Iterator[Callable[[str], Shop]]:
    """Start `make shop` with a framework, and stop it as Ctrl-C does."""
    started: list[subprocess.Popen[str]] = []

    def start(framework: str) -> Shop:
        installed = f"{sys.prefix}/.dev"
        words = ["make", "-s", "-o", installed, "shop", f"VENV={sys.prefix}", f"FRAMEWORK={framework}", "PORT=0"]
        process = subprocess.Popen(
            words,
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        assert process.stdout is not None
        said = ""
        for line in process.stdout:
            said += line
            if "Ctrl-C" in line:
                break
        found = re.findall(r"http://\S+", said)
        assert len(found) == 2, (said, process.communicate(timeout=60))
        return Shop(*found)

    yield start
    for process in started:
        os.killpg(process.pid, signal.SIGINT)
        _, complaints = process.communicate(timeout=60)
        assert "Traceback" not in complaints, complaints


@pytest.mark.skipif(not shutil.which("make"), reason="no make")
@pytest.mark.parametrize("framework", ["fastapi", "flask", "django"])
def test_events_appear_as_one_clicks(make_shop: Callable[[str], Shop], browser: Browser, framework: str) -> None:
    addresses = make_shop(framework)
    with browser.open(addresses.events) as events, browser.open(addresses.shop) as shop:
        events.wait("document.querySelector('#live').textContent === 'live'")
        wait_for_row(events, "page_viewed", '"path":"/"')
        click(shop, "#from-chatgpt", title="Desk lamp")
        wait_for_row(events, "ai_referral_session", "chatgpt")
        click(shop, "#login-ada", title="All products")
        wait_for_row(events, "context_identified", "ada")
        click(shop, "a[href='/products/keyboard']", title="Quiet keyboard")
        click(shop, "#buy", title="Thank you for your order")
        wait_for_row(events, "order_placed", "ada", "89.95")
        wait_for_row(events, "page_viewed", "ada", "/thanks")
        assert shop.complaints() == events.complaints() == []


@pytest.mark.parametrize(
    ("words", "variables", "said"),
    [
        (["fastapi"], {}, "SEGOPS_API_URL is not set: run make shop"),
        (["bottle"], {"SEGOPS_API_URL": "memory:"}, "choose from"),
        (["flask", "--port", "x"], {"SEGOPS_API_URL": "memory:"}, "invalid int value"),
    ],
)
def test_a_mistake_is_explained(
    environment: dict[str, str], words: list[str], variables: dict[str, str], said: str
) -> None:
    done = run_shop(words, {**environment, **variables})
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


@pytest.mark.parametrize("framework", ["fastapi", "flask"])
def test_a_port_in_use_is_named(environment: dict[str, str], framework: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = run_shop([framework, "--port", str(port)], {**environment, "SEGOPS_API_URL": "memory:"})
    assert done.returncode == 2
    assert f"cannot listen on port {port} (Address already in use): use another --port" in done.stderr
    assert "Traceback" not in done.stderr


def run_shop(words: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "shop", *words],
        cwd=ROOT / "examples" / "shop",
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


def test_the_tests_of_the_shop_pass(environment: dict[str, str]) -> None:
    words = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider"]
    folder = ROOT / "examples" / "shop"
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
    assert "segops guard" not in done.stdout


def click(page: Page, selector: str, *, title: str) -> None:
    """Click, and wait for the page with a title."""
    page.run(f"document.querySelector({selector!r}).click()")
    page.wait(f"document.readyState === 'complete' && document.title === {title!r}")


def wait_for_row(page: Page, *texts: str) -> None:
    """Wait for an event whose row has all the texts."""
    page.wait(f"{ROWS}.some(row => {list(texts)}.every(text => row.textContent.includes(text)))")
