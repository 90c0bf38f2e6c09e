"""Thirteen bugs, each planted alone in a copy of the package, and the tests that must notice it."""

from __future__ import annotations

from typing import NamedTuple


class Mutant(NamedTuple):
    """A bug.

    Attributes:
        name: What goes wrong.
        file: Where, within the package.
        before: The code as it is; it occurs once.
        after: The code with the bug.
        tests: What is run, within `tests/`.
    """

    name: str
    file: str
    before: str
    after: str
    tests: tuple[str, ...]


MUTANTS = [
    Mutant(
        "the spool does not wait for the disk",
        "spool/database.py",
        "PRAGMA synchronous=FULL",
        "PRAGMA synchronous=OFF",
        ("spool/test_disk.py",),
    ),
    Mutant(
        "a checksum is not looked at",
        "spool/record.py",
        "return self.checksum == _checksum(self) and self",
        "return self",
        ("spool/test_damage.py",),
    ),
    Mutant(
        "one kind of drop is not counted",
        "delivery/tracker.py",
        "self._pipeline.ledger.refuse(dropped.reason)\n",
        'dropped.reason == "too_large" or self._pipeline.ledger.refuse(dropped.reason)\n',
        ("delivery/test_input.py",),
    ),
    Mutant(
        "redirects are followed, with the key",
        "transports/http/transport.py",
        "        return response\n\n    def close(self)",
        '        if "location" in response.headers:\n'
        '            host, _, path = response.headers["location"].removeprefix("http://").partition("/")\n'
        '            there = Request(request.method, f"/{path}", request.headers, request.body)\n'
        '            return HttpTransport(f"http://{host}").send(there, timeout=timeout)\n'
        "        return response\n\n    def close(self)",
        ("network/test_response_rows.py", "transports/http/test_limits.py"),
    ),
    Mutant(
        "no lock around the mint of a session",
        "delivery/auth.py",
        "        with self._lock:\n            token = self._tokens.get(claim)",
        "        if True:\n            token = self._tokens.get(claim)",
        ("delivery/test_session.py",),
    ),
    Mutant(
        "each attempt has an idempotency key of its own",
        "delivery/batch.py",
        '"Idempotency-Key": batch.key}',
        '"Idempotency-Key": str(uuid.uuid4())}',
        ("delivery/test_responses.py", "network/test_network_rows.py"),
    ),
    Mutant(
        "a forked child keeps what the parent was about to send",
        "delivery/process.py",
        "        closeable.after_fork()\n",
        "        closeable.after_fork\n",
        ("delivery/test_exit.py",),
    ),
    Mutant(
        "retries have no budget",
        "core/retry.py",
        "        if self._tokens >= 1.0:",
        "        if True:",
        ("core/test_retry.py", "delivery/test_responses.py"),
    ),
    Mutant(
        "a worker that failed is not started again",
        "delivery/worker.py",
        "while not self._try_work():",
        "if not self._try_work():",
        ("lifecycle/test_processes.py",),
    ),
    Mutant(
        "the memory of settled events is never given back",
        "delivery/outbox.py",
        "        if batch.row is None:\n            self._queue.release(batch.count, size_of(batch))\n",
        "        if batch.row is None:\n            self._queue.release(batch.count, 0)\n",
        ("delivery/test_worker.py", "delivery/test_ledger.py"),
    ),
    Mutant(
        "a session serves its user whatever the signature",
        "delivery/batch.py",
        "return owner.user_id, owner.anonymous_id, digest",
        "return owner.user_id, owner.anonymous_id, digest[:0]",
        ("delivery/test_queue_owners.py", "delivery/test_lanes.py", "spool/test_stored_claims.py"),
    ),
    Mutant(
        "the bytes of an event's owner are not counted",
        "delivery/batch.py",
        "    return sum(TEXT_BYTES +",
        "    return 0 * sum(TEXT_BYTES +",
        ("delivery/test_queue_owners.py", "delivery/test_session.py"),
    ),
    Mutant(
        "a signal in the middle of a shutdown ends the process before the spool is written",
        "client.py",
        "        pipeline.worker.close(timeout)  # again, if a signal handler raised the first time\n"
        "        pipeline.is_closed = True\n",
        "        pipeline.is_closed = True\n        pipeline.worker.close(timeout)\n",
        ("spool/test_ends.py",),
    ),
]
