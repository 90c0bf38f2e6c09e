"""Measure this SDK and its peers in turn, and write bench/RESULTS.md: `python -m bench.peers`.

It needs the package index once, to install the peers into the build folder, and takes some five minutes.
"""

from __future__ import annotations

import sys

from bench.peers import results
from bench.peers.adapters import EVENTS, PEERS
from bench.peers.measure import deliver, installed, seconds_to_import, wait_for_slow_server
from bench.processes import HERE, OURS
from bench.sink import SLOW

ROUNDS = 7
ROUNDS_IMPORT = 15
ROUNDS_SLOW = 3
CALLS = 10_000
SECONDS_SLOW = 10.0


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    machine = results.machine(OURS)
    folders = installed(OURS / "build")
    measured = {peer.name: results.Measured([], [], []) for peer in PEERS}
    for number in range(ROUNDS):
        say(f"delivery, round {number + 1} of {ROUNDS}")
        for peer in PEERS:
            measured[peer.name].deliveries.append(deliver(peer, folders, EVENTS))
    for number in range(ROUNDS_IMPORT):
        say(f"import, round {number + 1} of {ROUNDS_IMPORT}")
        for peer in PEERS:
            measured[peer.name].imports.append(seconds_to_import(peer, folders))
    for number in range(ROUNDS_SLOW):
        say(f"slow server, round {number + 1} of {ROUNDS_SLOW}")
        for peer in PEERS:
            measured[peer.name].calls.append(wait_for_slow_server(peer, folders, CALLS, SECONDS_SLOW))
    page = results.PAGE.format(
        machine=machine,
        events=EVENTS,
        rounds=ROUNDS,
        rounds_import=ROUNDS_IMPORT,
        delivery=results.delivery_table(measured),
        goals=results.goals_table(measured),
        slow=SLOW,
        calls=CALLS,
        seconds=SECONDS_SLOW,
        rounds_slow=ROUNDS_SLOW,
        blocking=results.blocking_table(measured),
        options=results.options_list(PEERS),
    )
    (HERE / "RESULTS.md").write_text(page, encoding="utf-8")
    print(page)


if __name__ == "__main__":
    main()
