from typing import Any

class Task:
    request: Any
