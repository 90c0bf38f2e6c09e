"""The pages of the shop, which all three applications share."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from types import MappingProxyType
from typing import NamedTuple


class Product(NamedTuple):
    """Something to buy."""

    name: str
    price: float


PRODUCTS: Mapping[str, Product] = MappingProxyType(
    {
        "lamp": Product("Desk lamp", 39.9),
        "keyboard": Product("Quiet keyboard", 89.95),
        "mug": Product("Mug", 12.5),
    }
)
USERS = ("ada", "grace")


def home(user: str | None) -> str:
    """Return the page with all products."""
    rows = "".join(
        f'<li><a href="/products/{key}">{escape(product.name)}</a> {product.price:.2f} EUR'
        for key, product in PRODUCTS.items()
    )
    from_chatgpt = '<p><a id="from-chatgpt" href="/products/lamp?utm_source=chatgpt.com">Arrive from ChatGPT</a>'
    return _page("All products", f"<ul>{rows}</ul>{from_chatgpt}", user)


def product(key: str, user: str | None) -> str:
    """Return the page of a product."""
    name, price = PRODUCTS[key]
    return _page(name, f"<p>{price:.2f} EUR{_button('buy', f'/products/{key}/buy', 'Buy')}", user)


def thanks(user: str | None) -> str:
    """Return the page after an order."""
    return _page("Thank you for your order", '<p><a id="home" href="/">All products</a>', user)


def _page(title: str, body: str, user: str | None) -> str:
    if user is None:
        account = "".join(_button(f"login-{name}", f"/login/{name}", f"Log in as {name}") for name in USERS)
    else:
        account = f'<span id="user">{escape(user)}</span>{_button("logout", "/logout", "Log out")}'
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        '<link rel="icon" href="data:,"><style>body { font: 1rem system-ui; max-width: 40rem; margin: 2rem auto }'
        "form { display: inline; margin-left: 1rem }</style>"
        f"<title>{escape(title)}</title><header>{account}</header><h1>{escape(title)}</h1>{body}</html>"
    )


def _button(name: str, action: str, text: str) -> str:
    return f'<form method="post" action="{action}"><button id="{name}">{escape(text)}</button></form>'
