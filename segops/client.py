"""SegOpsClient: send events to SegOps."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Literal

from segops.composition import Plugins, built_in_plugins, open_spool, open_transport, warn_about_surroundings
from segops.core.errors import SegOpsConfigError, SegOpsEventError, SegOpsTransportError
from segops.core.events import ANONYMOUS, CONTEXT_IDENTIFIED, Context, Event, PageView
from segops.core.http import Request, Response, Transport, shown_url
from segops.core.options import Limits, check_number
from segops.core.retry import Clock, RetryPolicy
from segops.core.spool import Spool
from segops.delivery.config import PipelineConfig, Timing, WorkerKind
from segops.delivery.enrichment import Enrichment
from segops.delivery.keys import ApiKey, check_key, check_secrecy
from segops.delivery.ledger import Stats
from segops.delivery.notifications import ErrorCallback, OnError
from segops.delivery.pipeline import Pipeline
from segops.delivery.process import check_interpreter, unwatch, watch
from segops.delivery.tracker import GetUser, Tracker
from segops.delivery.validation import read_context, read_event, read_page_view
from segops.delivery.worker import check_stack
from segops.environment import Environment, read_environment
from segops.guard import check_client
from segops.utils import log

SpoolPolicy = Literal["overflow", "always"]
SpoolArgument = Spool | str | os.PathLike[str] | Literal[False] | None


class SegOpsClient:
    """Send events to SegOps. Safe to use from any number of threads; create one per process and keep it.

    `track()` validates, encodes and enqueues an event. It does no I/O, takes no lock and never raises. A daemon thread,
    started by the first event, sends batches. At the exit of the interpreter, pending events are sent for up to two
    seconds.

    Args:
        api_url: Base URL of SegOps, with or without `/api`, or the URL of another transport: `local:`, `file:…`,
            `stdout:`, `memory:`. Default: `SEGOPS_API_URL`, else https://api.segops.ai.
        api_key: A secret key (`sk_…`) authenticates directly; a public one (`pk_…`) is exchanged for session tokens.
            Default: `SEGOPS_API_KEY`.
        get_user: With a public key: returns the current user. Called by `track()`, on its thread. Default: an
            anonymous visitor.
        batch: False to send each event immediately, through the single-event endpoint.
        batch_size: Queued events that start a flush. Default: 20, or 500 if the transport leads to a broker.
        flush_interval: Maximum seconds until queued events are sent.
        on_error: Receives each error, on the worker's thread; after `shutdown`, on the caller's. Errors are also logged
            through structlog; with `on_error` only if the application configured structlog or `logging`.
        timeout: Seconds for one request, from the DNS lookup to the last byte.
        transport: A `Transport`, or its URL. Default: the transport for `api_url`.
        plugins: More plugins for this client.
        limits: Limits on memory, batches and time.
        retry: How to retry failed requests.
        spool: Stores events that cannot be delivered, exceed the memory limits, or are left at exit, so that a later
            process sends them. The path of a file in a directory that only this user can read, a URL whose scheme a
            plugin registered, or a `Spool`. Default: `SEGOPS_SPOOL`, else none; False for none.
        spool_policy: "overflow" to store only those, or "always" to store each batch before it is sent.
        worker: "thread", or "inline" to send on the caller's thread, for platforms without threads.
        strict: Whether `track()` raises for a bad event, for tests and development.
        enrich: Whether enrichers run. Pass False for events that were enriched before, such as those in a file that the
            `file:` transport wrote.
        clock: The clocks, which also set a missing `occurred_at`; tests pass another one.

    Raises:
        SegOpsConfigError: An option, the key or the URL is invalid.
        SegOpsPluginError: A plugin in `plugins` is broken, or a plugin returned an invalid transport for the URL.

    Source: docs/configuration.md; TypeScript SDK, "Constructor Options".
    """

    def __init__(
        self,
        api_url: str | None = None,
        api_key: str | None = None,
        *,
        get_user: GetUser | None = None,
        batch: bool = True,
        batch_size: int | None = None,
        flush_interval: float = 5.0,
        on_error: OnError | None = None,
        timeout: float = 10.0,
        transport: Transport | str | None = None,
        plugins: Sequence[object] = (),
        limits: Limits | None = None,
        retry: RetryPolicy | None = None,
        spool: SpoolArgument = None,
        spool_policy: SpoolPolicy = "overflow",
        worker: WorkerKind = "thread",
        strict: bool = False,
        enrich: bool = True,
        clock: Clock | None = None,
    ) -> None:
        check_interpreter()
        _check_choice("worker", worker, ("thread", "inline"))
        _check_choice("spool_policy", spool_policy, ("overflow", "always"))
        for name, function in (("get_user", get_user), ("on_error", on_error)):
            if function is not None and not callable(function):
                raise SegOpsConfigError(f"{name} must be callable, got {type(function).__name__}")
        clock = clock or Clock()
        self._limits = limits or Limits()
        self._strict = strict
        self._get_user = get_user
        environment = read_environment()
        self._is_disabled = environment.is_disabled
        broken: list[Exception] = []
        built_in = built_in_plugins(has_on_error=on_error is not None)
        loaded = Plugins(built_in, given=plugins, selection=environment.plugins, report=broken.append)
        warn_about_surroundings()
        where = transport if transport is not None else api_url or environment.api_url
        self._plugins = {plugin.name: plugin.implementation for plugin in loaded.loaded}
        self._transport = _Nowhere() if self._is_disabled else open_transport(where, loaded.transports())
        check_client(self._transport.url)
        timing = Timing(
            batch=batch,
            batch_size=self._transport.batch_size if batch_size is None else batch_size,
            flush_interval=flush_interval,
            timeout=timeout,
        )
        self._key = self._choose_key(api_key, environment)
        self._enrichment = Enrichment(loaded.enrichers() if enrich else (), self._report)
        self._config = PipelineConfig(
            transport=self._transport,
            key=self._key,
            event_types=self._enrichment.event_types,
            timing=timing,
            limits=self._limits,
            retry=retry or RetryPolicy(),
            clock=clock,
            worker=worker,
            observers=(*loaded.observers(), *([ErrorCallback(on_error)] if on_error else [])),
            spool=self._choose_spool(spool if spool is not None else environment.spool, loaded),
            always_spool=spool_policy == "always",
        )
        self._start_pipeline()
        self._pipeline.send_backlog()
        for error in broken:
            self._pipeline.notifier.error(error)
        watch(self)

    def track(
        self,
        event: Event | Mapping[str, Any] | None = None,
        *,
        user_id: str | None = None,
        event_type: str | None = None,
        occurred_at: str | datetime | None = None,
        payload: Mapping[str, Any] | None = None,
        anonymous_id: str | None = None,
    ) -> None:
        """Record that a user did something. Never blocks, never raises.

        An invalid event is counted as dropped and reported to `on_error` and the log; with `strict=True` it raises.

        Args:
            event: An `Event`, or a mapping with its fields. Or pass the fields as keywords. If a field is in both, the
                value in `event` is used, and the conflict is reported to `on_error`.
            user_id: Your own id for the person.
            event_type: What happened, such as "order_placed".
            occurred_at: When, as ISO 8601 text or datetime (UTC if it has no time zone). Default, also for "": now.
            payload: Any JSON properties.
            anonymous_id: A device or visitor id.

        Raises:
            SegOpsEventError: Only with `strict=True`: the event was dropped.

        Source: TypeScript SDK, "track".
        """
        try:
            if event is None and occurred_at is None and self._try_enqueue(user_id, event_type, payload, anonymous_id):
                return
            keywords = {
                "user_id": user_id,
                "event_type": event_type,
                "occurred_at": occurred_at,
                "payload": payload,
                "anonymous_id": anonymous_id,
            }
            self._tracker.process(read_event, event, keywords)
        except SegOpsEventError:
            raise  # with `strict`; it is counted
        except Exception:  # the stack has no room left for `process`, not even for a call of `next`
            for _ in self._pipeline.ledger.unexplained:
                break
            if self._strict:
                raise

    def identify(
        self,
        context: Context | Mapping[str, Any] | None = None,
        *,
        user_id: str | None = None,
        traits: Mapping[str, Any] | None = None,
    ) -> None:
        """Record the traits of a user, as a `context_identified` event. Never blocks, never raises.

        Args:
            context: A `Context`, or a mapping with its fields. Or pass the fields as keywords.
            user_id: Your own id for the person.
            traits: Any JSON properties; they replace earlier ones.

        Raises:
            SegOpsEventError: Only with `strict=True`: the event was dropped.

        Source: TypeScript SDK, "identify".
        """
        try:
            if context is None and self._try_enqueue(user_id, CONTEXT_IDENTIFIED, traits, None):
                return
            self._tracker.process(read_context, context, {"user_id": user_id, "traits": traits})
        except SegOpsEventError:
            raise  # as for track
        except Exception:
            for _ in self._pipeline.ledger.unexplained:
                break
            if self._strict:
                raise

    def track_page_view(
        self,
        user_id: str | PageView | Mapping[str, Any] | None = ANONYMOUS,
        path: str | None = None,
        *,
        url: str | None = None,
        referrer: str | None = None,
        title: str | None = None,
        occurred_at: str | datetime | None = None,
        anonymous_id: str | None = None,
    ) -> None:
        """Record a page view, and an `ai_referral_session` after it if an AI assistant sent the visitor.

        Never blocks, never raises. Pass what the request contains, because a server has no `document`.

        Args:
            user_id: Your own id for the person; None is an anonymous visitor. Or a `PageView`, or a mapping with its
                fields.
            path: The path of the page. Default: the path of `url`.
            url: The full URL of the page.
            referrer: The full URL that the visitor came from: the `Referer` header.
            title: The title of the page.
            occurred_at: When, as for `track`.
            anonymous_id: A device or visitor id.

        Raises:
            SegOpsEventError: Only with `strict=True`: the event was dropped.

        Source: TypeScript SDK, "trackPageView"; docs/ai-referrals.md.
        """
        try:
            keywords = {
                "path": path,
                "url": url,
                "referrer": referrer,
                "title": title,
                "occurred_at": occurred_at,
                "anonymous_id": anonymous_id,
            }
            self._tracker.process(read_page_view, user_id, keywords)
        except SegOpsEventError:
            raise  # as for track
        except Exception:
            for _ in self._pipeline.ledger.unexplained:
                break
            if self._strict:
                raise

    def flush(self, timeout: float | None = None) -> bool:
        """Send all pending events now, and wait until they are delivered or dropped.

        If the server refuses the key or the endpoint, it returns False at once, because a retry would not help. It
        returns after `on_error` and observers have been called, within `timeout`. Inside their calls, inside a
        transport, and in a signal handler that interrupts a request of the same thread, it returns False at once.

        Args:
            timeout: Maximum seconds to wait. Default: as long as an undelivered batch is kept, 300 s.

        Returns:
            True if every event accepted before the call was delivered. Each loss makes only one `flush` return False:
            losses that an earlier call reported do not count.

        Source: TypeScript SDK, "flush".
        """
        if self._is_disabled:
            return True
        if self._pipeline.notifier.is_dispatching():
            return False
        if timeout is None:
            timeout = self._limits.hold + self._config.timing.timeout
        check_number("timeout", timeout, minimum=0)
        pipeline = self._pipeline
        known = pipeline.known_losses
        settled = pipeline.worker.flush(timeout)
        pipeline.known_losses = pipeline.ledger.losses()
        return settled and pipeline.known_losses <= known

    def shutdown(self, timeout: float | None = None) -> bool:
        """Send pending events, stop, and drop later ones. Calling it again has no effect.

        Args:
            timeout: Maximum seconds to take. Default: 5.

        Returns:
            True if every event accepted before the call was delivered, as for `flush`.

        Source: TypeScript SDK, "shutdown".
        """
        if timeout is None:
            timeout = self._limits.shutdown
        check_number("timeout", timeout, minimum=0)
        check_stack()
        pipeline = self._pipeline
        if pipeline.start_closing(timeout):
            try:
                self._close(pipeline, timeout)
            finally:
                pipeline.closing.release()
        return self.stats().pending == 0 and pipeline.ledger.losses() <= pipeline.known_losses

    def close(self) -> None:
        """Call `shutdown`."""
        self.shutdown()

    async def aflush(self, timeout: float | None = None) -> bool:
        """Call `flush` without blocking the event loop."""
        from asyncio import to_thread  # noqa: PLC0415 - already loaded where this is called

        return await to_thread(self.flush, timeout)

    async def ashutdown(self, timeout: float | None = None) -> bool:
        """Call `shutdown` without blocking the event loop."""
        from asyncio import to_thread  # noqa: PLC0415 - already loaded where this is called

        return await to_thread(self.shutdown, timeout)

    def reset_session(self) -> None:
        """Discard the session tokens of a public key; the next request gets a new one. No effect for a secret key.

        Source: TypeScript SDK, "resetSession".
        """
        self._pipeline.dispatcher.auth.reset()

    def stats(self) -> Stats:
        """Return the current counts; always, `accepted = delivered + dropped + pending`."""
        return self._pipeline.ledger.stats()

    @property
    def transport(self) -> Transport:
        """The transport in use."""
        return self._transport

    @property
    def strict(self) -> bool:
        """Whether `track()` raises for a bad event."""
        return self._strict

    def plugin(self, name: str) -> object | None:
        """Return the plugin that this client uses under a name, a module or an object; None if there is none."""
        return self._plugins.get(name)

    def __enter__(self) -> SegOpsClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()

    async def __aenter__(self) -> SegOpsClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.ashutdown()

    def __repr__(self) -> str:
        state = "disabled" if self._is_disabled else "closed" if self._pipeline.queue.is_closed else "open"
        return f"<SegOpsClient {shown_url(self._transport.url) or type(self._transport).__name__} {self._key} {state}>"

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError(
            "SegOpsClient cannot be pickled because it has a thread, a connection and a key: make one in each process"
        )

    @property
    def exit_timeout(self) -> float:
        """Maximum seconds by which the exit of the interpreter is delayed."""
        return self._limits.exit

    def after_fork(self) -> None:
        """Create a new pipeline in a child process: the parent keeps its events, its thread and its connections."""
        self._start_pipeline()

    def _start_pipeline(self) -> None:
        self._pipeline = Pipeline(self._config)
        self._tracker = Tracker(
            self._pipeline,
            enrichment=self._enrichment,
            get_user=self._get_user,
            clock=self._config.clock,
            strict=self._strict,
            is_disabled=self._is_disabled,
        )
        self._try_enqueue = _ignore if self._is_disabled else self._pipeline.queue.try_enqueue

    def _report(self, error: Exception) -> None:
        self._tracker.report(error)

    def _close(self, pipeline: Pipeline, timeout: float) -> None:
        if pipeline.is_closed:
            return
        pipeline.queue.close()
        pipeline.worker.close(timeout)  # again, if a signal handler raised the first time
        pipeline.is_closed = True
        try:
            self._transport.close()
        except Exception as error:  # noqa: BLE001 - a third-party transport may raise anything
            pipeline.notifier.error(SegOpsTransportError(f"closing the transport raised {type(error).__name__}"))
            pipeline.notifier.dispatch()
        unwatch(self)

    def _choose_spool(self, given: SpoolArgument, plugins: Plugins) -> Spool | None:
        if given is None or given is False or self._is_disabled:
            return None
        return open_spool(given, plugins.spools())

    def _choose_key(self, given: str | None, environment: Environment) -> ApiKey | None:
        text = given if given is not None else self._transport.api_key or environment.api_key
        if text is None and self._transport.offline:
            return None
        key = check_key(text)
        if key.is_public and self._transport.offline:
            return None  # no server opens a session
        check_secrecy(self._transport.url, key)
        if sys.platform == "emscripten" and not key.is_public:
            log(
                "warning",
                "segops.client.secret_key_in_browser",
                error="a secret key is used in a browser, where anybody can read it: use a public key (pk_…)",
            )
        return key


def _check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise SegOpsConfigError(f"{name} must be {' or '.join(map(repr, choices))}, got {value!r}")


def _ignore(*_: object) -> bool:
    """Accept an event while the SDK is disabled."""
    return True


class _Nowhere(Transport):
    """The transport of a disabled SDK, which needs neither a key nor a URL."""

    offline = True

    def send(self, request: Request, *, timeout: float) -> Response:  # noqa: ARG002 - as the base class has it
        raise SegOpsConfigError("the SDK is disabled, so nothing is sent: unset SEGOPS_DISABLED")
