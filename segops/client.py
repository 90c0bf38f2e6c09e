"""SegOpsClient: where the parts are put together."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Literal

from segops.composition import Plugins, built_in_plugins, open_spool, open_transport, warn_about_surroundings
from segops.core.errors import SegOpsConfigError, SegOpsTransportError
from segops.core.http import Request, Response, Transport, shown_url
from segops.core.options import Limits, check_choice, check_number
from segops.core.retry import Clock, RetryPolicy
from segops.core.spool import Spool
from segops.delivery.enrichment import Enrichment
from segops.delivery.hosts import check_interpreter
from segops.delivery.keys import ApiKey, check_key, check_secrecy
from segops.delivery.ledger import Stats
from segops.delivery.notifications import ErrorCallback, OnError
from segops.delivery.pipeline import Pipeline, PipelineConfig, WorkerKind
from segops.delivery.process import unwatch, watch
from segops.delivery.timing import Timing
from segops.delivery.tracker import GetUser, Tracker
from segops.delivery.worker import check_stack
from segops.environment import Environment, read_environment
from segops.utils import log

SpoolPolicy = Literal["overflow", "always"]
SpoolArgument = Spool | str | os.PathLike[str] | Literal[False] | None


class SegOpsClient(Tracker):
    """Sends events to SegOps. Safe for use by many threads; make one per process and keep it.

    `track()` checks and encodes an event and puts it into a bounded buffer: it does no I/O, takes no lock and never
    raises. A daemon thread, started by the first event, sends batches. Events that are pending when the interpreter
    exits are still sent, within two seconds.

    Args:
        api_url: Base URL of SegOps, with or without `/api`, or another URL that a transport knows: `local:`,
            `file:…`, `stdout:`, `memory:`. Default: `SEGOPS_API_URL`, else https://api.segops.ai.
        api_key: A secret key (`sk_…`) authenticates directly; a public one (`pk_…`) is exchanged for session tokens.
            Default: `SEGOPS_API_KEY`.
        get_user: With a public key: returns who the current user is. Called by `track()`, on its thread. Default:
            an anonymous visitor.
        batch: False sends every event at once, through the single-event endpoint.
        batch_size: Waiting events that start a flush.
        flush_interval: Seconds after which waiting events are sent in any case.
        on_error: Gets each error, off the caller's thread; once the client is closed, on it. Errors are logged through
            structlog, too; with `on_error` only if the application has set up structlog or `logging`.
        timeout: Seconds that one request may take in all.
        transport: A `Transport`, or the URL of one, in the place of that of `api_url`.
        plugins: More plugins for this client.
        limits: Bounds of memory, batches and time.
        retry: How failed requests are repeated.
        spool: Where events wait that cannot be delivered, that memory has no room for, or that are left at the end; a
            later process sends them. The path of a file in a directory that only this user can read, a URL whose
            scheme a plugin registered, or a `Spool`. Default: `SEGOPS_SPOOL`, else none; False for none in any case.
        spool_policy: "overflow" for that, or "always" to store each batch before it is sent.
        worker: "thread", or "inline" to send on the caller's thread where there are no threads.
        strict: Whether `track()` raises for a bad event, for tests and development.
        enrich: Whether enrichers run. Pass False to send events that were enriched before, such as those of a file
            that the `file:` transport wrote.
        clock: The clocks, also of events that say no time; tests pass another one.

    Raises:
        SegOpsConfigError: An option, the key or the URL is wrong.
        SegOpsPluginError: One of `plugins` is broken, or the plugin that knows the URL makes no transport of it.

    Source: typescript-sdk.md, "Constructor Options"; design.md, section 4.
    """

    def __init__(
        self,
        api_url: str | None = None,
        api_key: str | None = None,
        *,
        get_user: GetUser | None = None,
        batch: bool = True,
        batch_size: int = 20,
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
        check_choice("worker", worker, ("thread", "inline"))
        check_choice("spool_policy", spool_policy, ("overflow", "always"))
        for name, function in (("get_user", get_user), ("on_error", on_error)):
            if function is not None and not callable(function):
                raise SegOpsConfigError(f"{name} is of type {type(function).__name__}: pass a function")
        timing = Timing(batch=batch, batch_size=batch_size, flush_interval=flush_interval, timeout=timeout)
        self._clock = clock or Clock()
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
        self._transport = _Nowhere() if self._is_disabled else open_transport(where, loaded.transports())
        self._key = self._choose_key(api_key, environment)
        self._enrichment = Enrichment(loaded.enrichers() if enrich else (), self._report)
        self._config = PipelineConfig(
            transport=self._transport,
            key=self._key,
            event_types=self._enrichment.event_types,
            timing=timing,
            limits=self._limits,
            retry=retry or RetryPolicy(),
            clock=self._clock,
            worker=worker,
            observers=(*loaded.observers(), *([ErrorCallback(on_error)] if on_error else [])),
            spool=self._choose_spool(spool if spool is not None else environment.spool, loaded),
            always_spool=spool_policy == "always",
        )
        self._start_afresh()
        for error in broken:
            self._pipeline.notifier.error(error)
        watch(self)

    def flush(self, timeout: float | None = None) -> bool:
        """Send all waiting events now and wait until their fate is known.

        It does not wait for a server that refuses the key or the endpoint: no retry cures that. `on_error` and
        observers have heard of all that became known when it returns, if `timeout` allows. Inside of those, in a
        transport, and in a signal handler on top of a request that the same thread sends, it returns False at once.

        Args:
            timeout: Seconds to wait at most. Default: as long as an undelivered batch is kept, 300 s.

        Returns:
            True only if everything that was accepted before the call is delivered. Events that were dropped before an
            earlier call are that call's: each loss makes one `flush` return False.

        Source: typescript-sdk.md, "flush".
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
        """Send what waits, stop, and refuse further events. Further calls do nothing.

        Args:
            timeout: Seconds to take at most. Default: 5.

        Returns:
            True only if everything that was accepted before the call is delivered, as for `flush`.

        Source: typescript-sdk.md, "shutdown".
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
        """Do what `shutdown` does."""
        self.shutdown()

    async def aflush(self, timeout: float | None = None) -> bool:
        """Do what `flush` does, without blocking the event loop."""
        from asyncio import to_thread  # noqa: PLC0415 - only for those who have it loaded anyway

        return await to_thread(self.flush, timeout)

    async def ashutdown(self, timeout: float | None = None) -> bool:
        """Do what `shutdown` does, without blocking the event loop."""
        from asyncio import to_thread  # noqa: PLC0415 - only for those who have it loaded anyway

        return await to_thread(self.shutdown, timeout)

    def reset_session(self) -> None:
        """Forget the session tokens of a public key, so that the next request mints one; no effect for a secret key.

        Source: wire-protocol.md, section 3.4.
        """
        self._pipeline.dispatcher.auth.reset()

    def stats(self) -> Stats:
        """Return the ledger as it is now: `accepted = delivered + dropped + pending`, always."""
        return self._pipeline.ledger.stats()

    @property
    def transport(self) -> Transport:
        """What requests are handed to."""
        return self._transport

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
            "a SegOpsClient cannot be pickled: it has a thread, a connection and a key; make one in each process"
        )

    @property
    def exit_timeout(self) -> float:
        """Seconds that the exit of the interpreter may be delayed."""
        return self._limits.exit

    def after_fork(self) -> None:
        """Start afresh in a child process: the parent keeps its events, its thread and its connections."""
        self._start_afresh()

    def _start_afresh(self) -> None:
        self._pipeline = Pipeline(self._config)
        self._try_enqueue = _ignore if self._is_disabled else self._pipeline.queue.try_enqueue

    def _close(self, pipeline: Pipeline, timeout: float) -> None:
        if pipeline.is_closed:
            return
        pipeline.queue.close()
        pipeline.worker.close(timeout)  # again, if a signal handler raised the first time
        pipeline.is_closed = True
        try:
            self._transport.close()
        except Exception as error:  # noqa: BLE001 - a stranger's transport may raise anything
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
            return None  # there is nobody to shake hands with
        check_secrecy(self._transport.url, key)
        if sys.platform == "emscripten" and not key.is_public:
            log(
                "warning",
                "segops.client.secret_key_in_browser",
                error="a secret key is in a browser, where anybody can read it: use a pk_ key",
            )
        return key


def _ignore(*_: object) -> bool:
    """Take an event while the SDK is turned off."""
    return True


class _Nowhere(Transport):
    """Stands in while the SDK is turned off, so that neither a key nor a URL is needed."""

    offline = True

    def send(self, request: Request, *, timeout: float) -> Response:  # noqa: ARG002 - as the base class has it
        raise SegOpsConfigError("the SDK is turned off by SEGOPS_DISABLED: nothing is sent")
