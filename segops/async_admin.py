"""AsyncSegOpsAdmin: `SegOpsAdmin` for asyncio. The generated stub next to this file has the types."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, TypeVar

from segops.admin import Raw, SegOpsAdmin
from segops.core.http import Response, Transport
from segops.plugins.admin import AsyncView, Method, Resource, captured_responses, in_thread

T = TypeVar("T")


class AsyncSegOpsAdmin:
    """`SegOpsAdmin` for asyncio: await its methods, and use `iterate` with `async for`.

    Calls run on the threads of the event loop's executor and never block the loop. Callbacks such as `progress` are
    called on those threads.

    Args:
        args: The arguments of `SegOpsAdmin`.
        kwargs: The keyword arguments of `SegOpsAdmin`.

    Attributes:
        http: The low-level client, for endpoints without a method.

    Raises:
        SegOpsConfigError: An option, the key or the URL is invalid.
        SegOpsPluginError: A plugin is broken.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._admin = SegOpsAdmin(*args, **kwargs)

    @property
    def http(self) -> AsyncView:
        """The low-level client, for endpoints without a method."""
        return AsyncView(self._admin.http)

    @property
    def methods(self) -> tuple[Method, ...]:
        """The methods of all namespaces, including those of plugins."""
        return self._admin.methods

    @property
    def transport(self) -> Transport:
        """The transport that sends the requests."""
        return self._admin.transport

    def resource(self, cls: type[Resource]) -> AsyncView:
        """Return a namespace by its class, with methods to await."""
        return AsyncView(self._admin.resource(cls))

    def with_options(self, **options: Any) -> AsyncSegOpsAdmin:
        """Return a copy with other options, as `SegOpsAdmin.with_options` does."""
        other = object.__new__(AsyncSegOpsAdmin)
        other._admin = self._admin.with_options(**options)
        return other

    async def raw(self, method: Callable[..., Awaitable[T]], /, *args: Any, **kwargs: Any) -> Raw[T]:
        """Await a method and return its result with the response, as `SegOpsAdmin.raw` does."""
        captured: list[Response] = []
        token = captured_responses.set(captured)
        try:
            result = await method(*args, **kwargs)
        finally:
            captured_responses.reset(token)
        return Raw(result, captured[-1] if captured else None)

    async def close(self) -> None:
        """Close connections and files. A later call reopens them."""
        await in_thread(self._admin.close)

    def __getattr__(self, name: str) -> AsyncView:
        if name == "_admin":  # not set yet
            raise AttributeError(name)
        return AsyncView(getattr(self._admin, name))

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *dir(self._admin)})

    async def __aenter__(self) -> AsyncSegOpsAdmin:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<Async{repr(self._admin)[1:]}"

    def __reduce__(self) -> tuple[Any, ...]:
        return self._admin.__reduce__()
