"""The asyncio variant: the same methods, with each call on a thread.

A call mostly waits for the network, and a thread is as good for that as an event loop. So there is one implementation,
and it behaves the same in both variants. The generated `segops/async_admin.pyi` has the types.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import threading
from collections.abc import Awaitable, Callable
from typing import Any, Generic, ParamSpec, TypeVar

from segops.plugins.admin.context import cancelled
from segops.plugins.admin.pagination import Items, Page
from segops.plugins.admin.records import R
from segops.plugins.admin.resource import Endpoint

P = ParamSpec("P")
T = TypeVar("T")


async def in_thread(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function on a thread of the event loop's executor.

    Cancelling the task ends the call before its next delay, attempt, or chunk of a download. Requests that the server
    already received are not undone.
    """
    stop = threading.Event()
    context = contextvars.copy_context()
    context.run(cancelled.set, stop)
    call = functools.partial(context.run, function, *args, **kwargs)
    try:
        return await asyncio.get_running_loop().run_in_executor(None, call)
    except asyncio.CancelledError:
        stop.set()
        raise


class AsyncView:
    """An object whose methods are awaited."""

    def __init__(self, target: object) -> None:
        self._target = target

    def __repr__(self) -> str:
        return f"<async {self._target!r}>"

    def __dir__(self) -> list[str]:
        return dir(self._target)

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._target, name)
        if not callable(value) or name.startswith("__"):
            return value
        method: Callable[..., Any] = value
        declared = getattr(method, "endpoint", None)
        is_lazy = isinstance(declared, Endpoint) and declared.pagination is not None and not declared.method
        return _lazily(method) if is_lazy else _awaited(method)


class AsyncPage(Page[R]):
    """A page whose next page is awaited."""

    def __init__(self, page: Page[R]) -> None:
        dict.__init__(self, page.items())
        vars(self).update(vars(page))
        self._page = page

    async def next_page(self) -> AsyncPage[R] | None:  # type: ignore[override] # awaited here
        """Fetch the next page; None after the last one."""
        page = await in_thread(self._page.next_page)
        return None if page is None else AsyncPage(page)

    def walk(self) -> AsyncItems[R]:  # type: ignore[override] # for `async for`
        """Iterate over the items from here to the end of the list, fetching further pages on demand."""
        return AsyncItems(self._page.walk())


class AsyncItems(Generic[R]):
    """An asynchronous iterator over the items of a list, which fetches each page on demand."""

    def __init__(self, items: Items[R]) -> None:
        self._pages = items.pages()
        self._items = iter(list[R]())

    def __aiter__(self) -> AsyncItems[R]:
        return self

    async def __anext__(self) -> R:
        while True:
            for item in self._items:
                return item
            page = await in_thread(next, self._pages, None)
            if page is None:
                raise StopAsyncIteration
            self._items = iter(page)


def _lazily(method: Callable[P, Items[R]]) -> Callable[P, AsyncItems[R]]:
    @functools.wraps(method)
    def start(*args: P.args, **kwargs: P.kwargs) -> AsyncItems[R]:
        return AsyncItems(method(*args, **kwargs))

    return _unsigned(start)


def _awaited(method: Callable[P, Any]) -> Callable[P, Awaitable[Any]]:
    @functools.wraps(method)
    async def call(*args: P.args, **kwargs: P.kwargs) -> Any:
        result = await in_thread(method, *args, **kwargs)
        return AsyncPage(result) if isinstance(result, Page) else result

    return _unsigned(call)


def _unsigned(function: T) -> T:
    """Remove the copied signature, which has `self`: the wrapped method is bound."""
    vars(function).pop("__signature__", None)
    return function
