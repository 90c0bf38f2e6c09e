"""Flush at the end of each invocation of a function: AWS Lambda and the like stop the process in between."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable
from functools import wraps
from typing import Any, ParamSpec, TypeVar, cast

from segops import SegOpsClient
from segops.core import SegOpsConfigError
from segops.utils import check_number

_P = ParamSpec("_P")
_R = TypeVar("_R")


def flush_after(
    client: SegOpsClient, margin: float = 0.5, *, timeout: float = 2.0
) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Return a decorator for handlers, plain or asynchronous, that sends pending events before an invocation ends.

    It also does so if the handler raises. If nothing is pending, no request is made.

    Args:
        client: The client that the handler tracks events with.
        margin: Seconds to leave of the time that the invocation has, which the Lambda context knows.
        timeout: Seconds that the flush takes at most where no argument of the handler is a Lambda context.

    Raises:
        SegOpsConfigError: An option is invalid.

    Source: docs/lambda.md.
    """
    if not isinstance(client, SegOpsClient):
        raise SegOpsConfigError(f"client must be a SegOpsClient, got {type(client).__name__}: @flush_after(client)")
    check_number("margin", margin, minimum=0)
    check_number("timeout", timeout, minimum=0)

    def left(arguments: Iterable[object]) -> float:
        for argument in arguments:
            remaining: Callable[[], float] | None = getattr(argument, "get_remaining_time_in_millis", None)
            if remaining is not None:
                return max(0.0, remaining() / 1000 - margin)
        return timeout

    def decorate(handler: Callable[_P, _R]) -> Callable[_P, _R]:
        if inspect.iscoroutinefunction(handler):

            @wraps(handler)
            async def invoke_async(*args: _P.args, **named: _P.kwargs) -> Any:
                try:
                    return await cast("Awaitable[Any]", handler(*args, **named))
                finally:
                    if client.stats().pending:
                        await client.aflush(left([*args, *named.values()]))

            return cast("Callable[_P, _R]", invoke_async)

        @wraps(handler)
        def invoke(*args: _P.args, **named: _P.kwargs) -> _R:
            try:
                return handler(*args, **named)
            finally:
                if client.stats().pending:
                    client.flush(left([*args, *named.values()]))

        return invoke

    return decorate
