from collections.abc import Callable

class Signal:
    def connect(self, receiver: Callable[..., object], *, weak: bool = ..., dispatch_uid: str | None = ...) -> None: ...

user_logged_in: Signal
user_logged_out: Signal
