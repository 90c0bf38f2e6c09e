"""Install the peers, and measure each SDK in a fresh process against a fresh sink."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from bench.environments import PIP, needed
from bench.peers.adapters import Peer
from bench.peers.drive import PROGRAM, Throughput
from bench.processes import OURS

PINS = Path(__file__).with_name("requirements.txt")
PATIENCE = 120
"""Seconds after which a process counts as stuck."""


class Delivery(NamedTuple):
    """The cost in the SDK's process, and the counts of the sink."""

    took: Throughput
    requests: int
    bytes: int
    events: int
    repeated: int


@dataclass
class Sink:
    """A server of bench.sink in its own process, so that its work is not measured.

    Attributes:
        url: Where it listens.
        report: What it said at its end.
    """

    url: str
    report: str = ""


@contextmanager
def sink(mode: str) -> Iterator[Sink]:
    """Run a sink; see bench.sink for the modes."""
    command = [sys.executable, "-m", "bench.sink", mode]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=OURS) as process:
        assert process.stdout is not None
        server = Sink(process.stdout.readline().strip())
        try:
            yield server
        finally:
            server.report, _ = process.communicate(timeout=PATIENCE)


class Folders(NamedTuple):
    """Where the SDKs are.

    Attributes:
        peers: The peers, and what they depend on.
        needs: What ours depends on at run time.
    """

    peers: Path
    needs: Path


def installed(build: Path) -> Folders:
    """Return the folders of all SDKs; install them into `build` unless that was done."""
    pinned = ["--require-hashes", "--requirement", str(PINS)]
    return Folders(_install(build / "peers", pinned, PINS.read_text("utf-8")), _install(build / "needs", needed()))


def _install(folder: Path, what: list[str], content: str = "") -> Path:
    """Install packages into a folder named after its contents; return it."""
    digest = hashlib.sha256("\n".join([*what, content]).encode()).hexdigest()
    folder = folder.resolve().with_name(f"{folder.name}-{sys.implementation.cache_tag}-{digest[:12]}")
    done = folder / ".installed"
    if not done.exists():
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([*PIP, "install", *what, "--target", str(folder)], check=True)
        done.touch()
    return folder


def search_path(peer: Peer, folders: Folders) -> list[Path]:
    """Return the folders in which an SDK and its dependencies are found, the one with the SDK first."""
    return [OURS, folders.needs] if peer.ours else [folders.peers, OURS]


def python(program: str, peer: Peer, folders: Folders, *arguments: str) -> str:
    """Run a program that gets its search path as lines; return what it printed.

    No `.pth` file, no `.netrc` and no variable of the environment (proxies, settings of an SDK) reaches it.
    """
    path = "\n".join(str(folder) for folder in search_path(peer, folders))
    return subprocess.run(
        [sys.executable, "-I", "-S", "-c", program, path, *arguments],
        env={"HOME": os.devnull},
        stdout=subprocess.PIPE,
        check=True,
        text=True,
        timeout=PATIENCE,
    ).stdout


def deliver(peer: Peer, folders: Folders, events: int) -> Delivery:
    """Let an SDK deliver events to a sink that counts them."""
    with sink("counting") as server:
        took: Throughput = json.loads(python(PROGRAM, peer, folders, peer.name, server.url, str(events)))
    counted: dict[str, int] = json.loads(server.report)
    home = search_path(peer, folders)[0]
    assert Path(took["found"]).is_relative_to(home), f"{peer.name} is {took['found']}, which is not in {home}"
    return Delivery(took, **counted)


def wait_for_slow_server(peer: Peer, folders: Folders, events: int, seconds: float) -> list[float]:
    """Return the seconds of each call of `track` with a slow sink, up to a number of events or seconds."""
    with sink("slow") as server:
        calls: list[float] = json.loads(
            python(PROGRAM, peer, folders, peer.name, server.url, str(events), str(seconds))
        )
    return calls


def seconds_to_import(peer: Peer, folders: Folders) -> float:
    """Return the seconds of a process that only imports the SDK."""
    started = time.perf_counter()
    python(f"import sys; sys.path += sys.argv[1].splitlines(); import {peer.module}", peer, folders)
    return time.perf_counter() - started
