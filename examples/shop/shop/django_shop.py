"""The shop in Django."""

from __future__ import annotations

from collections.abc import Callable

import django
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path
from django.views.decorators.http import require_POST

from segops import SegOpsClient
from segops.integrations import identify_request
from shop import pages
from shop.orders import POLICY, place_order

SETTINGS = {
    "SECRET_KEY": "only an example",
    "ALLOWED_HOSTS": ["localhost", "127.0.0.1"],
    "ROOT_URLCONF": "shop.django_shop",
    "SESSION_ENGINE": "django.contrib.sessions.backends.signed_cookies",
    "MIDDLEWARE": [
        "segops.integrations.django.SegOpsMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "shop.django_shop.identify",
    ],
}


def identify(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Tell the middleware who is logged in. With django.contrib.auth, the middleware knows."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if "user" in request.session:
            identify_request(request.session["user"])
        return get_response(request)

    return middleware


def home(request: HttpRequest) -> HttpResponse:
    """Show all products."""
    return HttpResponse(pages.home(request.session.get("user")))


def product(request: HttpRequest, key: str) -> HttpResponse:
    """Show a product."""
    if key not in pages.PRODUCTS:
        raise Http404
    return HttpResponse(pages.product(key, request.session.get("user")))


@require_POST
def buy(_: HttpRequest, key: str) -> HttpResponse:
    """Order a product."""
    if key not in pages.PRODUCTS:
        raise Http404
    place_order(settings.SEGOPS["client"], key)
    return HttpResponseRedirect("/thanks")


def thanks(request: HttpRequest) -> HttpResponse:
    """Thank for an order."""
    return HttpResponse(pages.thanks(request.session.get("user")))


@require_POST
def login(request: HttpRequest, user: str) -> HttpResponse:
    """Log a user in."""
    if user not in pages.USERS:
        raise Http404
    request.session["user"] = user
    identify_request(user)
    settings.SEGOPS["client"].identify(user_id=user, traits={"name": user.title()})
    return HttpResponseRedirect("/")


@require_POST
def logout(request: HttpRequest) -> HttpResponse:
    """Log the user out."""
    request.session.flush()
    identify_request(None)
    return HttpResponseRedirect("/")


urlpatterns = [
    path("", home),
    path("products/<key>", product),
    path("products/<key>/buy", buy),
    path("thanks", thanks),
    path("login/<user>", login),
    path("logout", logout),
]


def create_app(client: SegOpsClient) -> WSGIHandler:
    """Create the application. A project has these settings in its settings module."""
    if not settings.configured:
        settings.configure(**SETTINGS)
        django.setup()
    settings.SEGOPS = {"client": client, "policy": POLICY}
    return WSGIHandler()
