from collections.abc import Callable
from typing import ParamSpec

from django.http import HttpResponse

P = ParamSpec("P")

def require_POST(function: Callable[P, HttpResponse]) -> Callable[P, HttpResponse]: ...
