"""SegOpsAdmin: where the parts of the admin SDK are put together."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar

import msgspec

from segops.composition import BUILT_IN_PLUGINS, Plugins, open_transport, warn_about_surroundings
from segops.core.errors import SegOpsConfigError
from segops.core.http import Response, Transport
from segops.core.retry import Clock, RetryPolicy
from segops.delivery.keys import ApiKey, check_key, check_secrecy
from segops.environment import read_environment
from segops.plugins.admin import HttpClient, Method, Namespaces, Options, Resource, captured_responses, methods_of
from segops.utils import log

P = ParamSpec("P")
T = TypeVar("T")
N = TypeVar("N", bound=Resource)


class Raw(msgspec.Struct, Generic[T], frozen=True):
    """The result of a method, and the last answer that it is made of.

    Attributes:
        result: What the method returned.
        response: Status, headers and body of the answer; None if nothing was asked.
    """

    result: T
    response: Response | None

    def __repr__(self) -> str:
        """Show neither: they hold personal data."""
        return f"Raw({type(self.result).__name__}, {self.response!r})"


class SegOpsAdmin(Namespaces):
    """Does on a server what people do in the dashboard: segments, products, activations, pages, and the rest.

    Safe for use by many threads. It needs a secret key, which must never reach a browser.

    Args:
        api_key: A secret key (`sk_…`). Default: `SEGOPS_API_KEY`.
        base_url: The URL of the API, with or without `/api`, or another one that a transport knows, such as `local:`.
            Default: `SEGOPS_API_URL`, else https://api.segops.ai/api.
        timeout: Seconds that one attempt may take.
        max_retries: How often a call is repeated after 429, 5xx or no answer; 0 for never.
        deadline: Seconds that a call may take in all, with its retries and the waiting between them.
        transport: A `Transport`, or the URL of one, in the place of that of `base_url`.
        plugins: More plugins, which may bring namespaces of their own.
        retry: How long to wait between attempts.
        clock: The clocks; tests pass another one.

    Attributes:
        http: Makes calls for which there is no method.

    Raises:
        SegOpsConfigError: An option, the key or the URL is wrong.
        SegOpsPluginError: One of `plugins` is broken, or the plugin that knows the URL makes no transport of it.

    Source: admin-sdk.md; design.md, section 4.
    """

    def __init__(
        self,
        api_key: str | None = None,
        *,
        base_url: str | None = None,
        timeout: float = 30.0,
        max_retries: int = 3,
        deadline: float = 300.0,
        transport: Transport | str | None = None,
        plugins: Sequence[object] = (),
        retry: RetryPolicy | None = None,
        clock: Clock | None = None,
    ) -> None:
        options = Options(timeout=timeout, max_retries=max_retries, deadline=deadline)
        environment = read_environment()
        loaded = Plugins(BUILT_IN_PLUGINS, given=plugins, selection=environment.plugins, report=_warn)
        warn_about_surroundings()
        factories = loaded.transports()
        where = transport if transport is not None else base_url or environment.api_url
        self._transport = open_transport(where, factories)
        given = api_key if api_key is not None else self._transport.api_key or environment.api_key
        key = None if given is None and self._transport.offline else _check_secret(given)
        if key is not None:
            check_secrecy(self._transport.url, key)
        self._key = key
        self._kinds: dict[str, type[Resource]] = loaded.resources()
        self.http = HttpClient(
            self._transport,
            authorization=None if key is None else key.authorization,
            options=options,
            policy=retry or RetryPolicy(),
            clock=clock or Clock(),
            open_other=lambda url: open_transport(url, factories),
        )

    def resource(self, kind: type[N]) -> N:
        """Return a namespace by its class, typed as such; it need not be registered.

        Args:
            kind: A class derived from `segops.plugins.admin.Resource`.
        """
        return kind(self.http)

    def with_options(
        self,
        *,
        timeout: float | None = None,
        max_retries: int | None = None,
        deadline: float | None = None,
        idempotency_key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> SegOpsAdmin:
        """Return the same with other options: `admin.with_options(timeout=5).segments.get(1)`.

        Both share one transport: closing either closes it for both.

        Args:
            timeout: Seconds that one attempt may take.
            max_retries: How often a call is repeated.
            deadline: Seconds that a call may take in all.
            idempotency_key: Sent with mutations in place of a random one; use it for one call.
            headers: Sent with each request.

        Raises:
            SegOpsConfigError: One of them is not usable.
        """
        given = {
            "timeout": timeout,
            "max_retries": max_retries,
            "deadline": deadline,
            "idempotency_key": idempotency_key,
            "headers": headers,
        }
        changes = {name: value for name, value in given.items() if value is not None}
        other = copy.copy(self)
        other.http = self.http.with_options(msgspec.structs.replace(self.http.options, **changes))
        return other

    def raw(self, method: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Raw[T]:
        """Call a method and return its result with the raw answer: `admin.raw(admin.segments.get, 12).response`.

        Args:
            method: A method of a namespace.
            args: What it takes.
            kwargs: What it takes.
        """
        seen: list[Response] = []
        token = captured_responses.set(seen)
        try:
            result = method(*args, **kwargs)
        finally:
            captured_responses.reset(token)
        return Raw(result, seen[-1] if seen else None)

    @property
    def namespaces(self) -> dict[str, Resource]:
        """All namespaces by name, those of plugins too."""
        return {name: kind(self.http) for name, kind in self._kinds.items()}

    @property
    def methods(self) -> tuple[Method, ...]:
        """What all namespaces can do, those of plugins too."""
        return methods_of(self._kinds)

    @property
    def transport(self) -> Transport:
        """What requests are handed to."""
        return self._transport

    def close(self) -> None:
        """Give back connections and files; a later call may open them again."""
        self._transport.close()

    if not TYPE_CHECKING:  # or type checkers take every misspelt name for a namespace

        def __getattr__(self, name: str) -> Resource:
            kind = self.__dict__.get("_kinds", {}).get(name)
            if kind is None:
                known = ", ".join(sorted(self.__dict__.get("_kinds", ())))
                raise AttributeError(f"SegOpsAdmin has no {name!r}; the namespaces are {known}")
            return kind(self.http)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._kinds})

    def __enter__(self) -> SegOpsAdmin:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<SegOpsAdmin {self._transport.url or type(self._transport).__name__} {self._key}>"

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("a SegOpsAdmin cannot be pickled: it has a connection and a key; make one in each process")

    def __copy__(self) -> SegOpsAdmin:
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        return other


def _check_secret(text: object) -> ApiKey:
    """Return the key if it is a secret one.

    Raises:
        SegOpsConfigError: It is of another kind, or missing.

    Source: admin-sdk.md, "Quick start".
    """
    if not isinstance(text, str) or not text:
        raise SegOpsConfigError("api_key is missing: pass an sk_ key, or set SEGOPS_API_KEY")
    if not text.startswith("sk_"):
        kinds = {"pk_": "a public key", "mk_": "a key for MCP"}
        kind = kinds.get(text[:3], "of no known kind")
        raise SegOpsConfigError(f"api_key is {kind}: administration needs a secret key, which begins with sk_")
    return check_key(text)


def _warn(error: Exception) -> None:
    log("warning", "segops.plugin.broken", error=str(error))
