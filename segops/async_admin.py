"""AsyncSegOpsAdmin: `SegOpsAdmin` for asyncio. The types of its namespaces are in the generated stub beside this."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, TypeVar

from segops.admin import Raw, SegOpsAdmin
from segops.core.http import Response, Transport
from segops.plugins.admin import AsyncView, Method, Resource, captured_responses, in_thread

T = TypeVar("T")


class AsyncSegOpsAdmin:
    """Does what `SegOpsAdmin` does, for asyncio: methods are awaited, `iterate` is for `async for`.

    Calls run on the threads of the event loop's executor, so the loop is never blocked. Functions that are passed in,
    such as `progress`, are called on those threads.

    Args:
        args: What `SegOpsAdmin` takes.
        kwargs: What `SegOpsAdmin` takes.

    Attributes:
        http: Makes calls for which there is no method.

    Raises:
        SegOpsConfigError: An option, the key or the URL is wrong.
        SegOpsPluginError: A plugin is broken.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._admin = SegOpsAdmin(*args, **kwargs)

    @property
    def http(self) -> AsyncView:
        """Makes calls for which there is no method."""
        return AsyncView(self._admin.http)

    @property
    def methods(self) -> tuple[Method, ...]:
        """What all namespaces can do, those of plugins too."""
        return self._admin.methods

    @property
    def transport(self) -> Transport:
        """What requests are handed to."""
        return self._admin.transport

    def resource(self, kind: type[Resource]) -> AsyncView:
        """Return a namespace by its class; its methods are awaited."""
        return AsyncView(self._admin.resource(kind))

    def with_options(self, **options: Any) -> AsyncSegOpsAdmin:
        """Return the same with other options, as `SegOpsAdmin.with_options`."""
        other = object.__new__(AsyncSegOpsAdmin)
        other._admin = self._admin.with_options(**options)
        return other

    async def raw(self, method: Callable[..., Awaitable[T]], /, *args: Any, **kwargs: Any) -> Raw[T]:
        """Await a method and return its result with the raw answer, as `SegOpsAdmin.raw`."""
        seen: list[Response] = []
        token = captured_responses.set(seen)
        try:
            result = await method(*args, **kwargs)
        finally:
            captured_responses.reset(token)
        return Raw(result, seen[-1] if seen else None)

    async def close(self) -> None:
        """Give back connections and files; a later call may open them again."""
        await in_thread(self._admin.close)

    def __getattr__(self, name: str) -> AsyncView:
        if name == "_admin":  # not there yet
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
