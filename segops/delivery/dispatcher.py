"""Take the next batch, authorize it, send it, and act on the outcome: settle, split, retry, or hold.

Only one thread is in here at a time, and it is never the one that tracks, unless the worker is the inline one.
Batches keep their order; while the server is in trouble nothing but one probe per back-off is sent. With public keys
each user has a lane of their own, so a user whom the server rejects does not delay the others.

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
    SegOpsTransportError,
    api_error,
)
from segops.core.http import Request, Response, Transport, shown_url
from segops.core.options import Limits
from segops.core.retry import Action, Backoff, Clock, RetryPolicy, event_action, retry_after
from segops.core.spool import Batch, Claim, Spool
from segops.delivery.auth import MAX_TOKENS, make_auth
from segops.delivery.batch import request_of
from segops.delivery.keys import ApiKey
from segops.delivery.ledger import Ledger
from segops.delivery.notifications import Notifier
from segops.delivery.outbox import Outbox
from segops.delivery.queue import NEVER, EventQueue
from segops.delivery.responses import is_response, is_unsafe, skipped, without_credential
from segops.delivery.signals import uninterrupted
from segops.delivery.timing import Timing
from segops.utils.concurrency import Bell, SoloLock

_NEVER = float("inf")
_SPOOL_SHARE = 0.25
"""Of the time for closing, what is kept for writing to the spool what could not be sent."""

_LOCK_SHARE = 0.8
"""Of the time that is left at the end, what the outbox is waited for; the rest is kept for reporting a timeout."""

_LEAST_PATIENCE = 0.1
"""Seconds that there are for writing to the spool in any case."""

_UNAUTHORISED = (401, 403)
_REFUSED_CLAIM = (400, 403, 413, 422)


class Dispatcher:
    """Sends events from the queue to the server.

    Attributes:
        progress: Rung after each request.
        paused_until: When the next request may be sent, on the monotonic clock.
        stop_at: When to stop sending because the client is closed, on the monotonic clock.
        spill_at: Waiting events that are moved to the spool while requests are paused.
    """

    def __init__(
        self,
        *,
        queue: EventQueue,
        ledger: Ledger,
        transport: Transport,
        key: ApiKey | None,
        notifier: Notifier,
        timing: Timing,
        limits: Limits,
        retry: RetryPolicy,
        clock: Clock,
        spool: Spool | None,
    ) -> None:
        self.progress = Bell()
        self.paused_until = 0.0
        self.auth = make_auth(key, self._exchange, clock)
        self.stop_at = _NEVER
        self.spill_at = NEVER if spool is None else timing.threshold if spool.always else limits.spill_events
        self._queue = queue
        self._ledger = ledger
        self._spool = spool
        self._outbox = Outbox(queue, ledger, spool, self.auth, timing)
        self._transport = transport
        self._transport_name = shown_url(transport.url) or type(transport).__name__
        self._notifier = notifier
        self._limits = limits
        self._timing = timing
        self._probe_every = retry.cap
        self._clock = clock
        self._backoff = Backoff(retry, clock)
        self._sending = SoloLock()
        self._lock = SoloLock()  # as the other, but let go of while a request is under way
        self._in_flight: Batch | None = None
        self._settled_to = self._outbox.settled_to()
        self._blocked_to = self._settled_to
        self._left_to = self._settled_to
        self._held = False
        self._lanes: dict[Claim, float] = {}
        self._troubles: dict[Claim | None, object] = {}
        self._give_up_at = _NEVER

    def flush_to(self, position: int) -> None:
        """Ask for all events before `position` to be sent, however few they are."""
        self._outbox.flush_to(position)

    def outcome(self, position: int) -> bool | None:
        """Tell what became of the events before `position`: settled, held for a reason no retry cures, or not known."""
        if self._settled_to >= position:
            return True
        return False if self._held or self._blocked_to >= position else None

    def close(self, deadline: float) -> None:
        """Make the last attempts now: pauses end, and nothing is sent after `deadline`, on the monotonic clock."""
        self._give_up_at = deadline
        self.stop_at = deadline
        if self._spool is not None:
            self.stop_at -= _SPOOL_SHARE * max(0.0, deadline - self._clock.monotonic())
        self.paused_until = 0.0
        self._held = False
        self._lanes = {}
        self._blocked_to = self._settled_to
        self.flush_to(self._ledger.end())

    def work(self, deadline: float = _NEVER, *, wait: bool = True) -> float | None:
        """Send what is due and return when to be called again; None if there is nothing to wait for.

        On top of itself, as in a signal handler during a request, it does nothing.

        Args:
            deadline: When to stop, on the monotonic clock; no request is given more time than is left.
            wait: Whether to wait for another thread that is in here; if not, it has the work.
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
                self._attempt(self._in_flight, min(self._timing.timeout, end - now))
        except Exception as error:  # noqa: BLE001 - a bug of ours must neither end delivery nor reach who tracks
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
        """Have the line and the spool for oneself; what is yielded is whether that worked in time."""
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
        if self._queue.is_half_full():  # nothing waits for company any more: there may be no room for it
            self._outbox.flush_to_spool(1)
            self._outbox.flush_to(self._ledger.end())
        return self._outbox.next(self._blocked(now))

    def give_up(self, why: str) -> None:
        """Leave what waits to the spool, or drop it. What a request under way carries, its own answer settles."""
        patience = max(_LEAST_PATIENCE, _LOCK_SHARE * (self._give_up_at - self._clock.monotonic()))
        if self._spool is not None:
            self._spool.hurry(patience / 2)  # the line must be had first
        with self._changing(patience) as is_held:
            if not is_held:
                self._report_left_behind()
                return
            if self._spool is not None:
                self._spool.hurry(patience / 2)
            self._outbox.close()
            self._drop([each for each in self._outbox.in_memory if each is not self._in_flight], "undeliverable", why)
            self._left_to = self._outbox.cut_to
            self._note_progress()
            if self._spool is not None and self._in_flight is None:
                self._spool.close()

    def _report_left_behind(self) -> None:
        stats = self._ledger.stats()
        if left := stats.pending - stats.spooled:
            where = "" if self._spool is None else ", nor stored in the spool"
            self._notifier.error(SegOpsError(f"{left} event(s) could not be sent in the time for closing{where}"))

    def leave(self, timeout: float) -> None:
        """Leave what waits to the spool, if there is one: another thread closes the client, and may not be done."""
        if self._spool is None:
            return
        self._spool.hurry(timeout / 2)
        with self._changing(timeout) as is_held:
            if is_held:
                self._outbox.close()
                self._note_progress()

    def has_backlog(self) -> bool:
        """Tell whether a former process may have left something to send."""
        return self._settled_to < 0

    def is_over(self) -> bool:
        """Tell whether the client is closed and nothing is left to be done about any event."""
        return self.stop_at < _NEVER and max(self._settled_to, self._left_to) >= self._ledger.end()

    def _blocked(self, now: float) -> Collection[Claim]:
        while self._lanes and next(iter(self._lanes.values())) <= now:  # the first one blocked ends first
            del self._lanes[next(iter(self._lanes))]
        return self._lanes.keys()

    def _attempt(self, batch: Batch, timeout: float) -> None:
        if batch.attempts:
            self._ledger.retries += 1
        started = self._clock.monotonic()
        answer: Response | SegOpsError
        try:
            answer = self._send(batch, timeout)
        except SegOpsError as error:
            answer = error
        except Exception as error:  # noqa: BLE001 - a third-party transport may raise anything
            answer = SegOpsTransportError(f"the transport raised {type(error).__name__}")
        with self._changing():
            self._handle_outcome(batch, answer, self._clock.monotonic() - started)
            self._in_flight = None
            self._note_progress()

    def _handle_outcome(self, batch: Batch, answer: Response | SegOpsError, seconds: float) -> None:
        if isinstance(answer, Response):
            self._handle_response(batch, answer, seconds)
        elif isinstance(answer, SegOpsApiError):  # of the handshake
            self._refused_session(batch, answer)
        elif is_unsafe(answer):
            self._hold(batch, answer, lane=False)
        else:
            self._retry(batch, answer, None)

    def _send(self, batch: Batch, timeout: float) -> Response:
        request = request_of(batch)
        deadline = self._clock.monotonic() + timeout
        for is_last in (False, True):
            headers = self.auth.headers(batch, deadline - self._clock.monotonic())
            response = self._exchange(_with_headers(request, headers), deadline - self._clock.monotonic())
            if response.status not in _UNAUTHORISED or not self.auth.reject(batch, headers) or is_last:
                break
        return response

    def _exchange(self, request: Request, timeout: float) -> Response:
        started = self._clock.monotonic()
        response = self._transport.send(request, timeout=max(timeout, 0.001))
        if not is_response(response):
            raise SegOpsTransportError(f"the transport returned a {type(response).__name__} that is no sound Response")
        self._ledger.record_latency(self._transport_name, self._clock.monotonic() - started)
        return response if event_action(response.status) is Action.ACCEPT else without_credential(response, request)

    def _handle_response(self, batch: Batch, response: Response, seconds: float) -> None:
        meaning = event_action(response.status)
        if meaning is Action.ACCEPT:
            self._deliver(batch, response, seconds)
            return
        error = api_error(f"POST {batch.path}", response.status, response.body, response.headers, quote=False)
        if meaning is Action.SPLIT:
            self._split(batch, error)
        elif meaning is Action.RETRY:
            self._retry(batch, error, retry_after(response.headers, self._clock.time()))
        else:
            self._hold(batch, error, lane=batch.owner is not None and response.status in _UNAUTHORISED)

    def _deliver(self, batch: Batch, response: Response, seconds: float) -> None:
        self._recovered()
        self._lanes.pop(batch.claim, None)
        self._troubles.pop(batch.claim, None)
        invalid = min(skipped(response), batch.count)
        delivered = batch.count - invalid
        self._outbox.settle(batch, delivered, "rejected")
        if delivered:
            self._notifier.delivered(delivered, seconds)
        if invalid:
            message = f"the server skipped {invalid} of {batch.count} events: it found them invalid"
            self._notifier.error(SegOpsEventError(message, reason="rejected", count=invalid))

    def _split(self, batch: Batch, error: SegOpsApiError) -> None:
        self._recovered()
        if batch.count == 1:
            too_large = error.status == 413  # noqa: PLR2004 - content too large
            self._drop([batch], "too_large" if too_large else "rejected", str(error))
            return
        self._outbox.split(batch)

    def _retry(self, batch: Batch, error: SegOpsError, after: float | None) -> None:
        self._held = False
        delay = self._backoff.failed(after)
        self.paused_until = self._clock.monotonic() + delay
        self._notifier.retry(error, delay)
        self._requeue(batch, error)

    def _hold(self, batch: Batch, error: SegOpsError, *, lane: bool) -> None:
        until = self._clock.monotonic() + self._probe_every
        who = batch.claim if lane else None
        if lane:
            self._block(batch, until)
        else:
            self.paused_until = until
            self._held = True
            if batch.owner is not None:  # the next attempt is another claim's: this one may be the reason
                self._block(batch, until + self._probe_every)
        trouble = error.status if isinstance(error, SegOpsApiError) else type(error)
        if self._troubles.get(who) != trouble:
            self._troubles[who] = trouble
            if len(self._troubles) > MAX_TOKENS:
                del self._troubles[next(iter(self._troubles))]
            self._notifier.error(error)
        self._requeue(batch, error)

    def _block(self, batch: Batch, until: float) -> None:
        self._lanes.pop(batch.claim, None)
        self._lanes[batch.claim] = until

    def _refused_session(self, batch: Batch, error: SegOpsApiError) -> None:
        if event_action(error.status) is Action.RETRY:
            self._retry(batch, error, retry_after(error.headers, self._clock.time()))
            return
        # A wrong key stops everybody, a wrong claim only that claim. 401 may mean either: a key that worked is right.
        is_key_valid = error.status == _UNAUTHORISED[0] and self.auth.has_succeeded
        self._hold(batch, error, lane=error.status in _REFUSED_CLAIM or is_key_valid)

    def _requeue(self, batch: Batch, error: SegOpsError) -> None:
        batch.attempts += 1
        self._outbox.spool()
        now = self._clock.monotonic()
        if batch.row is not None:
            return  # the spool knows how long to keep it
        if batch.held_since is None:
            batch.held_since = now
        elif now - batch.held_since >= self._limits.hold:
            self._troubles.pop(batch.claim, None)
            self._drop([batch], "undeliverable", f"not delivered in {self._limits.hold:.0f} s; at last: {error}")

    def _drop(self, batches: Sequence[Batch], reason: DropReason, why: str) -> None:
        for batch in batches:
            self._outbox.settle(batch, 0, reason)
        count = sum(batch.count for batch in batches)
        if count:
            self._notifier.error(SegOpsEventError(f"{count} event(s) dropped: {why}", reason=reason, count=count))

    def _recovered(self) -> None:
        self._backoff.succeeded()
        self._held = False
        self._troubles.pop(None, None)

    def _note_progress(self) -> None:
        settled_to = self._outbox.settled_to()
        blocked_to = self._outbox.settled_to(self._blocked(self._clock.monotonic())) if self._lanes else settled_to
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
        is_waiting = self._blocked(now) and self._settled_to < self._outbox.cut_to
        return next(iter(self._lanes.values())) if is_waiting else None


def _unexpected(what: str, error: Exception) -> SegOpsError:
    """Return the error of a bug of ours. Its text may quote an event: it is only in the cause."""
    unexpected = SegOpsError(f"{what} unexpectedly: {type(error).__name__} was raised")
    unexpected.__cause__ = error
    return unexpected


def _with_headers(request: Request, more: dict[str, str]) -> Request:
    return Request(request.method, request.path, {**request.headers, **more}, request.body)
