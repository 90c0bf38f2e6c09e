"""`GET /api/`: list every endpoint."""

from __future__ import annotations

import html

from segops.emulator.responses import ApiResponse
from segops.emulator.routing import ANYONE, RequestContext, Route

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Local SegOps: endpoints</title>
</head>
<body>
<h1>Local SegOps: endpoints</h1>
<table>
<thead><tr><th>Method</th><th>Path</th><th>For</th><th>What it does</th></tr></thead>
<tbody>
{rows}
</tbody>
</table>
</body>
</html>
"""


def list_endpoints(request: RequestContext) -> ApiResponse:
    """List all endpoints, as JSON, or as HTML for a browser."""
    rows = [
        {
            "method": route.method,
            "path": route.path,
            "callers": sorted(route.admits),
            "does": (route.endpoint.__doc__ or "").partition("\n")[0],
        }
        for route in request.routes
    ]
    if "text/html" not in request.headers.get("accept", ""):
        return ApiResponse(200, {"endpoints": rows})
    cells = [[row["method"], row["path"], ", ".join(row["callers"]), row["does"]] for row in rows]
    lines = ["<tr>" + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in row) + "</tr>" for row in cells]
    page = _PAGE.format(rows="\n".join(lines))
    return ApiResponse(200, page.encode(), {"content-type": "text/html; charset=utf-8"})


TABLES = ()
ROUTES = (Route("GET", "/api/", ANYONE, list_endpoints),)
