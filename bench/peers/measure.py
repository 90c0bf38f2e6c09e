"""Install the peers, and measure each SDK in a fresh process against a fresh sink."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from bench.peers.adapters import Peer
from bench.peers.drive import PROGRAM, Throughput
from bench.processes import OURS

PINS = Path(__file__).with_name("requirements.txt")
PATIENCE = 120
"""Seconds after which a process is taken for stuck."""


class Delivery(NamedTuple):
    """What an SDK took in its process, and what the sink counted."""

    took: Throughput
    requests: int
    bytes: int
    events: int
    repeated: int


@dataclass
class Sink:
    """A server of bench.sink in a process of its own, so that its work is not counted.

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


def installed(build: Path) -> Path:
    """Return the folder that holds the peers; install them there unless that was done."""
    digest = hashlib.sha256(PINS.read_bytes()).hexdigest()
    folder = build.resolve() / f"peers-{sys.implementation.cache_tag}-{digest[:12]}"
    done = folder / ".installed"
    if not done.exists():
        shutil.rmtree(folder, ignore_errors=True)
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--require-hashes", "--requirement", str(PINS), "--target", str(folder)], check=True)
        done.touch()
    return folder


def search_path(peer: Peer, peers: Path) -> list[Path]:
    """Return the folders in which an SDK and its dependencies are found, the one with the SDK first."""
    if not peer.ours:
        return [peers, OURS]
    return [OURS, *dict.fromkeys(Path(sysconfig.get_path(kind)) for kind in ("purelib", "platlib"))]


def python(program: str, peer: Peer, peers: Path, *arguments: str) -> str:
    """Run a program that gets its search path as JSON; return what it printed.

    No `.pth` file, no `.netrc` and no variable of the environment (proxies, settings of an SDK) reaches it.
    """
    path = json.dumps([str(folder) for folder in search_path(peer, peers)])
    return subprocess.run(
        [sys.executable, "-I", "-S", "-c", program, path, *arguments],
        env={"HOME": os.devnull},
        stdout=subprocess.PIPE,
        check=True,
        text=True,
        timeout=PATIENCE,
    ).stdout


def deliver(peer: Peer, peers: Path, events: int) -> Delivery:
    """Let an SDK deliver events to a sink that counts them."""
    with sink("counting") as server:
        took: Throughput = json.loads(python(PROGRAM, peer, peers, peer.name, server.url, str(events)))
    counted: dict[str, int] = json.loads(server.report)
    home = search_path(peer, peers)[0]
    assert Path(took["found"]).is_relative_to(home), f"{peer.name} is {took['found']}, which is not in {home}"
    return Delivery(took, **counted)


def wait_for_slow_server(peer: Peer, peers: Path, events: int, seconds: float) -> list[float]:
    """Return the seconds of each call of `track`, for so many events or seconds, with a sink that takes its time."""
    with sink("slow") as server:
        calls: list[float] = json.loads(python(PROGRAM, peer, peers, peer.name, server.url, str(events), str(seconds)))
    return calls


def seconds_to_import(peer: Peer, peers: Path) -> float:
    """Return the seconds that a process takes which imports the SDK and does nothing else."""
    started = time.perf_counter()
    python(f"import json, sys; sys.path += json.loads(sys.argv[1]); import {peer.module}", peer, peers)
    return time.perf_counter() - started
