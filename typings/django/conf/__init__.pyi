from typing import Any

class LazySettings:
    configured: bool
    SEGOPS: dict[str, Any]
    def configure(self, **options: object) -> None: ...

settings: LazySettings
