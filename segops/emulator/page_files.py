"""Render AI pages as HTML, as a React component in TSX, or as JSON.

Text of a page always stays text. It is escaped in HTML, and quoted in scripts.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import msgspec

from segops.emulator.tables import Row

CONTENT_TYPES = {
    "html": "text/html; charset=utf-8",
    "tsx": "text/plain; charset=utf-8",
    "json": "application/json",
}

_HTML = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<meta name="description" content="{intro}">
<script type="application/ld+json">{data}</script>
</head>
<body>
<main>
<h1>{title}</h1>
<p>{intro}</p>
{products}
</main>
</body>
</html>
"""

_TSX = """type Product = {{ sku: string; name: string; data: Record<string, unknown> }};

const page: {{ title: string; intro: string; products: Product[] }} = {data};

export default function Page() {{
  return (
    <main>
      <h1>{{page.title}}</h1>
      <p>{{page.intro}}</p>
      {{page.products.map((product) => (
        <section key={{product.sku}}>
          <h2>{{product.name}}</h2>
          <dl>
            {{Object.entries(product.data).map(([name, value]) => (
              <div key={{name}}>
                <dt>{{name}}</dt>
                <dd>{{typeof value === "string" ? value : JSON.stringify(value)}}</dd>
              </div>
            ))}}
          </dl>
        </section>
      ))}}
    </main>
  );
}}
"""


def render(page: Row, products: Sequence[Row], file_format: str) -> bytes:
    """Return a page and its products as an "html", "tsx", or "json" file."""
    if file_format == "html":
        return _html(page, products).encode()
    if file_format == "tsx":
        content = {"title": page["title"], "intro": page["intro_copy"], "products": products}
        return _TSX.format(data=_script(content)).encode()
    names = ("slug", "title", "query", "intro_copy", "product_skus", "template")
    return msgspec.json.encode({**{name: page[name] for name in names}, "products": products})


def _html(page: Row, products: Sequence[Row]) -> str:
    listed = {
        "@context": "https://schema.org",
        "@type": "ItemList",
        "name": page["title"],
        "itemListElement": [
            {
                "@type": "ListItem",
                "position": place,
                "item": {"@type": "Product", "sku": each["sku"], "name": each["name"]},
            }
            for place, each in enumerate(products, 1)
        ],
    }
    return _HTML.format(
        title=html.escape(page["title"]),
        intro=html.escape(page["intro_copy"]),
        data=_script(listed),
        products="\n".join(_section(product) for product in products),
    )


def _section(product: Row) -> str:
    facts = "".join(
        f"<dt>{html.escape(name)}</dt><dd>{html.escape(_text(value))}</dd>" for name, value in product["data"].items()
    )
    return f"<section><h2>{html.escape(product['name'])}</h2><dl>{facts}</dl></section>"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _script(value: Any) -> str:
    """Return JSON that is valid JavaScript and cannot close the script element around it."""
    text = msgspec.json.encode(value).decode()
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text
