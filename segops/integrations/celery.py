"""Identity in Celery tasks, and a flush when a worker process ends."""

from __future__ import annotations

from collections.abc import MutableMapping
from contextvars import Token
from typing import TYPE_CHECKING, Any

from segops import SegOpsClient
from segops.core import SegOpsConfigError
from segops.integrations.request import Visitor, be_strict, current, request_identity

if TYPE_CHECKING:
    from celery import Task

HEADER = "segops"
"""The header of a task message that says who it is about."""

_FLUSH_TIMEOUT = 5.0


class TaskVisitor(Visitor):
    """Whom a task is about: who was the user of the request, or of the task, that sent it."""

    __slots__ = ("_anonymous_id", "task_id", "token")

    def __init__(self, task_id: str, user_id: str | None, anonymous_id: str | None) -> None:
        super().__init__(user_id)
        self._anonymous_id = anonymous_id
        self.task_id = task_id
        self.token: Token[Visitor | None] | None = None

    def anonymous_id(self) -> str | None:
        """Return the id of the visitor or device, if there is one."""
        return None if self.is_logged_out else self._anonymous_id


def connect(client: SegOpsClient) -> None:
    """Have tasks know whom they are about, and flush a client when a worker process ends.

    The id travels in a header of the task message. In the task, `request_identity()` returns it. Call it once, where
    the Celery application is made, in the process that sends tasks as well as in workers.

    Args:
        client: The client that tasks track events with.

    Raises:
        SegOpsConfigError: `client` is something else.

    Source: docs/celery.md.
    """
    from celery import signals  # noqa: PLC0415 - only for Celery

    if not isinstance(client, SegOpsClient):
        raise SegOpsConfigError(f"client must be a SegOpsClient, got {type(client).__name__}")
    if client.strict:
        be_strict()

    def flush(**_: object) -> None:
        client.flush(_FLUSH_TIMEOUT)

    uid = f"segops-{id(client)}"
    signals.before_task_publish.connect(_attach, weak=False, dispatch_uid=HEADER)
    signals.task_prerun.connect(_enter, weak=False, dispatch_uid=HEADER)
    signals.task_postrun.connect(_leave, weak=False, dispatch_uid=HEADER)
    signals.worker_process_shutdown.connect(flush, weak=False, dispatch_uid=uid)
    signals.worker_shutdown.connect(flush, weak=False, dispatch_uid=uid)


def _attach(headers: MutableMapping[str, Any] | None = None, **_: object) -> None:
    """Add who the current request or task is about to a task that is sent."""
    who = request_identity()
    if headers is not None and (who.user_id or who.anonymous_id):
        headers[HEADER] = {"user_id": who.user_id, "anonymous_id": who.anonymous_id}


def _enter(task_id: str, task: Task, **_: object) -> None:
    """Make whom a task is about the current visitor; a task that runs in its caller is about the caller's."""
    who = getattr(task.request, HEADER, None)
    if not isinstance(who, dict):
        if task.request.is_eager:
            return
        who = {}
    visitor = TaskVisitor(task_id, who.get("user_id"), who.get("anonymous_id"))
    visitor.token = current.set(visitor)


def _leave(task_id: str, **_: object) -> None:
    visitor = current.get()
    if isinstance(visitor, TaskVisitor) and visitor.task_id == task_id and visitor.token is not None:
        current.reset(visitor.token)
