from collections.abc import Callable

class Signal:
    def connect(self, receiver: Callable[..., object], sender: object) -> None: ...

class User:
    is_authenticated: bool
    def get_id(self) -> str: ...

current_user: User
user_logged_in: Signal
user_logged_out: Signal
