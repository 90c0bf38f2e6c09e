from http.cookies import SimpleCookie
from typing import Any

class HttpResponseBase:
    status_code: int
    streaming: bool
    is_async: bool
    streaming_content: Any
    headers: dict[str, str]
    cookies: SimpleCookie
    def close(self) -> None: ...

class HttpResponse(HttpResponseBase):
    def __init__(self, content: str = ...) -> None: ...

class HttpResponseRedirect(HttpResponse): ...
class Http404(Exception): ...
