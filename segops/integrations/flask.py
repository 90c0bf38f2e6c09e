"""The Flask extension."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from segops import SegOpsClient
from segops.core import SegOpsConfigError
from segops.integrations.page_views import report
from segops.integrations.policy import Policy
from segops.integrations.request import WebRequest, current, identify_request
from segops.integrations.wsgi import WsgiMiddleware

if TYPE_CHECKING:
    from flask import Flask


class SegOps:
    """Tracks page views of a Flask application; with Flask-Login, with its users.

    Args:
        app: The application; or else call `init_app`.
        client: The client that the events are tracked with.
        policy: What may be recorded. Default: `Policy()`.

    Raises:
        SegOpsConfigError: An option is invalid, or the client is missing.

    Source: docs/flask.md.
    """

    def __init__(
        self, app: Flask | None = None, client: SegOpsClient | None = None, *, policy: Policy | None = None
    ) -> None:
        self._client = client
        self._policy = policy
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask, client: SegOpsClient | None = None) -> None:
        """Track the page views of an application.

        Args:
            app: The application.
            client: The client for this application. Default: that of the extension.

        Raises:
            SegOpsConfigError: An option is invalid, or the client is missing.
        """
        client = client or self._client
        if client is None:
            raise SegOpsConfigError("SegOps needs a client: pass SegOps(app, client) or init_app(app, client)")
        app.wsgi_app = WsgiMiddleware(app.wsgi_app, client, policy=self._policy)  # type: ignore[method-assign]
        app.extensions["segops"] = self
        with suppress(ModuleNotFoundError):
            from flask_login import user_logged_in, user_logged_out  # noqa: PLC0415 - only if it is installed

            user_logged_in.connect(_log_in, app)
            user_logged_out.connect(_log_out, app)
            app.teardown_request(_identify)


def _log_in(_: Flask, user: object) -> None:
    get_id = getattr(user, "get_id", None)
    if current.get() is not None and get_id is not None:
        identify_request(get_id())


def _log_out(_: Flask, **__: object) -> None:
    if current.get() is not None:
        identify_request(None)


def _identify(_: BaseException | None) -> None:
    """Read the user of Flask-Login, after the response was made: reading the session earlier would change it."""
    from flask import current_app  # noqa: PLC0415 - as is everything of Flask
    from flask_login import current_user  # noqa: PLC0415

    visitor = current.get()
    if not isinstance(visitor, WebRequest) or not visitor.is_page or not hasattr(current_app, "login_manager"):
        return
    try:
        if not visitor.is_known() and current_user.is_authenticated:
            visitor.user_id = current_user.get_id()
    except Exception as error:  # noqa: BLE001 - the application's own function that loads users may raise anything
        report(error)
