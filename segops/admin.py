"""SegOpsAdmin: the facade of the admin SDK."""

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
from segops.guard import check_client
from segops.plugins.admin import HttpClient, Method, Namespaces, Options, Resource, captured_responses, methods_of
from segops.utils import log

P = ParamSpec("P")
T = TypeVar("T")
N = TypeVar("N", bound=Resource)


class Raw(msgspec.Struct, Generic[T], frozen=True):
    """The result of a method, with the last response that it used.

    Attributes:
        result: What the method returned.
        response: Status, headers and body; None if the method sent no request.
    """

    result: T
    response: Response | None

    def __repr__(self) -> str:
        """Show neither: they may contain personal data."""
        return f"Raw({type(self.result).__name__}, {self.response!r})"


class SegOpsAdmin(Namespaces):
    """Manage segments, products, activations, pages, and the rest of the dashboard from a server.

    Thread-safe. It requires a secret key, which must never reach a browser.

    Args:
        api_key: A secret key (`sk_…`). Default: `SEGOPS_API_KEY`.
        base_url: The URL of the API, with or without `/api`, or of another transport, such as `local:`. Default:
            `SEGOPS_API_URL`, otherwise https://api.segops.ai/api.
        timeout: Seconds for one attempt.
        max_retries: Retries after 429, 5xx or a network error; 0 turns them off.
        deadline: Seconds for a call with all its retries and the delays between them.
        transport: A `Transport` or its URL, instead of `base_url`.
        plugins: Further plugins, which may add namespaces.
        retry: How long to wait between attempts.
        clock: The clocks, which tests replace.

    Attributes:
        http: The low-level client, for endpoints without a method.

    Raises:
        SegOpsConfigError: An option, the key or the URL is invalid.
        SegOpsPluginError: One of `plugins` is broken, or the plugin of the URL scheme returns no transport.

    Source: Admin SDK, "Quick start".
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
        check_client(self._transport.url)
        given = api_key if api_key is not None else self._transport.api_key or environment.api_key
        key = None if given is None and self._transport.offline else _check_secret(given)
        if key is not None:
            check_secrecy(self._transport.url, key)
        self._key = key
        self._resources: dict[str, type[Resource]] = loaded.resources()
        self.http = HttpClient(
            self._transport,
            authorization=None if key is None else key.authorization,
            options=options,
            policy=retry or RetryPolicy(),
            clock=clock or Clock(),
            open_other=lambda url: open_transport(url, factories),
        )

    def resource(self, cls: type[N]) -> N:
        """Return a namespace by its class, with its type. The class does not need to be registered.

        Args:
            cls: A subclass of `segops.plugins.admin.Resource`.
        """
        return cls(self.http)

    def with_options(
        self,
        *,
        timeout: float | None = None,
        max_retries: int | None = None,
        deadline: float | None = None,
        idempotency_key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> SegOpsAdmin:
        """Return a copy with other options: `admin.with_options(timeout=5).segments.get(1)`.

        Both share one transport: closing either closes it for both.

        Args:
            timeout: Seconds for one attempt.
            max_retries: Retries after 429, 5xx or a network error.
            deadline: Seconds for a call with all its retries.
            idempotency_key: Sent with mutations instead of a random key. Use it for one call only.
            headers: Further headers for each request.

        Raises:
            SegOpsConfigError: A value is invalid.
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
        """Call a method and return its result with the response: `admin.raw(admin.segments.get, 12).response`.

        Args:
            method: A method of a namespace.
            args: Its positional arguments.
            kwargs: Its keyword arguments.
        """
        captured: list[Response] = []
        token = captured_responses.set(captured)
        try:
            result = method(*args, **kwargs)
        finally:
            captured_responses.reset(token)
        return Raw(result, captured[-1] if captured else None)

    @property
    def namespaces(self) -> dict[str, Resource]:
        """All namespaces by name, including those of plugins."""
        return {name: cls(self.http) for name, cls in self._resources.items()}

    @property
    def methods(self) -> tuple[Method, ...]:
        """The methods of all namespaces, including those of plugins."""
        return methods_of(self._resources)

    @property
    def transport(self) -> Transport:
        """The transport that sends the requests."""
        return self._transport

    def close(self) -> None:
        """Close connections and files. A later call reopens them."""
        self._transport.close()

    if not TYPE_CHECKING:  # otherwise type checkers accept any name as a namespace

        def __getattr__(self, name: str) -> Resource:
            cls = self.__dict__.get("_resources", {}).get(name)
            if cls is None:
                known = ", ".join(sorted(self.__dict__.get("_resources", ())))
                raise AttributeError(f"SegOpsAdmin has no namespace {name!r}: expected one of {known}")
            return cls(self.http)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._resources})

    def __enter__(self) -> SegOpsAdmin:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<SegOpsAdmin {self._transport.url or type(self._transport).__name__} {self._key}>"

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError(
            "SegOpsAdmin cannot be pickled because it has a connection and a key: create one in each process"
        )

    def __copy__(self) -> SegOpsAdmin:
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        return other


def _check_secret(text: object) -> ApiKey:
    """Check that a key is a secret key and return it.

    Raises:
        SegOpsConfigError: The key is missing, or is not a secret key.

    Source: Admin SDK, "Quick start".
    """
    if not isinstance(text, str) or not text:
        raise SegOpsConfigError("api_key is missing: pass a secret key (sk_…) or set SEGOPS_API_KEY")
    if not text.startswith("sk_"):
        others = {"pk_": ", got a public key (pk_…)", "mk_": ", got an MCP key (mk_…)"}
        got = others.get(text[:3], "")
        raise SegOpsConfigError(f"invalid API key: SegOpsAdmin requires a secret key (sk_…){got}")
    return check_key(text)


def _warn(error: Exception) -> None:
    log("warning", "segops.plugin.broken", error=str(error))
