"""The asyncio variant: the same methods, each call on a thread of its own.

A call mostly waits for the network, which it does as well on a thread; so there is one implementation, and what holds
for it holds here. `segops/async_admin.pyi`, which is generated, gives the types.
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

    When the task is cancelled, the call is given up at its next pause, attempt, or piece of a download; what the server
    has been told by then is not taken back.
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
    """A page whose neighbour is awaited."""

    def __init__(self, page: Page[R]) -> None:
        dict.__init__(self, page.items())
        vars(self).update(vars(page))
        self._page = page

    async def next_page(self) -> AsyncPage[R] | None:  # type: ignore[override] # it is awaited
        """Fetch the next page; None after the last one."""
        page = await in_thread(self._page.next_page)
        return None if page is None else AsyncPage(page)

    def walk(self) -> AsyncItems[R]:  # type: ignore[override] # it is iterated over with `async for`
        """Return the items from here to the end of the list; further pages are fetched when they are reached."""
        return AsyncItems(self._page.walk())


class AsyncItems(Generic[R]):
    """The items of a list, one by one, for `async for`; each page is fetched when it is reached."""

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
    """Forget the signature that was copied, which has `self`: what is wrapped is bound, and asked for its own."""
    vars(function).pop("__signature__", None)
    return function
