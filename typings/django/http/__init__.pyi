from typing import Any

from django.http.response import HttpResponseBase as HttpResponseBase

class HttpRequest:
    META: dict[str, Any]
    method: str | None
    path: str
    scheme: str
