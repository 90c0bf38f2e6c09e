"""The shop in Flask."""

from __future__ import annotations

from flask import Flask, abort, redirect, session
from werkzeug.wrappers import Response

from segops import SegOpsClient
from segops.integrations import identify_request
from segops.integrations.flask import SegOps
from shop import pages
from shop.orders import POLICY, place_order


def create_app(client: SegOpsClient) -> Flask:
    """Create the application."""
    app = Flask("shop")
    app.secret_key = "only an example"  # noqa: S105
    SegOps(app, client, policy=POLICY)

    @app.before_request
    def identify() -> None:
        if "user" in session:
            identify_request(session["user"])

    @app.get("/")
    def home() -> str:
        return pages.home(session.get("user"))

    @app.get("/products/<key>")
    def product(key: str) -> str:
        if key not in pages.PRODUCTS:
            abort(404)
        return pages.product(key, session.get("user"))

    @app.post("/products/<key>/buy")
    def buy(key: str) -> Response:
        if key not in pages.PRODUCTS:
            abort(404)
        place_order(client, key)
        return redirect("/thanks", 303)

    @app.get("/thanks")
    def thanks() -> str:
        return pages.thanks(session.get("user"))

    @app.post("/login/<user>")
    def login(user: str) -> Response:
        if user not in pages.USERS:
            abort(404)
        session["user"] = user
        identify_request(user)
        client.identify(user_id=user, traits={"name": user.title()})
        return redirect("/", 303)

    @app.post("/logout")
    def logout() -> Response:
        session.clear()
        identify_request(None)
        return redirect("/", 303)

    return app
