from typing import Any

from django.http.response import Http404 as Http404
from django.http.response import HttpResponse as HttpResponse
from django.http.response import HttpResponseBase as HttpResponseBase
from django.http.response import HttpResponseRedirect as HttpResponseRedirect

class HttpRequest:
    META: dict[str, Any]
    method: str | None
    path: str
    scheme: str
    session: Any
