from typing import Any

class Extension:
    def __init__(self, name: str, sources: list[str], *, optional: bool) -> None: ...

class Distribution:
    def __init__(self, attrs: dict[str, Any]) -> None: ...
