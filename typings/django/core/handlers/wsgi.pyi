from collections.abc import Iterable

from _typeshed.wsgi import StartResponse, WSGIEnvironment

class WSGIHandler:
    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]: ...
