"""The Flask extension in process; test_servers.py has it under gunicorn."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask, stream_with_context
from flask_login import LoginManager, UserMixin, login_user, logout_user

from segops import SegOpsConfigError
from segops.integrations import Policy
from segops.integrations.flask import SegOps
from tests.integrations.web_rig import Site


class User(UserMixin):
    def __init__(self, name: str) -> None:
        self.id = name


def make(site: Site, *, has_login: bool = True) -> Flask:
    app = Flask(__name__)
    app.secret_key = "test"
    extension = SegOps(client=site.client, policy=Policy(anonymous="skip", observer=site.counts))
    extension.init_app(app)
    assert app.extensions["segops"] is extension
    if has_login:
        LoginManager(app).user_loader(User)

    @app.get("/login/<name>")
    def login(name: str) -> str:
        login_user(User(name))
        return "<p>hello"

    @app.get("/logout")
    def logout() -> str:
        logout_user()
        return "<p>bye"

    @app.get("/page")
    def page() -> str:
        return "<p>hello"

    @app.get("/stream")
    def stream() -> Iterator[str]:
        return stream_with_context(iter(["<p>", "hello"]))

    @app.get("/json")
    def json() -> dict[str, str]:
        return {}

    @app.get("/fails")
    def fails() -> str:
        raise ValueError("the application's own")

    return app


def test_the_user_of_flask_login_is_seen_from_login_to_logout(site: Site) -> None:
    browser = make(site).test_client()
    for path in ("/page", "/login/ada", "/page", "/stream", "/json", "/fails", "/logout", "/page"):
        browser.get(path).get_data()
    seen = [(event["user_id"], event["payload"]["path"]) for event in site.events()]
    assert seen == [("ada", "/login/ada"), ("ada", "/page"), ("ada", "/stream")]
    assert site.counts.skipped == {"anonymous": 3}


def test_without_flask_login_visitors_are_anonymous(site: Site) -> None:
    browser = make(site, has_login=False).test_client()
    assert browser.get("/page").get_data() == b"<p>hello"
    assert site.events() == []
    assert site.counts.skipped == {"anonymous": 1}


def test_a_loader_of_users_that_raises_breaks_no_response(site: Site) -> None:
    app = make(site)

    def load(name: str) -> User:
        raise LookupError(name)

    browser = app.test_client()
    browser.get("/login/ada").get_data()
    app.login_manager.user_loader(load)  # type: ignore[attr-defined]
    assert browser.get("/page").get_data() == b"<p>hello"
    assert [event["user_id"] for event in site.events()] == ["ada"]
    assert site.counts.skipped == {"anonymous": 1}


def test_it_needs_a_client(site: Site) -> None:
    with pytest.raises(SegOpsConfigError, match=r"SegOps needs a client: pass SegOps\(app, client\)"):
        SegOps(Flask(__name__))
    app = Flask(__name__)
    SegOps().init_app(app, site.client)
    app.test_client().get("/")
