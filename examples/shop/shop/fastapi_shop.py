"""The shop in FastAPI."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.middleware.sessions import SessionMiddleware

from segops import SegOpsClient
from segops.integrations import AsgiMiddleware, identify_request
from shop import pages
from shop.orders import POLICY, place_order


def current_user(request: Request) -> str | None:
    """Return who is logged in, and tell the middleware."""
    user: str | None = request.session.get("user")
    if user is not None:
        identify_request(user)
    return user


User = Annotated[str | None, Depends(current_user)]


def create_app(client: SegOpsClient) -> FastAPI:
    """Create the application."""
    app = FastAPI()
    app.add_middleware(SessionMiddleware, secret_key="only an example")  # noqa: S106
    app.add_middleware(AsgiMiddleware, client=client, policy=POLICY)

    @app.get("/", response_class=HTMLResponse)
    def home(user: User) -> str:
        return pages.home(user)

    @app.get("/products/{key}", response_class=HTMLResponse)
    def product(key: str, user: User) -> str:
        if key not in pages.PRODUCTS:
            raise HTTPException(404)
        return pages.product(key, user)

    @app.post("/products/{key}/buy")
    def buy(key: str, _: User) -> RedirectResponse:
        if key not in pages.PRODUCTS:
            raise HTTPException(404)
        place_order(client, key)
        return RedirectResponse("/thanks", 303)

    @app.get("/thanks", response_class=HTMLResponse)
    async def thanks(user: User) -> str:
        return pages.thanks(user)

    @app.post("/login/{user}")
    def login(user: str, request: Request) -> RedirectResponse:
        if user not in pages.USERS:
            raise HTTPException(404)
        request.session["user"] = user
        identify_request(user)
        client.identify(user_id=user, traits={"name": user.title()})
        return RedirectResponse("/", 303)

    @app.post("/logout")
    def logout(request: Request) -> RedirectResponse:
        request.session.clear()
        identify_request(None)
        return RedirectResponse("/", 303)

    return app
