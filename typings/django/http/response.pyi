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
