"""Take the next batch, authorize it, send it, and act on the outcome: settle, split, retry, or hold.

One thread runs the dispatcher at a time. It is never a thread that tracks, unless the worker is inline. Batches keep
their order. While the server is failing, only one probe per backoff is sent. With public keys each claim has its own
lane, so a user whom the server rejects does not delay the others.

Source: docs/reliability.md, "What each response means".
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

from segops.core.errors import (
    DropReason,
    SegOpsApiError,
    SegOpsError,
    SegOpsEventError,
    SegOpsPayloadTooLargeError,
    SegOpsTransportError,
    api_error,
)
from segops.core.http import Request, Response, shown_url
from segops.core.retry import Action, Backoff, event_action, retry_after
from segops.core.spool import Batch, Claim, Spool
from segops.delivery.auth import MAX_TOKENS, make_auth
from segops.delivery.batch import request_of
from segops.delivery.config import PipelineConfig
from segops.delivery.ledger import Ledger
from segops.delivery.notifications import Notifier
from segops.delivery.outbox import Outbox
from segops.delivery.process import uninterrupted
from segops.delivery.queue import NEVER, EventQueue
from segops.delivery.responses import is_response, skipped, without_credential
from segops.utils.concurrency import Bell, SoloLock

_NEVER = float("inf")
_SPOOL_SHARE = 0.25
"""Share of the time for closing that is kept for writing to the spool what could not be sent."""

_LOCK_SHARE = 0.8
"""Share of the remaining time to wait for the outbox at the end; the rest is for reporting a timeout."""

_MIN_PATIENCE = 0.1
"""Seconds for writing to the spool, however little time is left."""

_UNAUTHORIZED = (401, 403)
_REFUSED_CLAIM = (400, 403, 413, 422)


class Dispatcher:
    """Sends events from the queue to the server.

    Attributes:
        progress: Rung after each request.
        paused_until: When the next request may be sent, on the monotonic clock.
        stop_at: When to stop sending because the client is closing, on the monotonic clock.
        spill_at: Waiting events that are moved to the spool while requests are paused.
        auth: Authorizes the requests.
    """

    def __init__(
        self, config: PipelineConfig, queue: EventQueue, ledger: Ledger, notifier: Notifier, spool: Spool | None
    ) -> None:
        timing, limits = config.timing, config.limits
        self.progress = Bell()
        self.paused_until = 0.0
        self.auth = make_auth(config.key, self._exchange, config.clock)
        self.stop_at = _NEVER
        self.spill_at = NEVER if spool is None else timing.threshold if spool.always else limits.spill_events
        self._queue = queue
        self._ledger = ledger
        self._spool = spool
        self._outbox = Outbox(queue, ledger, spool, self.auth, timing)
        self._transport = config.transport
        self._transport_name = shown_url(config.transport.url) or type(config.transport).__name__
        self._notifier = notifier
        self._hold_limit = limits.hold
        self._timeout = timing.timeout
        self._probe_interval = config.retry.cap
        self._clock = config.clock
        self._backoff = Backoff(config.retry, config.clock)
        self._sending = SoloLock()
        self._lock = SoloLock()  # as the other, but released while a request is under way
        self._in_flight: Batch | None = None
        self._settled_to = self._outbox.settled_to()
        self._blocked_to = self._settled_to
        self._left_to = self._settled_to
        self._is_on_hold = False
        self._blocked_until: dict[Claim, float] = {}
        self._reported: dict[Claim | None, object] = {}
        self._give_up_at = _NEVER

    def flush_to(self, position: int) -> None:
        """Ask for all events before `position` to be sent, however few they are."""
        self._outbox.flush_to(position)

    def outcome(self, position: int) -> bool | None:
        """Return True once all events before `position` are settled, False if retries cannot help, None if unknown."""
        if self._settled_to >= position:
            return True
        return False if self._is_on_hold or self._blocked_to >= position else None

    def close(self, deadline: float) -> None:
        """Make the last attempts now: end all pauses, and send nothing after `deadline` on the monotonic clock."""
        self._give_up_at = deadline
        self.stop_at = deadline
        if self._spool is not None:
            self.stop_at -= _SPOOL_SHARE * max(0.0, deadline - self._clock.monotonic())
        self.paused_until = 0.0
        self._is_on_hold = False
        self._blocked_until = {}
        self._blocked_to = self._settled_to
        self.flush_to(self._ledger.end())

    def work(self, deadline: float = _NEVER, *, wait: bool = True) -> float | None:
        """Send what is due and return when to call this again; None if there is nothing to wait for.

        Does nothing if called from inside itself, as by a signal handler during a request.

        Args:
            deadline: When to stop, on the monotonic clock; no request is given more time than is left.
            wait: Whether to wait for another thread that runs this; if not, the work is left to it.
        """
        patience = deadline - self._clock.monotonic() if wait else 0.0
        if not self._sending.acquire(patience):
            return None
        try:
            while (now := self._clock.monotonic()) < (end := min(deadline, self.stop_at)):
                with self._changing() as is_held:
                    self._in_flight = self._next(now) if is_held else None
                if self._in_flight is None:
                    break
                self._attempt(self._in_flight, min(self._timeout, end - now))
        except Exception as error:  # noqa: BLE001 - our own bug must neither end delivery nor reach the caller
            self.paused_until = self._clock.monotonic() + 1.0
            self._notifier.error(_unexpected("delivery failed", error))
        finally:
            with self._changing() as is_held:
                if is_held:
                    self._in_flight = None
                    self._note_progress()
                resume = self._resume_at()
            self._sending.release()
        return resume

    @contextmanager
    def _changing(self, timeout: float = _NEVER) -> Iterator[bool]:
        """Lock the outbox and the spool, and yield whether that worked in time."""
        with uninterrupted():
            is_held = self._lock.acquire(timeout)
            try:
                yield is_held
            finally:
                if is_held:
                    self._lock.release()

    def _next(self, now: float) -> Batch | None:
        if now < self.paused_until:
            if self._spool is not None:
                self._spool.advance()
            self._outbox.flush_to_spool(self.spill_at)
            return None
        if self._queue.is_half_full():  # send small batches too: there may be no room for large ones
            self._outbox.flush_to_spool(1)
            self._outbox.flush_to(self._ledger.end())
        return self._outbox.next(self._blocked(now))

    def give_up(self, why: str) -> None:
        """Move what waits to the spool, or drop it. A request under way settles its own batch.

        Args:
            why: The reason for the error message.
        """
        patience = max(_MIN_PATIENCE, _LOCK_SHARE * (self._give_up_at - self._clock.monotonic()))
        if self._spool is not None:
            self._spool.hurry(patience / 2)  # the lock comes first
        with self._changing(patience) as is_held:
            if not is_held:
                self._report_left_behind()
                return
            if self._spool is not None:
                self._spool.hurry(patience / 2)
            self._outbox.close()
            self._drop([each for each in self._outbox.in_memory if each is not self._in_flight], "undeliverable", why)
            self._left_to = self._outbox.drained_to
            self._note_progress()
            if self._spool is not None and self._in_flight is None:
                self._spool.close()

    def _report_left_behind(self) -> None:
        stats = self._ledger.stats()
        if left := stats.pending - stats.spooled:
            where = "" if self._spool is None else ", nor stored in the spool"
            self._notifier.error(SegOpsError(f"{left} event(s) could not be sent in the time for closing{where}"))

    def leave(self, timeout: float) -> None:
        """Move what waits to the spool, if there is one: the other thread that closes the client may not finish."""
        if self._spool is None:
            return
        self._spool.hurry(timeout / 2)
        with self._changing(timeout) as is_held:
            if is_held:
                self._outbox.close()
                self._note_progress()

    def has_backlog(self) -> bool:
        """Return whether an earlier process may have left something to send."""
        return self._settled_to < 0

    def is_over(self) -> bool:
        """Return whether the client is closed and no event is left to handle."""
        return self.stop_at < _NEVER and max(self._settled_to, self._left_to) >= self._ledger.end()

    def _blocked(self, now: float) -> Collection[Claim]:
        blocked = self._blocked_until  # in the order in which they end
        while blocked and next(iter(blocked.values())) <= now:
            del blocked[next(iter(blocked))]
        return blocked.keys()

    def _attempt(self, batch: Batch, timeout: float) -> None:
        if batch.attempts:
            self._ledger.retries += 1
        started = self._clock.monotonic()
        outcome: Response | SegOpsError
        try:
            outcome = self._send(batch, timeout)
        except SegOpsError as error:
            outcome = error
        except Exception as error:  # noqa: BLE001 - a third-party transport may raise anything
            outcome = SegOpsTransportError(f"the transport raised {type(error).__name__}")
        with self._changing():
            self._handle_outcome(batch, outcome, self._clock.monotonic() - started)
            self._in_flight = None
            self._note_progress()

    def _handle_outcome(self, batch: Batch, outcome: Response | SegOpsError, seconds: float) -> None:
        action = event_action(outcome.status if isinstance(outcome, Response) else outcome)
        if action is Action.ACCEPT and isinstance(outcome, Response):
            self._deliver(batch, outcome, seconds)
            return
        error = self._as_error(batch, outcome)
        if action is Action.RETRY:
            asked = retry_after(error.headers, self._clock.time()) if isinstance(error, SegOpsApiError) else None
            self._retry(batch, error, asked)
        elif isinstance(outcome, SegOpsApiError):
            self._hold(batch, outcome, claim_only=self._refuses_claim(outcome))
        elif action is Action.SPLIT:
            self._split(batch, error)
        else:
            is_refused = isinstance(error, SegOpsApiError) and error.status in _UNAUTHORIZED
            self._hold(batch, error, claim_only=is_refused and batch.owner is not None)

    def _as_error(self, batch: Batch, outcome: Response | SegOpsError) -> SegOpsError:
        """Return the error of a failed request."""
        if isinstance(outcome, SegOpsError):
            return outcome
        return api_error(f"POST {batch.path}", outcome.status, outcome.body, outcome.headers, quote=False)

    def _refuses_claim(self, error: SegOpsApiError) -> bool:
        """Return whether a failed handshake concerns only the claim: a wrong key stops everyone.

        401 may mean either, but a key that has worked is right.
        """
        is_key_valid = error.status == _UNAUTHORIZED[0] and self.auth.has_succeeded
        return is_key_valid or error.status in _REFUSED_CLAIM

    def _send(self, batch: Batch, timeout: float) -> Response:
        request = request_of(batch)
        deadline = self._clock.monotonic() + timeout
        for is_last in (False, True):
            headers = self.auth.headers(batch, deadline - self._clock.monotonic())
            response = self._exchange(_with_headers(request, headers), deadline - self._clock.monotonic())
            if response.status not in _UNAUTHORIZED or not self.auth.reject(batch, headers) or is_last:
                break
        return response

    def _exchange(self, request: Request, timeout: float) -> Response:
        started = self._clock.monotonic()
        response = self._transport.send(request, timeout=max(timeout, 0.001))
        if not is_response(response):
            kind = type(response).__name__
            raise SegOpsTransportError(f"the transport returned an invalid response: expected a Response, got {kind}")
        self._ledger.record_latency(self._transport_name, self._clock.monotonic() - started)
        return response if event_action(response.status) is Action.ACCEPT else without_credential(response, request)

    def _deliver(self, batch: Batch, response: Response, seconds: float) -> None:
        self._recovered()
        self._blocked_until.pop(batch.claim, None)
        self._reported.pop(batch.claim, None)
        invalid = min(skipped(response), batch.count)
        delivered = batch.count - invalid
        message = f"the server skipped {invalid} of {batch.count} events as invalid"
        self._outbox.settle(batch, delivered, "rejected", message)
        if delivered:
            self._notifier.delivered(delivered, seconds)
        if invalid:
            self._notifier.error(SegOpsEventError(message, reason="rejected", count=invalid))

    def _split(self, batch: Batch, error: SegOpsError) -> None:
        self._recovered()
        if batch.count == 1:
            is_too_large = isinstance(error, SegOpsPayloadTooLargeError)
            self._drop([batch], "too_large" if is_too_large else "rejected", str(error))
            return
        self._outbox.split(batch)

    def _retry(self, batch: Batch, error: SegOpsError, after: float | None) -> None:
        self._is_on_hold = False
        delay = self._backoff.failed(after)
        self.paused_until = self._clock.monotonic() + delay
        self._notifier.retry(error, delay)
        self._requeue(batch, error)

    def _hold(self, batch: Batch, error: SegOpsError, *, claim_only: bool) -> None:
        """Send nothing for a while: nothing of the batch's claim, or nothing at all."""
        until = self._clock.monotonic() + self._probe_interval
        if claim_only:
            self._block(batch, until)
        else:
            self.paused_until = until
            self._is_on_hold = True
            if batch.owner is not None:  # this claim may be the reason: probe with another one next time
                self._block(batch, until + self._probe_interval)
        self._report_once(batch.claim if claim_only else None, error)
        self._requeue(batch, error)

    def _report_once(self, subject: Claim | None, error: SegOpsError) -> None:
        """Report an error unless the last one of the same claim, or of all, was of the same kind."""
        kind = error.status if isinstance(error, SegOpsApiError) else type(error)
        if self._reported.get(subject) != kind:
            self._reported[subject] = kind
            if len(self._reported) > MAX_TOKENS:
                del self._reported[next(iter(self._reported))]
            self._notifier.error(error)

    def _block(self, batch: Batch, until: float) -> None:
        self._blocked_until.pop(batch.claim, None)  # the latest comes last
        self._blocked_until[batch.claim] = until

    def _requeue(self, batch: Batch, error: SegOpsError) -> None:
        batch.attempts += 1
        self._outbox.spool()
        now = self._clock.monotonic()
        if batch.row is not None:
            return  # the spool limits how long it is kept
        if batch.held_since is None:
            batch.held_since = now
        elif now - batch.held_since >= self._hold_limit:
            self._reported.pop(batch.claim, None)
            self._drop([batch], "undeliverable", f"not delivered within {self._hold_limit:.0f} s; last error: {error}")

    def _drop(self, batches: Sequence[Batch], reason: DropReason, why: str) -> None:
        for batch in batches:
            self._outbox.settle(batch, 0, reason, why)
        count = sum(batch.count for batch in batches)
        if count:
            self._notifier.error(SegOpsEventError(f"{count} event(s) dropped: {why}", reason=reason, count=count))

    def _recovered(self) -> None:
        self._backoff.succeeded()
        self._is_on_hold = False
        self._reported.pop(None, None)

    def _note_progress(self) -> None:
        settled_to = self._outbox.settled_to()
        blocked_to = (
            self._outbox.settled_to(self._blocked(self._clock.monotonic())) if self._blocked_until else settled_to
        )
        self._ledger.ages.mark(settled_to, self._ledger.end())
        self._settled_to = settled_to
        self._blocked_to = blocked_to
        self.progress.ring()

    def _resume_at(self) -> float | None:
        now = self._clock.monotonic()
        if self._spool is not None and self._spool.is_busy() and now < self.stop_at:
            return now
        if now < self.paused_until:
            return self.paused_until
        is_waiting = self._blocked(now) and self._settled_to < self._outbox.drained_to
        return next(iter(self._blocked_until.values())) if is_waiting else None


def _unexpected(what: str, error: Exception) -> SegOpsError:
    """Return an error for our own bug. The exception's text may quote an event, so it is only in the cause."""
    unexpected = SegOpsError(f"{what} unexpectedly: {type(error).__name__} was raised")
    unexpected.__cause__ = error
    return unexpected


def _with_headers(request: Request, more: dict[str, str]) -> Request:
    return Request(request.method, request.path, {**request.headers, **more}, request.body)
